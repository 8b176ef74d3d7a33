//! The operator's commands that ask the running companion, over its admin API.

#![expect(
    clippy::indexing_slicing,
    reason = "a member of a JSON value that is missing is null, and no panic"
)]

mod accounts;
mod ask;
mod audit;
mod doctor;
mod feed;
mod gateways;
mod keys;
mod outbox;
mod sessions;
mod show;
mod tls;

use std::path::PathBuf;
use std::process::ExitCode;

use companion::config::Settings;

pub(crate) use self::accounts::Accounts;
pub(crate) use self::ask::{Companion, Failure};
pub(crate) use self::audit::Audit;
pub(crate) use self::doctor::run as run_doctor;
pub(crate) use self::feed::Feed;
pub(crate) use self::gateways::Gateways;
pub(crate) use self::keys::Keys;
pub(crate) use self::outbox::Outbox;
pub(crate) use self::sessions::Sessions;

/// How the running companion is asked, and how its answer is shown.
#[derive(clap::Args)]
pub(crate) struct Asking {
    /// Host and port of the internal listener; those of the configuration when it is not given.
    #[arg(long, global = true)]
    admin_address: Option<String>,
    /// The file with the admin token; the first one of the configuration when it is not given.
    #[arg(long, global = true)]
    admin_token_file: Option<PathBuf>,
    #[command(flatten)]
    tls: tls::TlsArguments,
    /// Prints the companion's answer as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// A command that asks the running companion.
pub(crate) enum Asked {
    Accounts(Accounts),
    Sessions(Sessions),
    Keys(Keys),
    Gateways(Gateways),
    Feed(Feed),
    Audit(Audit),
    Outbox(Outbox),
}

/// Asks, shows the answer, and says how it went: 0 done, 1 refused, 3 no companion was reached (2 is the parser's).
pub(crate) fn run(settings: &Settings, asking: &Asking, asked: Asked) -> ExitCode {
    let outcome = crate::runtime()
        .map_err(Failure::Refused)
        .and_then(|runtime| {
            runtime.block_on(async {
                let companion = Companion::of(settings, asking)?;
                match asked {
                    Asked::Accounts(command) => accounts::run(&companion, command).await,
                    Asked::Sessions(command) => sessions::run(&companion, command).await,
                    Asked::Keys(command) => keys::run(&companion, command).await,
                    Asked::Gateways(command) => gateways::run(&companion, command).await,
                    Asked::Feed(command) => feed::run(&companion, command).await,
                    Asked::Audit(command) => audit::run(&companion, command).await,
                    Asked::Outbox(command) => outbox::run(&companion, command).await,
                }
            })
        });
    match outcome {
        Ok(shown) => {
            if asking.json {
                println!("{:#}", shown.answer);
            } else {
                println!("{}", shown.text.trim_end());
            }
            ExitCode::SUCCESS
        }
        Err(Failure::NotReached(why)) => {
            eprintln!("latchkey: {why}");
            ExitCode::from(3)
        }
        Err(Failure::Refused(why)) => {
            eprintln!("latchkey: {why}");
            ExitCode::FAILURE
        }
    }
}
