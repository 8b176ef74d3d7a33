//! A companion in this process: its own ports and state directory, and a clock that stands still until the test moves it.
//!
//! The store is the embedded one, or a database of its own in a program whose name begins with `companion_on_postgres`.

mod database;
mod evidence;
mod gateway;
pub(crate) mod lines;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use companion::clock::{Clock, Millis};
use companion::config::{Limits, Settings, Store};
use companion::hasher::Figures;
use companion::service::{Service, open_store};
use companion::throttle::Limit;
use tempfile::TempDir;
use token::UnixTime;
use tokio::runtime::Runtime;

use self::database::Database;
pub use self::gateway::{Gateway, keys_of};
use self::lines::Lines;
use crate::client::Client;
use crate::fault::Fault;
use crate::log;
use crate::mailbox::Mailbox;
use crate::record::Record;
use crate::visitor::Visitor;
use crate::watch::wait_for;

/// When every test begins: 2027-01-15T08:00:00Z.
pub const BEGINNING: i64 = 1_800_000_000;
/// How long what was stopped may hold its files.
const PATIENCE: Duration = Duration::from_secs(10);
/// The embedded store's file.
const STORE: &str = "latchkey.db";

/// A companion that can be stopped, changed and started again.
pub struct Companion {
    running: Option<Running>,
    settings: Settings,
    clock: Clock,
    /// On PostgreSQL.
    database: Option<Database>,
    /// What it has handed out, and all those of which it is a survivor.
    record: Record,
    lines: Lines,
    /// Whether the test itself has put a secret where none may be.
    is_tainted: bool,
    /// Must be the last field: the companion lives in it.
    folder: TempDir,
}

struct Running {
    service: Service,
    runtime: Runtime,
    public: u16,
    internal: u16,
}

impl Companion {
    /// One whose limits no test meets by accident.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> Result<Self, Fault> {
        Self::with(|_| {})
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// When it does not start.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Result<Self, Fault> {
        let mut companion = Self::stopped()?;
        change(&mut companion.settings);
        companion.resume()?;
        Ok(companion)
    }

    /// One that was never started; its state directory does not exist yet.
    ///
    /// # Errors
    /// When there is no temporary directory, or no database.
    pub fn stopped() -> Result<Self, Fault> {
        Self::on(Database::for_this_program()?)
    }

    fn on(database: Option<Database>) -> Result<Self, Fault> {
        let folder = tempfile::tempdir().map_err(Fault::while_doing("a temporary directory"))?;
        let anywhere = ([127, 0, 0, 1], 0).into();
        let store = match &database {
            Some(database) => database.settings(folder.path())?,
            None => Store::default(),
        };
        let settings = Settings {
            state: folder.path().join("state"),
            listen: anywhere,
            internal_listen: anywhere,
            store,
            limits: roomy(),
            ..Settings::default()
        };
        Ok(Self {
            running: None,
            settings,
            clock: Clock::settable(UnixTime::from_seconds(BEGINNING)),
            database,
            record: Record::default(),
            lines: Lines::default(),
            is_tainted: false,
            folder,
        })
    }

    /// One over a copy of this one's state as it is on disk now: what a `kill -9` at this moment would leave behind. A database
    /// survives that as it is: there it is another companion on the same one.
    ///
    /// # Errors
    /// When the files cannot be copied, or it does not start on them.
    pub fn survivor(&self) -> Result<Self, Fault> {
        let mut survivor = Self::on(self.database.clone())?;
        copy(self.state(), survivor.state())?;
        survivor.settings = Settings {
            state: survivor.settings.state.clone(),
            store: survivor.settings.store.clone(),
            ..self.settings.clone()
        };
        survivor.clock = self.clock.clone();
        survivor.record = self.record.clone();
        survivor.is_tainted = self.is_tainted;
        survivor.resume()?;
        Ok(survivor)
    }

    /// Starts what was stopped; the ports are others than before.
    ///
    /// # Errors
    /// When it does not start.
    pub fn resume(&mut self) -> Result<(), Fault> {
        log::keep();
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let lines = self.lines.clone();
        let runtime = builder
            .worker_threads(2)
            .enable_all()
            .on_thread_start(move || lines.listen())
            .build()
            .map_err(Fault::while_doing("a runtime"))?;
        let _listening = self.lines.listen_for_now();
        let service = runtime
            .block_on(Service::start(self.settings.clone(), self.clock.clone()))
            .map_err(Fault::while_doing("the companion"))?;
        self.running = Some(Running {
            public: service.public().port(),
            internal: service.internal().port(),
            service,
            runtime,
        });
        self.record_keys().map(drop)
    }

    /// Stops it in order, and waits until it has let go of its files.
    ///
    /// # Errors
    /// When it holds on to them.
    pub fn stop(&mut self) -> Result<(), Fault> {
        let _listening = self.lines.listen_for_now();
        if let Some(running) = self.running.take() {
            running.runtime.block_on(running.service.stop());
            running.runtime.shutdown_timeout(PATIENCE);
        }
        // The last that an embedded store lets go of.
        let lock = self.state().join("latchkey.lock");
        wait_for("the store to be closed", PATIENCE, || {
            let is_held = File::open(&lock).is_ok_and(|lock| lock.try_lock().is_err());
            Ok((!is_held).then_some(()))
        })
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// When it does not.
    pub fn restart(&mut self) -> Result<(), Fault> {
        self.stop()?;
        self.resume()
    }

    /// Other settings from the next start on.
    pub fn change(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
    }

    /// Removes what has no effect any more, as the companion does every few minutes of real time. It is restarted around that.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn prune(&mut self) -> Result<(), Fault> {
        self.stop()?;
        let runtime = Runtime::new().map_err(Fault::while_doing("a runtime"))?;
        runtime.block_on(async {
            let store = open_store(&self.settings, self.clock.clone())
                .await
                .map_err(Fault::while_doing("the store"))?;
            store.prune().await.map_err(Fault::while_doing("pruning"))
        })?;
        drop(runtime);
        self.restart()
    }

    /// Keeps a copy of the state of a stopped companion: of its directory, and of its database.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn back_up(&self) -> Result<PathBuf, Fault> {
        let backup = self.folder.path().join("backup");
        copy(self.state(), &backup)?;
        if let Some(database) = &self.database {
            database.back_up(&backup.join(STORE))?;
        }
        Ok(backup)
    }

    /// Puts these files of a copy back, the companion being stopped; on PostgreSQL `latchkey.db` is the whole database.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub fn put_back(&self, backup: &Path, names: &[&str]) -> Result<(), Fault> {
        for name in names {
            match &self.database {
                Some(database) if *name == STORE => database.put_back(&backup.join(name))?,
                _ => fs::copy(backup.join(name), self.state().join(name))
                    .map(drop)
                    .map_err(Fault::while_doing(name))?,
            }
        }
        Ok(())
    }

    /// Moves the companion's clock on.
    pub fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// The same in seconds.
    pub fn advance_seconds(&self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    /// Sets the companion's clock to that many seconds since 1970.
    pub fn set_time(&self, seconds: i64) {
        let moment = UnixTime::from_seconds(seconds);
        self.clock.set(Millis::from_seconds(moment));
    }

    /// Where its public listener is, for programs that are no [`Client`].
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port(|running| running.public))
    }

    /// The companion's time in seconds since 1970.
    pub fn now(&self) -> i64 {
        self.clock.now().seconds().seconds()
    }

    /// A caller of the public listener.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client(&self) -> Result<Client, Fault> {
        let client = Client::new(self.port(|running| running.public))?;
        Ok(client.recorded_in(&self.record))
    }

    /// The same from another address, such as `127.0.0.2`.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client_from(&self, address: &str) -> Result<Client, Fault> {
        let address = address.parse().map_err(Fault::while_doing(address))?;
        let client = Client::from_address(self.port(|running| running.public), address)?;
        Ok(client.recorded_in(&self.record))
    }

    /// The port of the public listener.
    pub fn public_port(&self) -> u16 {
        self.port(|running| running.public)
    }

    /// A caller of the internal listener.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn internal(&self) -> Result<Client, Fault> {
        let client = Client::new(self.port(|running| running.internal))?;
        Ok(client.recorded_in(&self.record))
    }

    /// What its gate before argon2id has done.
    pub fn hashing(&self) -> Figures {
        let figures = self
            .running
            .as_ref()
            .map(|running| running.service.hashing());
        figures.unwrap_or_default()
    }

    /// How many transactions its store has had since it was started.
    pub fn transactions(&self) -> u64 {
        self.running
            .as_ref()
            .and_then(|running| running.service.store())
            .map_or(0, |store| store.transactions())
    }

    /// Where its internal listener is, on 127.0.0.1.
    pub fn internal_port(&self) -> u16 {
        self.port(|running| running.internal)
    }

    /// Where its listeners are, the public one first.
    pub fn addresses(&self) -> [String; 2] {
        let address = |port| format!("127.0.0.1:{port}");
        [
            address(self.port(|running| running.public)),
            address(self.port(|running| running.internal)),
        ]
    }

    /// Its mail.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox::new(self.state().join("mail"))
    }

    /// Its state directory.
    pub fn state(&self) -> &Path {
        &self.settings.state
    }

    /// The name of its database on [`Postgres::shared`](crate::postgres::Postgres::shared); `None`: it is on SQLite.
    pub fn database(&self) -> Option<&str> {
        self.database.as_ref().map(Database::name)
    }

    /// Its settings.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Someone of that name who has signed up and entered the code.
    ///
    /// # Errors
    /// When a step does not answer as it must.
    pub fn account(&self, name: &str) -> Result<Visitor, Fault> {
        let visitor = Visitor::named(name);
        visitor.register(&self.client()?, &self.mailbox())?;
        Ok(visitor)
    }

    fn port(&self, which: impl FnOnce(&Running) -> u16) -> u16 {
        self.running.as_ref().map_or(0, which)
    }
}

/// So much of everything that no test comes near it.
fn roomy() -> Limits {
    let plenty = Limit::new(1_000_000, 1_000_000, Duration::from_secs(3_600));
    Limits {
        signup_per_address: plenty,
        login_per_address: plenty,
        code_per_address: plenty,
        mail_per_address: plenty,
        mail_per_email: plenty,
        mail_per_email_hourly: plenty,
        mail_per_email_daily: plenty,
        mail_hourly_total: plenty,
        recovery_per_address: plenty,
        recovery_per_email: plenty,
        refresh_per_session: plenty,
        unauthenticated_total: plenty,
        ..Limits::default()
    }
}

/// All files of a folder, with their modes.
fn copy(from: &Path, to: &Path) -> Result<(), Fault> {
    let fault = |error: std::io::Error| Fault::new(format!("{}: {error}", from.display()));
    fs::create_dir_all(to).map_err(fault)?;
    for entry in fs::read_dir(from).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap_or_default())).map_err(fault)?;
        }
    }
    Ok(())
}
