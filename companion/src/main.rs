//! `latchkey`: the companion's command line.

mod command;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use companion::clock::Clock;
use companion::config::{self, Read, Settings, StoreKind};
use companion::filter_config;
use companion::log;
use companion::mail;
use companion::operation;
use companion::postgres::{Options, names_a_password};
use companion::routes;
use companion::secret;
use companion::service::Service;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use self::command::{Accounts, Asked, Asking, Audit, Feed, Gateways, Keys, Outbox, Sessions};

/// Accounts, sessions and revocations for services behind Envoy.
#[derive(Parser)]
#[command(name = "latchkey", version)]
struct Arguments {
    /// The configuration, a TOML file.
    #[arg(long, global = true, env = "LATCHKEY_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    asking: Asking,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the companion.
    Serve,
    /// Copies the embedded store into a file, also while the companion runs. The master key is not in it.
    Backup {
        /// The file; it must not exist yet.
        file: PathBuf,
    },
    /// Moves the embedded store into an empty PostgreSQL database; no companion may run on either. Safe to run again.
    Migrate(Migrate),
    /// Looks at everything that a companion needs, and says what to do. Needs no running companion, and changes nothing.
    Doctor,
    /// Accounts of the running companion.
    Accounts {
        #[command(subcommand)]
        command: Accounts,
    },
    /// Sessions of the running companion.
    Sessions {
        #[command(subcommand)]
        command: Sessions,
    },
    /// Signing keys of the running companion.
    Keys {
        #[command(subcommand)]
        command: Keys,
    },
    /// The gateways that the running companion knows.
    Gateways {
        #[command(subcommand)]
        command: Gateways,
    },
    /// The feed of the running companion.
    Feed {
        #[command(subcommand)]
        command: Feed,
    },
    /// The audit log of the running companion.
    Audit(Audit),
    /// Mails that the running companion has not sent.
    Outbox {
        #[command(subcommand)]
        command: Outbox,
    },
    /// Reads the configuration, and says what is wrong with it.
    CheckConfig,
    /// Prints the filter's configuration that matches this companion.
    FilterConfig,
    /// Prints the OpenAPI document of the public listener.
    Openapi {
        /// That of the internal listener instead.
        #[arg(long)]
        internal: bool,
    },
}

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("url").required(true)))]
struct Migrate {
    /// The database's URL, if there is no password in it: everybody on this machine sees the arguments of a program.
    #[arg(long, group = "url")]
    to: Option<String>,
    /// The file with the database's URL.
    #[arg(long, group = "url")]
    to_file: Option<PathBuf>,
    /// The environment variable with the database's URL.
    #[arg(long, group = "url")]
    to_env: Option<String>,
    /// The authorities that may have signed the server's certificate, as PEM; needed off this machine.
    #[arg(long)]
    ca_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let read = config::read(arguments.config, variables());
    if let Command::Doctor = arguments.command {
        return command::run_doctor(read, &arguments.asking);
    }
    let read = match read {
        Ok(read) => read,
        Err(error) => {
            eprintln!("latchkey: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ask = |asked| command::run(&read.settings, &arguments.asking, asked);
    match arguments.command {
        Command::Serve => serve(read),
        Command::Backup { file } => told(operation::backup(&read.settings, &file)),
        Command::Migrate(arguments) => told(migrate(&read.settings, arguments)),
        Command::Keys {
            command: Keys::Replace { direct: true },
        } => told(blocking(operation::replace_keys(&read.settings))),
        Command::Sessions {
            command:
                Sessions::End {
                    all: true,
                    direct: true,
                    ..
                },
        } => told(blocking(operation::end_all_sessions(&read.settings))),
        Command::Accounts { command } => ask(Asked::Accounts(command)),
        Command::Sessions { command } => ask(Asked::Sessions(command)),
        Command::Keys { command } => ask(Asked::Keys(command)),
        Command::Gateways { command } => ask(Asked::Gateways(command)),
        Command::Feed { command } => ask(Asked::Feed(command)),
        Command::Audit(command) => ask(Asked::Audit(command)),
        Command::Outbox { command } => ask(Asked::Outbox(command)),
        Command::CheckConfig => {
            for name in &read.unknown {
                eprintln!("latchkey: warning: the variable {name} means nothing");
            }
            if let Err(error) = mail::templates(&read.settings) {
                eprintln!("latchkey: configuration refused: {error}");
                return ExitCode::FAILURE;
            }
            println!("{:#}", json!(read.settings));
            ExitCode::SUCCESS
        }
        Command::FilterConfig => {
            println!("{:#}", filter_config::matching(&read.settings));
            ExitCode::SUCCESS
        }
        Command::Openapi { internal } => {
            let document = if internal {
                routes::internal::document(&read.settings)
            } else {
                routes::public::document(&read.settings)
            };
            println!("{document:#}");
            ExitCode::SUCCESS
        }
        // Answered above: it takes a configuration that cannot be read, too.
        Command::Doctor => ExitCode::SUCCESS,
    }
}

/// What a command did, or why it did not.
fn told(outcome: Result<String, String>) -> ExitCode {
    match outcome {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("latchkey: {text}");
            ExitCode::FAILURE
        }
    }
}

fn blocking(work: impl Future<Output = Result<String, String>>) -> Result<String, String> {
    runtime()?.block_on(work)
}

fn runtime() -> Result<Runtime, String> {
    Runtime::new().map_err(|error| format!("no runtime: {error}"))
}

fn migrate(settings: &Settings, arguments: Migrate) -> Result<String, String> {
    let url = match arguments.to.map(Zeroizing::new) {
        Some(url) if names_a_password(&url) => {
            return Err("--to has a password in it, which everybody on this machine can see: use --to-file or --to-env".to_owned());
        }
        Some(url) => url,
        None => secret::referred(arguments.to_file.as_deref(), arguments.to_env.as_deref())
            .map_err(|error| error.to_string())?,
    };
    let options = Options {
        url,
        ca_file: arguments.ca_file,
        connections: 1,
    };
    blocking(operation::migrate(settings, options))
}

/// The environment; a variable that is no text is none of ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text)
}

fn serve(read: Read) -> ExitCode {
    if tracing::subscriber::set_global_default(log::to(log::level(), std::io::stderr)).is_err() {
        eprintln!("latchkey: there is no log");
        return ExitCode::FAILURE;
    }
    log::tell_panics();
    match runtime() {
        Ok(runtime) => runtime.block_on(run(read)),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(read: Read) -> ExitCode {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [Ok(mut terminate), Ok(mut interrupt)] = signals else {
        tracing::error!("signals cannot be listened for");
        return ExitCode::FAILURE;
    };
    warn(&read);
    let service = match Service::start(read.settings, Clock::system()).await {
        Ok(service) => service,
        Err(error) => {
            tracing::error!(%error, "not started");
            return ExitCode::FAILURE;
        }
    };
    tracing::info!(public = %service.public(), internal = %service.internal(), "serving");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    service.stop().await;
    ExitCode::SUCCESS
}

/// What an operator must not overlook.
fn warn(read: &Read) {
    for variable in &read.unknown {
        tracing::warn!(variable, "this variable means nothing");
    }
    let settings = &read.settings;
    if read.file.is_none() {
        let state = settings.state.display();
        tracing::warn!(%state, "no configuration file: generated keys in the state directory, for one machine only");
    }
    if settings.store.kind == StoreKind::Postgres && settings.gateway_token_files.is_empty() {
        tracing::warn!(
            "no gateway_token_files: replicas must take the same gateway tokens, and the one in this state directory is its own"
        );
    }
    if settings.smtp.host.is_none() && settings.webhook.url.is_none() {
        let folder = settings.state.join("mail");
        tracing::warn!(folder = %folder.display(), "mail goes into files, not to its readers");
    }
    if settings.base_url.starts_with("http://") {
        tracing::warn!(
            base_url = settings.base_url,
            "plain HTTP: tokens can be read on the way"
        );
    }
}
