//! How a stack is to be: its ports, its store, and how many of what.

use std::path::PathBuf;
use std::str::FromStr;

use crate::fault::Fault;
use crate::ports::Ports;

/// What the companions keep their state in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Store {
    /// A file beside the one companion.
    #[default]
    Sqlite,
    /// A server that the stack starts.
    Postgres,
}

/// Variables of a companion with limits that nobody meets.
pub fn roomy_limits() -> impl Iterator<Item = (String, String)> {
    let names = [
        "SIGNUP_PER_ADDRESS",
        "PASSWORD_PER_ADDRESS",
        "LOGIN_PER_ADDRESS",
        "CODE_PER_ADDRESS",
        "MAIL_PER_ADDRESS",
        "MAIL_PER_EMAIL",
        "MAIL_PER_EMAIL_HOURLY",
        "MAIL_PER_EMAIL_DAILY",
        "RESEND_PER_CHALLENGE",
        "RECOVERY_PER_ADDRESS",
        "RECOVERY_PER_EMAIL",
        "REFRESH_PER_SESSION",
        "UNAUTHENTICATED_TOTAL",
    ];
    let variable = |name| {
        (
            format!("LATCHKEY_LIMITS__{name}"),
            "1000000+1000000/1s".to_owned(),
        )
    };
    names.into_iter().map(variable)
}

/// How a stack is to be.
pub struct Setup {
    /// Who of number 0 listens where.
    pub ports: Ports,
    /// The state directory, kept; a temporary one, removed, when there is none.
    pub state: Option<PathBuf>,
    /// Envoy's configuration before its ports are rewritten; the shipped one when there is none.
    pub configuration: Option<String>,
    /// More arguments for the Envoys.
    pub envoy: Vec<String>,
    /// More variables for the companions.
    pub companion: Vec<(String, String)>,
    /// The companions' program; the one built beside the program that runs when there is none.
    pub program: Option<PathBuf>,
    /// Where the companions keep their state.
    pub store: Store,
    /// How many companions.
    pub replicas: usize,
    /// How many Envoys.
    pub gateways: usize,
    /// Whether VMs of the Envoys are made to trap. Otherwise a trap is a fault of the stack, told when the Envoy is ended.
    pub traps: bool,
}

impl Setup {
    /// On these ports, one of each on SQLite, with nothing else changed.
    pub const fn on(ports: Ports) -> Self {
        Self {
            ports,
            state: None,
            configuration: None,
            envoy: Vec::new(),
            companion: Vec::new(),
            program: None,
            store: Store::Sqlite,
            replicas: 1,
            gateways: 1,
            traps: false,
        }
    }

    /// With this variable for the companions.
    #[must_use]
    pub fn companion(mut self, name: &str, value: &str) -> Self {
        self.companion.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With these arguments for the Envoys.
    #[must_use]
    pub fn envoy(mut self, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        self.envoy.extend(arguments);
        self
    }

    /// With VMs that are made to trap.
    #[must_use]
    pub const fn that_traps(mut self) -> Self {
        self.traps = true;
        self
    }

    /// That many companions on one PostgreSQL, and that many Envoys.
    #[must_use]
    pub const fn on_postgres(mut self, replicas: usize, gateways: usize) -> Self {
        self.store = Store::Postgres;
        self.replicas = replicas;
        self.gateways = gateways;
        self
    }

    /// Refuses what cannot run.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self) -> Result<(), Fault> {
        if self.replicas == 0 || self.gateways == 0 {
            return Err(Fault::new("a stack has at least one of each part"));
        }
        if self.replicas > 1 && self.store == Store::Sqlite {
            return Err(Fault::new(format!(
                "{} replicas cannot share SQLite, which one companion has alone; they need STORE=postgres",
                self.replicas
            )));
        }
        self.ports
            .check(self.replicas, self.gateways, self.store == Store::Postgres)
    }
}

impl FromStr for Store {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            _ => Err(Fault::new(format!(
                "STORE={text} is neither sqlite nor postgres"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SHIPPED;

    #[test]
    fn replicas_on_sqlite_are_refused_and_the_text_says_what_they_need() {
        let mut setup = Setup::on(SHIPPED);
        setup.check().unwrap();
        setup.replicas = 2;
        let text = setup.check().unwrap_err().to_string();
        assert!(text.contains("STORE=postgres"), "{text}");
        setup.replicas = 0;
        setup.check().unwrap_err();
    }

    #[test]
    fn an_unknown_store_is_named() {
        assert_eq!("postgres".parse::<Store>().unwrap(), Store::Postgres);
        let text = "mysql".parse::<Store>().unwrap_err().to_string();
        assert!(text.contains("STORE=mysql"), "{text}");
    }
}
