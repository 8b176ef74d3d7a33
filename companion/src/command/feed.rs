//! `latchkey feed …`.

use super::show::{Shown, word};
use super::{Companion, Failure};

#[derive(clap::Subcommand)]
pub(crate) enum Feed {
    /// Gives every row of the feed a new mark: every gateway reads it from the beginning. Nothing that is revoked is forgotten.
    Reset,
}

pub(super) async fn run(companion: &Companion, command: Feed) -> Result<Shown, Failure> {
    let Feed::Reset = command;
    let answer = companion.post("/feed/reset").await?;
    let text = format!(
        "every row up to {} has a new mark; every gateway reads the feed from the beginning",
        word(&answer["head"])
    );
    Ok(Shown::new(answer, text))
}
