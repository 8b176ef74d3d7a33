//! `latchkey sessions …`.

use super::accounts::{encoded, path};
use super::show::{Shown, table};
use super::{Companion, Failure};

#[derive(clap::Subcommand)]
pub(crate) enum Sessions {
    /// Lists the sessions of an account.
    List {
        /// Its address or its id.
        account: String,
    },
    /// Ends one session, or all. After a restored backup, or a failover that may have lost something: all.
    End {
        /// The session's id.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        session: Option<String>,
        /// All sessions of all accounts.
        #[arg(long)]
        all: bool,
        /// In the store itself, while no companion runs.
        #[arg(long, requires = "all", conflicts_with = "session")]
        direct: bool,
    },
}

pub(super) async fn run(companion: &Companion, command: Sessions) -> Result<Shown, Failure> {
    match command {
        Sessions::List { account } => {
            let path = format!("{}/sessions", path(companion, &account).await?);
            let answer = companion.get(&path).await?;
            let columns = [
                ("id", "ID"),
                ("created_at", "CREATED"),
                ("last_seen_at", "LAST SEEN"),
                ("ip", "ADDRESS"),
                ("acr", "LEVEL"),
                ("label", "LABEL"),
                ("user_agent", "USER AGENT"),
            ];
            let text = table(&columns, &answer["sessions"]);
            Ok(Shown::new(answer, text))
        }
        Sessions::End { session, .. } => {
            let path = match session {
                Some(session) => format!("/sessions/{}", encoded(&session)),
                None => "/sessions?scope=all".to_owned(),
            };
            let answer = companion.delete(&path).await?;
            Ok(Shown::receipt(answer, "done"))
        }
    }
}
