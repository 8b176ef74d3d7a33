//! `latchkey gateways …`.

use super::accounts::encoded;
use super::show::{Shown, table, word};
use super::{Companion, Failure};

#[derive(clap::Subcommand)]
pub(crate) enum Gateways {
    /// Lists the gateways, and how many numbers of the feed each is behind.
    List,
    /// Counts a gateway no more that is gone for good: one with `on_stale: allow` counts for 24 h otherwise.
    Forget {
        /// Its id.
        id: String,
    },
}

pub(super) async fn run(companion: &Companion, command: Gateways) -> Result<Shown, Failure> {
    match command {
        Gateways::List => {
            let answer = companion.get("/gateways").await?;
            let columns = [
                ("id", "ID"),
                ("live", "LIVE"),
                ("lag", "BEHIND"),
                ("acknowledged", "ACKNOWLEDGED"),
                ("staleness", "STALENESS"),
                ("live_until", "LIVE UNTIL"),
            ];
            let head = word(&answer["head"]);
            let text = format!(
                "the feed's last number is {head}\n{}",
                table(&columns, &answer["gateways"])
            );
            Ok(Shown::new(answer, text))
        }
        Gateways::Forget { id } => {
            let path = format!("/gateways/{}", encoded(&id));
            let answer = companion.delete(&path).await?;
            Ok(Shown::new(answer, "forgotten, until it polls again"))
        }
    }
}
