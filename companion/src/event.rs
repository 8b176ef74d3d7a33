//! Authentication events (AU-01): each is one line in the log and one count. What changes something is in the audit log of the store
//! too, by the transaction of the change; what changes nothing is here alone (AU-04).

use token::{SessionId, Subject};

use crate::app::App;
use crate::store::Client;

/// What happened, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    name: &'static str,
    is_failure: bool,
    cause: Option<&'static str>,
    account: Option<Subject>,
    session: Option<SessionId>,
}

impl Event {
    /// Something was done, by the owner of the account or by an operator.
    pub const fn done(name: &'static str) -> Self {
        Self {
            name,
            is_failure: false,
            cause: None,
            account: None,
            session: None,
        }
    }

    /// Somebody has tried, in vain; nobody knows who.
    pub const fn failed(name: &'static str) -> Self {
        Self {
            is_failure: true,
            ..Self::done(name)
        }
    }

    /// Why.
    #[must_use]
    pub const fn because(self, cause: &'static str) -> Self {
        Self {
            cause: Some(cause),
            ..self
        }
    }

    /// Whose account it is about.
    #[must_use]
    pub const fn of(self, account: Subject) -> Self {
        Self {
            account: Some(account),
            ..self
        }
    }

    /// What session it is about.
    #[must_use]
    pub const fn session(self, session: SessionId) -> Self {
        Self {
            session: Some(session),
            ..self
        }
    }

    /// An operator; else whoever has shown that the account is his.
    fn actor(&self, by: &Client) -> String {
        match (&by.actor, self.account) {
            (Some(actor), _) => format!("admin {actor}"),
            (None, Some(account)) if !self.is_failure => account.to_string(),
            _ => "anonymous".to_owned(),
        }
    }
}

impl App {
    /// Tells of an event. One that changed something: after its commit.
    pub fn tell(&self, by: &Client, event: Event) {
        self.metrics.count_event(event.name);
        let Event {
            name,
            cause,
            account,
            session,
            ..
        } = event;
        let actor = event.actor(by);
        let account = account.map(|account| account.to_string());
        let session = session.map(|session| session.to_string());
        // Address and request id are those of the request's span.
        tracing::info!(event = name, cause, actor, account, session);
    }
}
