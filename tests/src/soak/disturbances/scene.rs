//! Two Envoys and their companions, somebody who logs out, somebody who stays; and a third Envoy that may come.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::dice::Dice;
use crate::fault::Fault;
use crate::listeners::ListenerFile;
use crate::middleman::Middleman;
use crate::place;
use crate::ports::Ports;
use crate::setup::{Setup, Store};
use crate::soak::probes::{Callers, Receipt};
use crate::soak::stacks::roomy;
use crate::stack::Stack;
use crate::visitor::{Tokens, Visitor};
use crate::watch::Stopwatch;

/// Of the gates, in seconds: a trap of the subscriber costs three.
pub(super) const STALENESS: u64 = 6;
/// Envoys that run; the one after them joins and leaves.
const RUNNING: usize = 2;
/// Who has logged out longer ago may have a token that has expired.
const LOOKED_AT: usize = 20;
/// A logout begins within so many milliseconds of a disturbance.
const SPREAD: u64 = 1_500;

/// Where it happens.
pub(super) struct Scene {
    pub(super) stack: Stack,
    pub(super) bob: Visitor,
    /// From the beginning of a trial.
    pub(super) watch: Stopwatch,
    /// What the companion's clock is ahead by, in seconds.
    pub(super) skew: i64,
    /// Where the listener comes from, if it is a file.
    pub(super) listeners: Option<ListenerFile>,
    /// Between the second companion and the database, if there are two.
    pub(super) cable: Option<Middleman>,
    pub(super) dice: Dice,
    alice: Visitor,
    ended: Vec<Tokens>,
    /// The store as it was when Alice had just come.
    backup: TempDir,
}

impl Scene {
    /// On the module that traps on demand.
    pub(super) fn set(store: Store) -> Result<Self, Fault> {
        let module = place::trapping_module()?;
        let module = format!("filename: {}", module.display());
        let envoy = place::impatient_configuration(STALENESS)?
            .replace("filename: envoy/latchkey.wasm", &module);
        let mut setup = Setup::on(Ports::free_block(RUNNING + 1)?).that_traps();
        setup.configuration = Some(envoy);
        if store == Store::Postgres {
            setup = setup.on_postgres(2, 1);
        }
        setup.gateways = RUNNING + 1;
        Self::start(setup, RUNNING)
    }

    /// One Envoy, whose listener comes from a file.
    pub(super) fn with_moving_listener() -> Result<Self, Fault> {
        let (file, envoy) = ListenerFile::take_from(&place::impatient_configuration(STALENESS)?)?;
        let mut setup = Setup::on(Ports::free()?).envoy(&["--drain-time-s", "2"]);
        setup.configuration = Some(envoy);
        let ports = setup.ports;
        file.write(&[file.listener(ports.gateway, &ports.issuer())])?;
        let mut scene = Self::start(setup, 1)?;
        scene.listeners = Some(file);
        Ok(scene)
    }

    /// One Envoy, and a companion with another clock than it has.
    pub(super) fn with_clock_off_by(skew: i64) -> Result<Self, Fault> {
        let library = place::fake_clock()?;
        let mut setup = Setup::on(Ports::free()?)
            .companion("LD_PRELOAD", &library.display().to_string())
            .companion("FAKETIME", &format!("{skew:+}s"))
            .companion("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        setup.configuration = Some(place::impatient_configuration(STALENESS)?);
        let mut scene = Self::start(setup, 1)?;
        scene.skew = skew;
        Ok(scene)
    }

    fn start(setup: Setup, envoys: usize) -> Result<Self, Fault> {
        let mut stack = Stack::prepare(roomy(setup))?;
        let cable = lay_cable(&mut stack)?;
        for number in 0..stack.replicas() {
            stack.start_replica(number)?;
        }
        let [alice, bob] = ["alice", "bob"].map(Visitor::named);
        for visitor in [&alice, &bob] {
            visitor.register(&stack.client_of_replica(0)?, &stack.mailbox())?;
        }
        let backup = tempfile::tempdir().map_err(Fault::while_doing("a temporary folder"))?;
        let mut scene = Self {
            stack,
            bob,
            watch: Stopwatch::start(),
            skew: 0,
            listeners: None,
            cable,
            dice: Dice::new(1),
            alice,
            ended: Vec::new(),
            backup,
        };
        scene.with_store_down(|scene| match scene.stack.postgres() {
            Some(server) => server.copy_data(&scene.backup.path().join("data")),
            None => copy_files(scene.stack.folder(), scene.backup.path()),
        })?;
        for number in 0..envoys {
            scene.stack.start_gateway(number)?;
        }
        scene.stack.await_ready()?;
        Ok(scene)
    }

    /// Somebody gets in everywhere.
    pub(super) fn log_in(&mut self) -> Result<Tokens, Fault> {
        let tokens = self.alice.login(&self.stack.client_of_replica(0)?)?;
        self.running()?.get_in(&tokens)?;
        self.ended.push(tokens.clone());
        Ok(tokens)
    }

    /// Logs out at that companion.
    pub(super) fn log_out(&self, tokens: &Tokens, replica: usize) -> Result<Receipt, Fault> {
        let answer = tokens.log_out(&self.stack.client_of_replica(replica)?)?;
        Receipt::of(&answer, self.watch.elapsed())
    }

    /// Logs out at companion 0 somewhere in the midst of it.
    pub(super) fn log_out_during(
        &mut self,
        tokens: &Tokens,
        disturbance: impl FnOnce(&mut Stack) -> Result<(), Fault>,
    ) -> Result<Receipt, Fault> {
        let pause = Duration::from_millis(self.dice.below(SPREAD));
        let companion = self.stack.client_of_replica(0)?;
        let (stack, watch) = (&mut self.stack, self.watch);
        thread::scope(|scope| {
            let logout = scope.spawn(move || {
                thread::sleep(pause);
                let answer = tokens.log_out(&companion)?;
                Receipt::of(&answer, watch.elapsed())
            });
            disturbance(stack)?;
            let receipt = logout.join();
            receipt.unwrap_or_else(|_| Err(Fault::new("the one who logs out panicked")))
        })
    }

    /// The store becomes what it was at the beginning.
    pub(super) fn put_back(&mut self) -> Result<(), Fault> {
        self.with_store_down(|scene| match scene.stack.postgres() {
            Some(server) => server.put_back(&scene.backup.path().join("data")),
            None => copy_files(scene.backup.path(), scene.stack.folder()),
        })
    }

    /// Companions of PostgreSQL live through it.
    fn with_store_down(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.stack.store() == Store::Sqlite {
            self.stack.stop_replica(0);
            act(self)?;
            return self.stack.start_replica(0);
        }
        if let Some(server) = self.stack.postgres_mut() {
            server.stop_fast()?;
        }
        act(self)?;
        if let Some(server) = self.stack.postgres_mut() {
            server.start_again()?;
        }
        for number in 0..self.stack.replicas() {
            self.stack.await_replica(number)?;
        }
        Ok(())
    }

    /// Whoever joined leaves, and whoever is missing comes back.
    pub(super) fn heal(&mut self) -> Result<(), Fault> {
        for number in 0..self.stack.replicas() {
            if self.stack.replica(number).is_none() {
                self.stack.start_replica(number)?;
            }
        }
        if self.stack.gateways() > RUNNING {
            self.stack.kill_gateway(RUNNING);
        }
        self.stack.await_ready()
    }

    /// Nobody gets in who has logged out, in this trial or in one before.
    pub(super) fn all_are_out(&self) -> Result<(), Fault> {
        let running = self.running()?;
        let from = self.ended.len().saturating_sub(LOOKED_AT);
        self.ended[from..]
            .iter()
            .try_for_each(|tokens| running.are_denied(tokens))
    }

    fn running(&self) -> Result<Callers, Fault> {
        let numbers = 0..self.stack.gateways();
        Callers::of(
            &self.stack,
            numbers.filter(|number| self.stack.gateway(*number).is_some()),
        )
    }
}

/// Lets the second companion reach the database through a cable.
fn lay_cable(stack: &mut Stack) -> Result<Option<Middleman>, Fault> {
    let Some(server) = stack.postgres() else {
        return Ok(None);
    };
    let port = stack.ports().postgres;
    let cable = Middleman::start(port).map_err(Fault::while_doing("a middleman"))?;
    let url = server.url(Stack::DATABASE);
    let through = url.replace(&format!(":{port}/"), &format!(":{}/", cable.port()));
    if through == url {
        return Err(Fault::new("the database's URL does not name its port"));
    }
    let file = stack.folder().join("cable.url");
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut file| writeln!(file, "{through}"))
        .map_err(Fault::while_doing(file.display()))?;
    let name = file.display().to_string();
    stack.tell_replica(1, "LATCHKEY_STORE__URL_FILE", &name);
    Ok(Some(cable))
}

/// The files of SQLite, which nobody has open; one that the source does not have goes.
fn copy_files(from: &Path, to: &Path) -> Result<(), Fault> {
    for name in ["latchkey.db", "latchkey.db-wal", "latchkey.db-shm"] {
        let (source, target) = (from.join(name), to.join(name));
        let done = if source.exists() {
            fs::copy(source, &target).map(drop)
        } else if target.exists() {
            fs::remove_file(&target)
        } else {
            Ok(())
        };
        done.map_err(Fault::while_doing(target.display()))?;
    }
    Ok(())
}
