//! `latchkey outbox …`.

use super::show::{Shown, table, word};
use super::{Companion, Failure};

#[derive(clap::Subcommand)]
pub(crate) enum Outbox {
    /// Says how many mails wait, and lists those that were given up.
    List,
    /// Sends notices that were given up once more: all, or one. Codes are not sent again: nobody waits for them any more.
    Retry {
        /// Its number.
        errand: Option<u64>,
    },
    /// Removes what was given up: all, or one.
    Drop {
        /// Its number.
        errand: Option<u64>,
    },
}

pub(super) async fn run(companion: &Companion, command: Outbox) -> Result<Shown, Failure> {
    match command {
        Outbox::List => {
            let answer = companion.get("/outbox").await?;
            let columns = [
                ("id", "NUMBER"),
                ("errand", "ERRAND"),
                ("account", "ACCOUNT"),
                ("tries", "TRIES"),
                ("dead_at", "GIVEN UP"),
                ("last_error", "WHY"),
            ];
            let text = format!(
                "{} wait, {} were given up\n{}",
                word(&answer["waiting"]),
                word(&answer["dead"]),
                table(&columns, &answer["dead_letters"])
            );
            Ok(Shown::new(answer, text))
        }
        Outbox::Retry { errand } => {
            let path = letters(errand);
            let answer = companion.post(&format!("{path}/retry")).await?;
            let text = format!("{} are due again", word(&answer["retried"]));
            Ok(Shown::new(answer, text))
        }
        Outbox::Drop { errand } => {
            let answer = companion.delete(&letters(errand)).await?;
            let text = format!("{} removed", word(&answer["dropped"]));
            Ok(Shown::new(answer, text))
        }
    }
}

fn letters(errand: Option<u64>) -> String {
    match errand {
        Some(errand) => format!("/outbox/dead/{errand}"),
        None => "/outbox/dead".to_owned(),
    }
}
