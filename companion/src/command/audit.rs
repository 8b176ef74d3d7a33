//! `latchkey audit`.

use super::accounts::path;
use super::show::{Shown, table, word};
use super::{Companion, Failure};

/// Shows the newest events of the audit log.
#[derive(clap::Args)]
pub(crate) struct Audit {
    /// Of this account alone: its address or its id.
    #[arg(long)]
    account: Option<String>,
    /// Older than the event of that number.
    #[arg(long)]
    before: Option<u64>,
    /// So many at most.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

pub(super) async fn run(companion: &Companion, command: Audit) -> Result<Shown, Failure> {
    let mut query = format!("/audit?limit={}", command.limit);
    if let Some(account) = &command.account {
        let path = path(companion, account).await?;
        let id = path.trim_start_matches("/accounts/");
        query = format!("{query}&account={id}");
    }
    if let Some(before) = command.before {
        query = format!("{query}&before={before}");
    }
    let answer = companion.get(&query).await?;
    let columns = [
        ("id", "NUMBER"),
        ("at", "TIME"),
        ("event", "EVENT"),
        ("cause", "CAUSE"),
        ("actor", "OPERATOR"),
        ("account", "ACCOUNT"),
        ("session", "SESSION"),
        ("ip", "ADDRESS"),
        ("request_id", "REQUEST"),
    ];
    let mut text = table(&columns, &answer["events"]);
    if !answer["next"].is_null() {
        text = format!("{text}older ones: --before {}\n", word(&answer["next"]));
    }
    Ok(Shown::new(answer, text))
}
