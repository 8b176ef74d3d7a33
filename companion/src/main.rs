//! `latchkey`: the companion's command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use companion::clock::Clock;
use companion::config::{self, Read, Settings};
use companion::service::Service;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

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
    /// Reads the configuration, and says what is wrong with it.
    CheckConfig,
    /// Prints the filter's configuration that matches this companion.
    FilterConfig,
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
        Command::CheckConfig => {
            for name in &read.unknown {
                eprintln!("latchkey: warning: the variable {name} means nothing");
            }
            println!("{:#}", json!(read.settings));
            ExitCode::SUCCESS
        }
        Command::FilterConfig => {
            println!("{:#}", filter_config(&read.settings));
            ExitCode::SUCCESS
        }
    }
}

/// The environment; a variable that is no text is none of ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text)
}

/// Libraries speak of what is the companion's own to tell.
const LOG: &str = "info,refinery_core=warn,tokio_postgres=warn";

fn serve(read: Read) -> ExitCode {
    let level = EnvFilter::try_from_env("LATCHKEY_LOG").unwrap_or_else(|_| EnvFilter::new(LOG));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .init();
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
    tracing::warn!(folder = %settings.state.join("mail").display(), "mail goes into files, not to its readers");
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
