//! `latchkey`: the companion's command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use companion::clock::Clock;
use companion::config::{self, Read, Settings, StoreKind};
use companion::log;
use companion::mail;
use companion::operation;
use companion::postgres::{Options, names_a_password};
use companion::routes;
use companion::secret;
use companion::service::Service;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

/// Accounts, sessions and revocations for services behind Envoy.
#[derive(Parser)]
#[command(name = "latchkey", version)]
struct Arguments {
    /// The configuration, a TOML file.
    #[arg(long, global = true, env = "LATCHKEY_CONFIG")]
    config: Option<PathBuf>,
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
    /// Signing keys, directly in the store.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Sessions, directly in the store.
    Sessions {
        #[command(subcommand)]
        command: SessionsCommand,
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

#[derive(Subcommand)]
enum KeysCommand {
    /// Makes new ones in the place of all that there are, at once. For keys that have leaked: every access token dies with them.
    Replace,
}

#[derive(Subcommand)]
enum SessionsCommand {
    /// Ends sessions. After a restored backup or a failover that may have lost something: all of them.
    End {
        /// All sessions of all accounts.
        #[arg(long, required = true)]
        all: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let read = match config::read(arguments.config, variables()) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("latchkey: {error}");
            return ExitCode::FAILURE;
        }
    };
    match arguments.command {
        Command::Serve => serve(read),
        Command::Backup { file } => told(operation::backup(&read.settings, &file)),
        Command::Migrate(arguments) => told(migrate(&read.settings, arguments)),
        Command::Keys {
            command: KeysCommand::Replace,
        } => told(blocking(operation::replace_keys(&read.settings))),
        Command::Sessions {
            command: SessionsCommand::End { .. },
        } => told(blocking(operation::end_all_sessions(&read.settings))),
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
            println!("{:#}", filter_config(&read.settings));
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
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(work)
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
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "no runtime");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(read))
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

/// The least that the filter needs to know.
fn filter_config(settings: &Settings) -> serde_json::Value {
    json!({
        "issuer": settings.issuer(),
        "audiences": settings.audiences(),
        "companion": { "cluster": "companion_internal", "authority": "companion", "token_env": "LATCHKEY_GATEWAY_TOKEN" },
        "max_token_lifetime": format!("{}s", settings.tokens.access_lifetime.get().as_secs()),
        "identity_headers": { "x-auth-subject": "sub", "x-auth-session": "sid", "x-auth-roles": "roles" },
        "ready_path": "/-/latchkey/ready",
        "rules": [
            { "match": { "prefix": "/auth" }, "require": "none", "forward_token": true },
            { "match": { "path": "/.well-known/jwks.json" }, "require": "none" },
            { "match": { "path": "/.well-known/oauth-authorization-server" }, "require": "none" }
        ]
    })
}
