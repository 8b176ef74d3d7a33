//! `latchkey keys …`.

use super::accounts::encoded;
use super::show::{Shown, table, word};
use super::{Companion, Failure};

#[derive(clap::Subcommand)]
pub(crate) enum Keys {
    /// Lists the signing keys.
    List,
    /// Publishes a new signing key, which signs from a while later on. The old one stays good until its last token has expired.
    Rotate {
        /// What it is to sign.
        #[arg(value_parser = ["access", "feed"], default_value = "access")]
        usage: String,
    },
    /// Takes a key out at once: whatever it has signed is refused everywhere.
    Remove {
        /// Its name.
        kid: String,
    },
    /// Makes new ones in the place of all that there are, at once. For keys that have leaked: every access token dies with them.
    Replace {
        /// In the store itself, while no companion runs.
        #[arg(long)]
        direct: bool,
    },
}

pub(super) async fn run(companion: &Companion, command: Keys) -> Result<Shown, Failure> {
    match command {
        Keys::List => {
            let answer = companion.get("/keys").await?;
            let columns = [
                ("kid", "NAME"),
                ("use", "USE"),
                ("algorithm", "ALGORITHM"),
                ("state", "STATE"),
                ("published_at", "PUBLISHED"),
                ("signs_from", "SIGNS FROM"),
            ];
            let text = table(&columns, &answer["keys"]);
            Ok(Shown::new(answer, text))
        }
        Keys::Rotate { usage } => {
            let path = format!("/keys/rotate?use={usage}");
            let answer = companion.post(&path).await?;
            let text = format!("the new key {} is published", word(&answer["kid"]));
            Ok(Shown::new(answer, text))
        }
        Keys::Remove { kid } => {
            let path = format!("/keys/{}", encoded(&kid));
            let answer = companion.delete(&path).await?;
            Ok(Shown::receipt(answer, "removed"))
        }
        Keys::Replace { .. } => {
            let answer = companion.post("/keys/replace").await?;
            Ok(Shown::new(
                answer,
                "new signing keys in the place of all: access tokens that the old ones have signed are refused at each gateway from its next \
                 page on; sessions and refresh tokens stay",
            ))
        }
    }
}
