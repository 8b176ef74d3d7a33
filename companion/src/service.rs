//! The service as a whole: started from settings, stopped in order. `main` and the tests start the same.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::address::Trust;
use crate::app::{App, KeyRing, Shared};
use crate::clock::Clock;
use crate::config::Settings;
use crate::feed::Feed;
use crate::gateways::Gateways;
use crate::mail::MailFolder;
use crate::outbox::Worker;
use crate::password::Hasher;
use crate::sqlite::Sqlite;
use crate::store::Store;
use crate::vault::{Vault, secret_file};
use crate::{entropy, keys, routes, server};

/// A running companion.
pub struct Service {
    public: SocketAddr,
    internal: SocketAddr,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    helpers: Vec<JoinHandle<()>>,
}

/// Why it does not start; holds no secret.
#[derive(Debug)]
pub struct StartError(String);

impl StartError {
    fn doing<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// How often what has no effect any more is removed.
const PRUNING: Duration = Duration::from_secs(600);

impl Service {
    /// Opens the store, makes what is missing in the state directory, and listens.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(settings: Settings, clock: Clock) -> Result<Self, StartError> {
        let state = settings.state.clone();
        make_private_folder(&state)?;
        let store = open(&state, clock).await?;
        let vault = Arc::new(master_key(&settings, store.as_ref()).await?);
        let algorithm = settings.tokens.algorithm.into();
        store
            .add_first_keys(keys::first(&vault, algorithm))
            .await
            .map_err(StartError::doing("signing keys"))?;
        let ring = KeyRing::open(store.as_ref(), Arc::clone(&vault))
            .await
            .map_err(StartError::doing("signing keys"))?;
        let ring = Arc::new(ring);
        let known = store
            .gateways()
            .await
            .map_err(StartError::doing("gateways"))?;
        let now = store.now().await.map_err(StartError::doing("gateways"))?;
        let gateways = Arc::new(Gateways::new(known, now));
        let (stop, stopped) = watch::channel(false);
        let feed = Feed::start(
            Arc::clone(&store),
            Arc::clone(&ring),
            Arc::clone(&gateways),
            settings.issuer().to_owned(),
            stopped.clone(),
        );
        let outbox = Arc::new(Notify::new());
        let mails = MailFolder::open(state.join("mail"), &settings.base_url)
            .map_err(StartError::doing(state.join("mail").display()))?;
        let worker = Worker {
            store: Arc::clone(&store),
            vault: Arc::clone(&vault),
            mails,
            wake: Arc::clone(&outbox),
        };
        let helpers = vec![
            tokio::spawn(worker.run()),
            tokio::spawn(prune(Arc::clone(&store), Arc::clone(&gateways))),
        ];
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (listen, internal_listen) = (settings.listen, settings.internal_listen);
        let app = App::new(Shared {
            trust: Trust {
                proxies: settings.trusted_proxies.clone(),
                hops: settings.trusted_hops,
            },
            gateway_tokens: gateway_tokens(&settings)?,
            hasher: Hasher::new(cores),
            settings,
            store,
            vault,
            keys: ring,
            feed,
            gateways,
            outbox,
            unauthenticated: Mutex::default(),
        });
        let (public, public_listener) = listen_at(listen).await?;
        let (internal, internal_listener) = listen_at(internal_listen).await?;
        let servers = vec![
            tokio::spawn(server::serve(
                public_listener,
                routes::public(app.clone()),
                stopped.clone(),
            )),
            tokio::spawn(server::serve(
                internal_listener,
                routes::internal(app),
                stopped,
            )),
        ];
        Ok(Self {
            public,
            internal,
            stop,
            servers,
            helpers,
        })
    }

    /// Where the public listener is.
    pub const fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where the internal listener is.
    pub const fn internal(&self) -> SocketAddr {
        self.internal
    }

    /// Answers what is held, finishes what is under way, and closes the store.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for server in self.servers {
            let _ = server.await;
        }
        for helper in self.helpers {
            helper.abort();
            let _ = helper.await;
        }
    }
}

async fn open(state: &Path, clock: Clock) -> Result<Arc<dyn Store>, StartError> {
    let folder = state.to_owned();
    // Opening migrates and syncs: not on a thread that others wait for.
    let opened = tokio::task::spawn_blocking(move || Sqlite::open(&folder, clock));
    let store = opened
        .await
        .map_err(StartError::doing("the store"))?
        .map_err(StartError::doing("the store"))?;
    Ok(Arc::new(store))
}

fn make_private_folder(folder: &Path) -> Result<(), StartError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(StartError::doing(folder.display()))
}

async fn master_key(settings: &Settings, store: &dyn Store) -> Result<Vault, StartError> {
    let file = settings
        .master_key_file
        .clone()
        .unwrap_or_else(|| settings.state.join("master.key"));
    let vault = Vault::open(&file).map_err(StartError::doing("the master key"))?;
    let is_the_one = store
        .is_master_key(vault.check_value())
        .await
        .map_err(StartError::doing("the master key"))?;
    if is_the_one {
        return Ok(vault);
    }
    Err(StartError(format!(
        "{}: the store was made under another master key",
        file.display()
    )))
}

/// The tokens that gateways may present, as digests. One is made where none is named.
fn gateway_tokens(settings: &Settings) -> Result<Vec<[u8; 32]>, StartError> {
    let made = [settings.state.join("gateway.token")];
    let files: &[PathBuf] = if settings.gateway_token_files.is_empty() {
        &made
    } else {
        &settings.gateway_token_files
    };
    let digest = |file: &PathBuf| {
        let token = secret_file(file, || URL_SAFE_NO_PAD.encode(entropy::bytes::<32>()))
            .map_err(StartError::doing("a gateway token"))?;
        let token = token.trim();
        if token.len() < 32 {
            return Err(StartError(format!(
                "{}: a gateway token has 32 characters at least",
                file.display()
            )));
        }
        Ok(Sha256::digest(token).into())
    };
    files.iter().map(digest).collect()
}

async fn listen_at(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(StartError::doing(address))?;
    let address = listener.local_addr().map_err(StartError::doing(address))?;
    Ok((address, listener))
}

async fn prune(store: Arc<dyn Store>, gateways: Arc<Gateways>) {
    loop {
        tokio::time::sleep(PRUNING).await;
        if let Ok(now) = store.now().await {
            gateways.forget_the_silent(now.steady);
        }
        if let Err(error) = store.prune().await {
            tracing::error!(%error, "nothing was pruned");
        }
    }
}
