#![expect(
    clippy::arithmetic_side_effects,
    reason = "test code: an overflow is a failed test"
)]

mod continuity;
mod figures;
mod freshness;
mod fuzz;
mod hostile;
mod keys;
mod lease;
mod polling;
mod properties;
mod pruning;
mod unreadable;
mod wiped;

use serde_json::{Value, json};
use token::{SessionId, SoftwareCheck};

use super::*;
use crate::fixture::{Companion, START, config, later};
use crate::revocations::{Unsynced, View};
use crate::shared::Found;
use crate::shared::memory::Memory;

/// One Envoy process with its companion.
struct Process {
    config: Config,
    shared: Memory,
    companion: Companion,
    now: Now,
}

/// One root context in one VM, and the call that it waits for.
struct Vm {
    subscription: Subscription,
    seed: u8,
    drawn: u32,
    calls: u32,
    waits_for: Option<(u32, Fetch)>,
}

impl Process {
    fn new() -> Self {
        Self::with(json!({}))
    }

    fn with(changes: Value) -> Self {
        let config = config(changes);
        Self {
            config,
            shared: Memory::default(),
            companion: Companion::new(),
            now: START,
        }
    }

    fn vm(&self, seed: u8) -> Vm {
        Vm {
            subscription: Subscription::new(&self.config).unwrap(),
            seed,
            drawn: 0,
            calls: 0,
            waits_for: None,
        }
    }

    /// A process whose first VM has read everything and waits for a heartbeat.
    fn settled() -> (Self, Vm) {
        Self::settled_with(json!({}))
    }

    fn settled_with(changes: Value) -> (Self, Vm) {
        let process = Self::with(changes);
        let mut vm = process.vm(1);
        vm.settle(&process);
        (process, vm)
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now = later(self.now, milliseconds);
    }

    fn key(&self, name: &str) -> String {
        Scope::new(&self.config.namespace).key(name)
    }

    fn value(&self, name: &str) -> Option<Vec<u8>> {
        match self.shared.read(&self.key(name)) {
            Found::Value(bytes, _) => Some(bytes),
            Found::Missing | Found::Failed => None,
        }
    }

    fn version(&self, name: &str) -> Option<u32> {
        match self.shared.read(&self.key(name)) {
            Found::Value(_, version) => Some(version),
            Found::Missing | Found::Failed => None,
        }
    }

    fn state(&self) -> State {
        State::decode(&self.value("state").unwrap()).unwrap()
    }

    fn bucket(&self, session: SessionId) -> String {
        Scope::new(&self.config.namespace).bucket(session.bucket())
    }

    /// What a VM answers that has never looked before.
    fn is_revoked(&self, session: SessionId) -> Result<bool, Unsynced> {
        sees(&mut View::new(&self.config), self, session)
    }
}

/// What the VM of this view answers.
fn sees(view: &mut View, process: &Process, session: SessionId) -> Result<bool, Unsynced> {
    view.ground(&process.shared)?;
    view.is_revoked(&process.shared, session)
}

impl Vm {
    fn tick(&mut self, process: &Process) -> Option<Fetch> {
        self.drawn += 1;
        let mut random = [self.seed; 32];
        random[28..].copy_from_slice(&self.drawn.to_be_bytes());
        let fetch = self.subscription.tick(&process.shared, process.now, random);
        self.follow(fetch, process.now)
    }

    fn answer(&mut self, process: &Process, reply: &Reply) -> Option<Fetch> {
        let (id, _) = self.waits_for.take().expect("a call");
        let fetch =
            self.subscription
                .answered(&process.shared, &SoftwareCheck, id, reply, process.now);
        self.follow(fetch, process.now)
    }

    fn follow(&mut self, fetch: Option<Fetch>, now: Now) -> Option<Fetch> {
        let fetch = fetch?;
        self.calls += 1;
        self.subscription.sent(Some(self.calls), now);
        self.waits_for = Some((self.calls, fetch.clone()));
        Some(fetch)
    }

    fn asked(&self) -> &Fetch {
        &self.waits_for.as_ref().expect("a call").1
    }

    /// The companion answers the call that waits.
    fn get_answer(&mut self, process: &Process) -> Option<Fetch> {
        let reply = process.companion.answer(self.asked(), process.now.wall);
        self.answer(process, &reply)
    }

    /// Ticks once, and the companion answers until a poll waits for news.
    fn settle(&mut self, process: &Process) {
        self.tick(process);
        for _ in 0..20 {
            match &self.waits_for {
                Some((_, fetch)) if fetch.path.contains("&hold=0") => {}
                Some((_, fetch)) if fetch.path.contains("&hold=") => return,
                Some(_) => {}
                None => panic!("nothing was asked: {:?}", self.subscription.notes),
            }
            self.get_answer(process);
        }
        panic!("no end: {:?}", self.waits_for);
    }

    /// The companion has news for the poll that waits, and the next one waits again.
    fn learn(&mut self, process: &Process) {
        self.get_answer(process);
        self.settle(process);
    }

    fn notes(&mut self) -> Vec<Note> {
        self.subscription.take_notes()
    }
}
