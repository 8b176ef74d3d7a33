//! How the database is reached: its address, TLS, the pool, and what every connection must show before it is used.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

use super::work::because;
use crate::store::StoreError;
use crate::witness::Witness;

/// Where the database is, and how it is reached.
#[derive(Clone)]
pub struct Options {
    /// `postgres://user:password@host:port/database`; holds a secret.
    pub url: Zeroizing<String>,
    /// The authorities that may have signed the server's certificate, as PEM; TLS needs it.
    pub ca_file: Option<PathBuf>,
    /// The most connections of this companion.
    pub connections: usize,
}

/// The store cannot be opened; the text says why, and holds no secret.
#[derive(Debug)]
pub struct OpenError(String);

impl OpenError {
    pub(super) fn new(reason: impl fmt::Display) -> Self {
        Self(format!("PostgreSQL: {reason}"))
    }

    /// Of the open store, which says so itself.
    pub(super) fn of(error: &StoreError) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// For a place in the pool, for a new connection, for a look at an old one; whoever asks waits no longer than that for all together.
const WAIT: Duration = Duration::from_secs(2);
/// A silent server is given up by the kernel after that.
const SILENCE: Duration = Duration::from_secs(5);
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Of a frozen companion: the others' logouts wait for no lock, and no idle transaction holds one, for longer (design section 4).
const SERVER_LIMITS: &str =
    "-c lock_timeout=2000 -c idle_in_transaction_session_timeout=1000 -c statement_timeout=5000";
/// All statements are short. A server that takes one for long, because it has no statistics yet, would compile it first: tens of
/// milliseconds, and a library for each connection.
const NO_COMPILER: &str = "-c jit=off";

/// The address with all limits, and the TLS that goes with it.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

/// Whether such a URL holds a password. One that cannot be read counts as if it did.
pub fn names_a_password(url: &str) -> bool {
    let config: Result<Config, _> = url
        .trim()
        .replace("sslmode=verify-full", "sslmode=require")
        .parse();
    !config.is_ok_and(|config| config.get_password().is_none())
}

/// Reads the options. Off this machine there is TLS, and the server's certificate is always verified.
pub(super) fn address(options: &Options) -> Result<Address, OpenError> {
    // What other clients call `verify-full` is the one kind of TLS that there is here.
    let url = Zeroizing::new(
        options
            .url
            .trim()
            .replace("sslmode=verify-full", "sslmode=require"),
    );
    // The error of the parser may repeat what it read.
    let mut config: Config = url
        .parse()
        .map_err(|_| OpenError::new("the URL is none, or has an unknown parameter"))?;
    // `hostaddr` is where it really goes, whatever the host is called.
    let is_here = config
        .get_hostaddrs()
        .iter()
        .all(std::net::IpAddr::is_loopback);
    let is_local = is_here
        && config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost"
                    || name
                        .parse()
                        .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
        });
    match config.get_ssl_mode() {
        SslMode::Disable if !is_local => {
            return Err(OpenError::new(
                "sslmode=disable is for this machine alone: passwords and sessions would cross the network in the clear",
            ));
        }
        SslMode::Prefer if is_local && options.ca_file.is_none() => {
            config.ssl_mode(SslMode::Disable);
        }
        SslMode::Disable => {}
        _ => {
            config.ssl_mode(SslMode::Require);
        }
    }
    if config.get_ssl_mode() != SslMode::Disable && options.ca_file.is_none() {
        return Err(OpenError::new(
            "TLS needs store.ca_file, the authorities that may have signed the server's certificate",
        ));
    }
    let given = config.get_options().unwrap_or_default();
    let limited = format!("{given} {SERVER_LIMITS} {NO_COMPILER}");
    config
        .options(limited)
        .application_name("latchkey")
        .connect_timeout(WAIT)
        .tcp_user_timeout(SILENCE)
        .keepalives_idle(SILENCE)
        .keepalives_interval(KEEP_ALIVE)
        .keepalives_retries(3)
        .target_session_attrs(TargetSessionAttrs::ReadWrite);
    let tls = MakeRustlsConnect::new(tls(options.ca_file.as_deref())?);
    Ok(Address { config, tls })
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, OpenError> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca_file {
        let problem = |reason: &dyn fmt::Display| {
            OpenError::new(format_args!("{}: {reason}", file.display()))
        };
        let certificates = CertificateDer::pem_file_iter(file).map_err(|error| problem(&error))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| problem(&error))?;
            roots.add(certificate).map_err(|error| problem(&error))?;
        }
        if roots.is_empty() {
            return Err(problem(&"holds no certificate"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OpenError::new)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The pool. A connection that shows less durability than it must, or a standby, is not taken into it.
pub(super) fn pool(
    address: &Address,
    connections: usize,
    witness: Arc<Witness>,
    taken: Arc<AtomicU64>,
) -> Result<Pool, OpenError> {
    let manager = Manager::from_config(
        address.config.clone(),
        address.tls.clone(),
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let hook = Hook::async_fn(move |client: &mut _, _| {
        let witness = Arc::clone(&witness);
        let client: &deadpool_postgres::ClientWrapper = client;
        Box::pin(async move {
            let server = look_at(client).await.map_err(HookError::message)?;
            witness.met(&server);
            Ok(())
        })
    });
    let count = Hook::sync_fn(move |_: &mut _, _| {
        taken.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    Pool::builder(manager)
        .max_size(connections)
        .timeouts(Timeouts {
            wait: Some(WAIT),
            create: Some(WAIT),
            recycle: Some(WAIT),
        })
        .runtime(Runtime::Tokio1)
        .post_create(hook)
        .pre_recycle(count)
        .build()
        .map_err(OpenError::new)
}

/// A connection of its own, with the limits of all, for one who asks.
pub(super) async fn place(pool: &Pool) -> Result<Object, String> {
    pool.get().await.map_err(|error| match error {
        deadpool_postgres::PoolError::Backend(error) => because(&error),
        deadpool_postgres::PoolError::PostCreateHook(HookError::Message(message)) => {
            message.into_owned()
        }
        other => other.to_string(),
    })
}

/// Which server this is, after it has shown that what it commits lasts (CF-08). A promoted standby, and a cluster that was put back to
/// an earlier point, have another timeline; a restored dump another identifier.
pub(super) async fn look_at(client: &Client) -> Result<String, String> {
    const LOOK: &str = "
        SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
            (SELECT system_identifier FROM pg_control_system()) || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)";
    let row = client
        .query_one(LOOK, &[])
        .await
        .map_err(|error| because(&error))?;
    for (at, setting) in ["fsync", "full_page_writes", "synchronous_commit"]
        .into_iter()
        .enumerate()
    {
        let value: &str = row.get(at);
        // `local`, `remote_write` and `remote_apply` all wait for this server's disk.
        if value == "off" {
            return Err(format!(
                "{setting} is off: what is committed might not last; the companion does not work on such a database"
            ));
        }
    }
    Ok(row.get(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        let options = Options {
            url: Zeroizing::new(url.to_owned()),
            ca_file: None,
            connections: 1,
        };
        address(&options).map(drop).unwrap_err().to_string()
    }

    #[test]
    fn off_this_machine_there_is_no_way_without_verified_tls() {
        for url in [
            "postgres://u:p@db.example/x?sslmode=disable",
            "postgres://u:p@localhost/x?sslmode=disable&hostaddr=192.0.2.1",
        ] {
            assert!(refused(url).contains("sslmode=disable"), "{url}");
        }
        for url in [
            "postgres://u:p@db.example/x",
            "postgres://u:p@db.example/x?sslmode=prefer",
            "postgres://u:p@db.example/x?sslmode=verify-full",
            "postgres://u:p@127.0.0.1,db.example/x",
            "postgres://u:p@localhost/x?hostaddr=192.0.2.1",
            "postgres://u:p@/x?hostaddr=192.0.2.1",
        ] {
            assert!(refused(url).contains("ca_file"), "{url}");
        }
        let options = Options {
            url: Zeroizing::new("postgres://u:p@127.0.0.1:5/x".to_owned()),
            ca_file: None,
            connections: 1,
        };
        assert!(address(&options).is_ok());
    }

    /// ST-03.
    #[test]
    fn an_error_repeats_nothing_of_the_url() {
        for url in [
            "postgres://u:hunter2@h:99999/x",
            "hunter2",
            "postgres://u:p@h/x?hunter2=1",
        ] {
            assert!(!refused(url).contains("hunter2"), "{url}");
        }
    }
}
