//! The service as a whole: started from settings, stopped in order. `main` and the tests start the same.

use std::fmt;
use std::fs;
use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::address::Trust;
use crate::admin::AdminToken;
use crate::app::{App, KeyRing, KeyRingError, Shared};
use crate::certificate::Certificate;
use crate::clock::{Clock, Millis};
use crate::config::{self, Settings, StoreKind};
use crate::feed::Feed;
use crate::gateways::Gateways;
use crate::hasher::{Figures, Hasher};
use crate::key_upkeep::KeyKeeper;
use crate::mail::Mailer;
use crate::metrics::Metrics;
use crate::outbox::{Figures as MailFigures, Worker};
use crate::postgres::{Options, Postgres};
use crate::sqlite::Sqlite;
use crate::store::Store;
use crate::{master_key, oauth_client, resealing, routes, secret, server};

/// A running companion.
pub struct Service {
    public: SocketAddr,
    internal: SocketAddr,
    drain: watch::Sender<bool>,
    drain_delay: Duration,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Weak: when the service has stopped, another may open the store.
    store: Weak<dyn Store>,
    hasher: Hasher,
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
const PRUNING: Duration = Duration::from_secs(3_600);
/// How often a companion looks at what others have changed, at most.
const FOLLOWING: Duration = Duration::from_secs(1);
/// Open connections; Envoy in front keeps few, so that these are for whoever comes past it.
const MOST_PUBLIC: usize = 512;
/// Every gateway holds one.
const MOST_INTERNAL: usize = crate::gateways::MOST + 512;

impl Service {
    /// Opens the store, makes what is missing in the state directory, and listens.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(settings: Settings, clock: Clock) -> Result<Self, StartError> {
        let certificate =
            Certificate::open(&settings).map_err(StartError::doing("the internal listener"))?;
        let public_listener = listen_at(settings.listen).await?;
        let internal_listener = listen_at(settings.internal_listen).await?;
        let address = |listener: &TcpListener| {
            listener
                .local_addr()
                .map_err(StartError::doing("a listener"))
        };
        let (public, internal) = (address(&public_listener)?, address(&internal_listener)?);

        let (stop, stopped) = watch::channel(false);
        let (drain, draining) = watch::channel(false);
        let drain_delay = settings.drain_delay.get();
        let mut tasks = Vec::new();
        let ends = Ends {
            draining,
            stopped: stopped.clone(),
        };
        let app = open(settings, clock, ends, &mut tasks).await?;
        let (store, hasher) = (Arc::downgrade(&app.store), app.hasher.clone());
        let public_routes = server::serve(
            public_listener,
            routes::public(app.clone()),
            MOST_PUBLIC,
            None,
            stopped.clone(),
        );
        let internal_routes = server::serve(
            internal_listener,
            routes::internal(app),
            MOST_INTERNAL,
            certificate.clone(),
            stopped.clone(),
        );
        tasks.push(supervised("the public listener", public_routes));
        tasks.push(supervised("the internal listener", internal_routes));
        if let Some(certificate) = certificate {
            tasks.push(supervised("the certificate", certificate.follow(stopped)));
        }
        Ok(Self {
            public,
            internal,
            drain,
            drain_delay,
            stop,
            tasks,
            store,
            hasher,
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

    /// What the gate before argon2id has done.
    pub fn hashing(&self) -> Figures {
        self.hasher.figures()
    }

    /// The store, while it is open; who keeps it keeps it open.
    pub fn store(&self) -> Option<Arc<dyn Store>> {
        self.store.upgrade()
    }

    /// Says for a while that it is not ready, then answers what is held, finishes what is under way, and closes the store: when it returns another may open it.
    pub async fn stop(self) {
        self.drain.send_replace(true);
        tokio::time::sleep(self.drain_delay).await;
        self.stop.send_replace(true);
        for task in self.tasks {
            // It fails only when the task has panicked; then the process has ended.
            let _ = task.await;
        }
    }
}

/// What says that the service ends.
struct Ends {
    draining: watch::Receiver<bool>,
    stopped: watch::Receiver<bool>,
}

/// All but the listeners.
async fn open(
    settings: Settings,
    clock: Clock,
    Ends { draining, stopped }: Ends,
    tasks: &mut Vec<JoinHandle<()>>,
) -> Result<App, StartError> {
    make_private_folder(&settings.state)?;
    let store = open_store(&settings, clock).await?;
    let vault = master_key::open(&settings, store.as_ref())
        .await
        .map_err(|error| StartError(error.to_string()))?;
    let vault = Arc::new(vault);
    let gateway_tokens = gateway_tokens(&settings)?;
    let clients =
        oauth_client::read(&settings).map_err(StartError::doing("the secret of a client"))?;
    let admin_tokens = admin_tokens(&settings)?;
    let keeper = KeyKeeper::open(&settings, Arc::clone(&store), Arc::clone(&vault)).await;
    let keeper = keeper.map_err(StartError::doing("signing keys"))?;
    let ring = keeper.ring();
    let known = store
        .gateways(Millis(0))
        .await
        .map_err(StartError::doing("gateways"))?;
    let now = store.now().await.map_err(StartError::doing("the clock"))?;
    let gateways = Arc::new(Gateways::new(known, now));
    let mails = Mailer::open(&settings).map_err(StartError::doing("mail"))?;

    let (feed, reading) = Feed::new(
        Arc::clone(&store),
        Arc::clone(&ring),
        Arc::clone(&gateways),
        settings.issuer().to_owned(),
        stopped.clone(),
    );
    let outbox = Arc::new(Notify::new());
    let mail_figures = Arc::new(MailFigures::default());
    let worker = Worker {
        store: Arc::clone(&store),
        vault: Arc::clone(&vault),
        mails,
        limits: settings.limits.clone(),
        policy: settings.mail.clone(),
        figures: Arc::clone(&mail_figures),
        wake: Arc::clone(&outbox),
        stop: stopped.clone(),
    };
    let telling = {
        let (store, gateways) = (Arc::clone(&store), Arc::clone(&gateways));
        let stopped = stopped.clone();
        async move { gateways.tell(store.as_ref(), stopped).await }
    };
    let following = follow(
        Arc::clone(&store),
        Arc::clone(&ring),
        Arc::clone(&gateways),
        stopped.clone(),
    );
    let pruning = prune(
        Arc::clone(&store),
        Arc::clone(&gateways),
        settings.mail.dead_letters_kept.get(),
        stopped.clone(),
    );
    tasks.push(supervised("the feed", reading));
    tasks.push(supervised("the outbox", worker.run()));
    tasks.push(supervised("acknowledgements", telling));
    tasks.push(supervised("what others change", following));
    tasks.push(supervised(
        "the signing keys",
        keeper.clone().run(stopped.clone()),
    ));
    tasks.push(supervised("pruning", pruning));
    tasks.push(supervised(
        "the secrets of authenticator apps",
        resealing::run(Arc::clone(&store), Arc::clone(&vault), stopped.clone()),
    ));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let permits = settings.hashing.permits(cores);
    let hasher = Hasher::new(permits, settings.hashing.cost())
        .map_err(StartError::doing("the threads that hash passwords"))?;
    let trust = Trust {
        proxies: settings.trusted_proxies.clone(),
        hops: settings.trusted_hops,
    };
    Ok(App::new(Shared {
        trust,
        settings,
        store,
        vault,
        keys: ring,
        keeper,
        hasher,
        feed,
        gateways,
        gateway_tokens,
        admin_tokens,
        clients,
        outbox,
        mails: mail_figures,
        draining,
        stop: stopped,
        metrics: Metrics::default(),
        unauthenticated: Mutex::default(),
    }))
}

/// A task that everything stands on: when it panics the process ends, and whoever watches it starts another.
fn supervised(
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let task = tokio::spawn(task);
    tokio::spawn(async move {
        if task.await.is_err_and(|error| error.is_panic()) {
            tracing::error!(name, "a part of the service panicked; ending");
            std::process::exit(70) // EX_SOFTWARE
        }
    })
}

/// The store that the settings name; the commands that work without a running companion open the same.
///
/// # Errors
/// [`StartError`].
pub async fn open_store(settings: &Settings, clock: Clock) -> Result<Arc<dyn Store>, StartError> {
    const WHAT: &str = "the store";
    let longest_token = settings.tokens.access_lifetime.get();
    let cooldown = settings.limits.mail_cooldown.get();
    match settings.store.kind {
        StoreKind::Sqlite => {
            let folder = settings.state.clone();
            // Opening migrates and syncs: not on a thread that others wait for.
            let open = move || Sqlite::open(&folder, clock, longest_token);
            let opened = tokio::task::spawn_blocking(open).await;
            let store = opened
                .map_err(StartError::doing(WHAT))?
                .map_err(StartError::doing(WHAT))?;
            Ok(Arc::new(store.with_cooldown(cooldown)))
        }
        StoreKind::Postgres => {
            let options = database(&settings.store)?;
            let store = Postgres::open(options, clock, longest_token)
                .await
                .map_err(StartError::doing(WHAT))?;
            Ok(Arc::new(store.with_cooldown(cooldown)))
        }
    }
}

/// How the settings say that the database is reached.
pub(crate) fn database(store: &config::Store) -> Result<Options, StartError> {
    let url = secret::referred(store.url_file.as_deref(), store.url_env.as_deref())
        .map_err(StartError::doing("store.url_file"))?;
    Ok(Options {
        url,
        ca_file: store.ca_file.clone(),
        connections: store.connections,
    })
}

fn make_private_folder(folder: &Path) -> Result<(), StartError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(StartError::doing(folder.display()))
}

/// The tokens that gateways may present, as digests. One is made where no file is named.
fn gateway_tokens(settings: &Settings) -> Result<Vec<[u8; 32]>, StartError> {
    let made = [settings.state.join("gateway.token")];
    let is_named = !settings.gateway_token_files.is_empty();
    let files = if is_named {
        settings.gateway_token_files.as_slice()
    } else {
        &made
    };
    files
        .iter()
        .map(|file| token_digest(file, is_named, "a gateway token"))
        .collect()
}

/// The tokens that operators may present. One is made where none is named.
fn admin_tokens(settings: &Settings) -> Result<Vec<AdminToken>, StartError> {
    const WHAT: &str = "an admin token";
    if settings.admin_tokens.is_empty() {
        let digest = token_digest(&settings.state.join("admin.token"), false, WHAT)?;
        let name = "admin".to_owned();
        return Ok(vec![AdminToken { name, digest }]);
    }
    let read = |token: &config::AdminToken| {
        Ok(AdminToken {
            name: token.name.clone(),
            digest: token_digest(&token.token_file, true, WHAT)?,
        })
    };
    settings.admin_tokens.iter().map(read).collect()
}

/// Of the token in a file, which must be there already when it is named.
fn token_digest(file: &Path, is_named: bool, what: &str) -> Result<[u8; 32], StartError> {
    let token = if is_named {
        secret::read(file)
    } else {
        secret::read_or_make(file)
    };
    let token = token.map_err(StartError::doing(what))?;
    if token.trim().len() < 32 {
        return Err(StartError(format!(
            "{}: {what} has 32 characters at least",
            file.display()
        )));
    }
    Ok(Sha256::digest(token.trim()).into())
}

async fn listen_at(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(StartError::doing(address))
}

/// What other companions change, and what a store that was put back has lost: signing keys and gateways. Where the store is not shared
/// there is nothing to follow.
async fn follow(
    store: Arc<dyn Store>,
    ring: Arc<KeyRing>,
    gateways: Arc<Gateways>,
    mut stop: watch::Receiver<bool>,
) {
    let mut moved = store.feed_moved();
    while store.is_shared() {
        tokio::select! {
            change = moved.changed() => if change.is_err() { return },
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = catch_up(store.as_ref(), &ring, &gateways).await {
            tracing::warn!(%error, "what other companions have changed is not known");
            moved.mark_changed();
        }
        // A busy feed moves a thousand times a second; this need not.
        tokio::time::sleep(FOLLOWING).await;
    }
}

async fn catch_up(
    store: &dyn Store,
    ring: &KeyRing,
    gateways: &Gateways,
) -> Result<(), KeyRingError> {
    let stored = store.keys().await.map_err(KeyRingError::Store)?;
    ring.as_of(stored.version, store).await?;
    gateways.refresh(store).await.map_err(KeyRingError::Store)?;
    gateways
        .register_the_lost(store)
        .await
        .map_err(KeyRingError::Store)
}

async fn prune(
    store: Arc<dyn Store>,
    gateways: Arc<Gateways>,
    dead_letters_kept: Duration,
    mut stop: watch::Receiver<bool>,
) {
    while tokio::time::timeout(PRUNING, stop.wait_for(|stop| *stop))
        .await
        .is_err()
    {
        if let Ok(now) = store.now().await {
            gateways.forget_the_silent(now.steady);
        }
        let pruned = match store.prune().await {
            Ok(()) => store.forget_dead(dead_letters_kept).await,
            failed => failed,
        };
        if let Err(error) = pruned {
            tracing::error!(%error, "nothing was pruned");
        }
    }
}
