//! One Envoy process as a proxy-wasm module sees it (ABI 0.2.1): VMs over one shared data, ticks, call-outs and clocks.
//!
//! It does what Envoy 1.40 does: a canary is configured before any VM and never ticks, a trap ends a VM and the next request gets a
//! new one (`FAIL_RELOAD`), an answer to a VM that is gone is dropped. Time stands still unless a test moves it. All state lies in
//! the wasmtime stores and in the [`Host`]; two hosts share nothing. Knows nothing of Latchkey but where the built filter lies.

mod abi;
mod callout;
mod crypto;
mod headers;
mod hostile;
mod imports;
mod module;
mod request;
mod shared_data;
mod start;
mod state;
mod vm;
mod world;

use std::cell::{Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use wasmtime::Module;

pub use abi::{OWN_PORT, Status};
pub use callout::{Callout, Response};
pub use headers::HeaderMap;
pub use hostile::Returned;
pub use module::{latchkey, latchkey_bytes, shipped_capabilities, trapping};
pub use request::{LocalReply, Reply, Request, get, post};
pub use shared_data::{Access, SharedData};
pub use start::Starting;

use state::Capabilities;
use vm::Vm;
use world::{Random, SECOND, World};

/// Envoy's `base_interval` between two reloads of a failed VM, in nanoseconds.
const RELOAD_BACKOFF: u64 = SECOND;

/// The place of the throw-away VM.
const CANARY: usize = usize::MAX;

/// One Envoy process with its VMs.
pub struct Host {
    module: Module,
    capabilities: Capabilities,
    configuration: Vec<u8>,
    world: Rc<RefCell<World>>,
    vms: Vec<Vm>,
    reloaded_at: Vec<Option<u64>>,
}

impl Host {
    /// Begins a process with this plugin configuration; see [`Starting::vms`].
    pub fn start(configuration: impl ToString) -> Starting {
        Starting::new(configuration.to_string().into_bytes())
    }

    /// The VM of that place, from 0.
    pub fn vm(&mut self, place: usize) -> VmHandle<'_> {
        assert!(place < self.vms.len(), "there is no VM {place}");
        VmHandle { host: self, place }
    }

    /// How many VMs there are.
    pub fn vms(&self) -> usize {
        self.vms.len()
    }

    /// Moves both clocks to the next tick that is due and runs all ticks of that moment.
    pub fn tick(&mut self) {
        let now = self.world.borrow().monotonic;
        let next = self.vms.iter().filter_map(Vm::next_tick).min();
        let wait = next.map_or(0, |next| next.saturating_sub(now));
        self.advance(Duration::from_nanos(wait));
    }

    /// Lets time pass: every tick and every timeout on the way happens at its moment.
    pub fn advance(&mut self, time: Duration) {
        let end = self.world.borrow().monotonic + nanoseconds(time);
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            let wait = next.saturating_sub(self.world.borrow().monotonic);
            self.world.borrow_mut().pass(wait);
            self.time_out();
            self.vms.iter_mut().for_each(Vm::tick);
        }
        let wait = end - self.world.borrow().monotonic;
        self.world.borrow_mut().pass(wait);
    }

    /// The next tick or timeout.
    fn next_event(&self) -> Option<u64> {
        let world = self.world.borrow();
        let deadlines = world.callouts.values().filter_map(Callout::deadline);
        let ticks = self.vms.iter().filter_map(Vm::next_tick);
        ticks.chain(deadlines).min()
    }

    /// Moves both clocks at once: the machine slept, nothing ran meanwhile.
    pub fn sleep(&mut self, time: Duration) {
        self.world.borrow_mut().pass(nanoseconds(time));
    }

    /// Sets the wall clock alone, in seconds since the epoch.
    pub fn set_wall_clock(&mut self, seconds: i64) {
        let seconds = u64::try_from(seconds).expect("a time after 1970");
        self.world.borrow_mut().wall = seconds * SECOND;
    }

    /// The wall clock, in whole seconds since the epoch.
    pub fn now(&self) -> i64 {
        i64::try_from(self.world.borrow().wall / SECOND).expect("a time before the year 10^11")
    }

    /// The call-outs that wait for an answer, oldest first.
    pub fn callouts(&self) -> Vec<Callout> {
        self.world.borrow().callouts.values().cloned().collect()
    }

    /// How many call-outs have been sent since the process began.
    pub fn sent_callouts(&self) -> u64 {
        self.world.borrow().sent_callouts
    }

    /// Answers a call-out, which must still wait. `false`: its VM is gone, the answer was dropped.
    pub fn answer(&mut self, id: u64, response: Response) -> bool {
        let callout = self.world.borrow_mut().callouts.remove(&id);
        let callout = callout.unwrap_or_else(|| panic!("call-out {id} does not wait"));
        let vm = self.vms.get_mut(callout.vm);
        vm.is_some_and(|vm| vm.answer(&callout, response))
    }

    fn time_out(&mut self) {
        let now = self.world.borrow().monotonic;
        let is_due = |callout: &Callout| callout.deadline().is_some_and(|deadline| deadline <= now);
        for callout in self.callouts().into_iter().filter(is_due) {
            self.answer(callout.id, Response::timeout());
        }
    }

    /// Adds a new plugin configuration; the old one keeps ticking until [`Host::drain`]. `false`: the canary refused it.
    pub fn update(&mut self, configuration: impl ToString) -> bool {
        let configuration = configuration.to_string().into_bytes();
        if !self.canary_accepts(&configuration) {
            return false;
        }
        for vm in &mut self.vms {
            vm.configure(&configuration);
        }
        self.configuration = configuration;
        true
    }

    /// Ends every configuration but the newest.
    pub fn drain(&mut self) {
        self.vms.iter_mut().for_each(Vm::drain);
    }

    /// Starts the process anew: shared data, metrics, logs and call-outs are gone, clocks go on.
    pub fn restart(&mut self) {
        let fresh = {
            let mut old = self.world.borrow_mut();
            let mut seed = [0; 8];
            seed.copy_from_slice(&old.random.draw(8));
            let mut fresh = World::new(Random::seeded(u64::from_be_bytes(seed)));
            (fresh.wall, fresh.monotonic) = (old.wall, old.monotonic);
            fresh.environment.clone_from(&old.environment);
            fresh.clusters.clone_from(&old.clusters);
            fresh.has_verify_signature = old.has_verify_signature;
            fresh
        };
        self.world = Rc::new(RefCell::new(fresh));
        let places = self.vms.len();
        assert!(
            self.canary_accepts(&self.configuration),
            "it was accepted before"
        );
        self.vms = (0..places).map(|place| self.start_vm(place)).collect();
        self.reloaded_at = vec![None; places];
    }

    fn start_vm(&self, place: usize) -> Vm {
        Vm::start(
            &self.module,
            &self.capabilities,
            &self.world,
            place,
            &self.configuration,
        )
    }

    /// A throw-away VM is configured first. What it does to shared data and the network is real.
    fn canary_accepts(&self, configuration: &[u8]) -> bool {
        Vm::start(
            &self.module,
            &self.capabilities,
            &self.world,
            CANARY,
            configuration,
        )
        .is_configured()
    }

    /// The shared data, for tests that look into it or tamper with it.
    pub fn shared_data(&mut self) -> RefMut<'_, SharedData> {
        RefMut::map(self.world.borrow_mut(), |world| &mut world.shared_data)
    }

    /// Every log line, oldest first.
    pub fn logs(&self) -> Ref<'_, [String]> {
        Ref::map(self.world.borrow(), |world| world.logs.as_slice())
    }

    /// The value of a metric; 0 when it is not defined.
    pub fn metric(&self, name: &str) -> i64 {
        let world = self.world.borrow();
        world.metrics.get(name).map_or(0, |metric| metric.value)
    }

    /// All metrics by name.
    pub fn metrics(&self) -> BTreeMap<String, i64> {
        let world = self.world.borrow();
        let metrics = world.metrics.iter();
        metrics
            .map(|(name, metric)| (name.clone(), metric.value))
            .collect()
    }

    /// How many signatures `verify_signature` has checked.
    pub fn native_checks(&self) -> u64 {
        self.world.borrow().native_checks
    }

    /// The imports that have been called while this export ran, in any VM.
    pub fn called_in(&self, export: &str) -> BTreeSet<&'static str> {
        let world = self.world.borrow();
        let calls = world.trace.iter().filter(|(below, _)| *below == export);
        calls.map(|(_, import)| *import).collect()
    }
}

/// One VM of a [`Host`].
pub struct VmHandle<'a> {
    host: &'a mut Host,
    place: usize,
}

impl VmHandle<'_> {
    /// Sends a request through the filter. A failed VM is reloaded first, at most once a second.
    pub fn request(self, request: Request) -> Reply {
        let Self { host, place } = self;
        if host.vms[place].failure.is_some() {
            let now = host.world.borrow().monotonic;
            let earliest = host.reloaded_at[place].map_or(0, |at| at + RELOAD_BACKOFF);
            if now >= earliest {
                host.reloaded_at[place] = Some(now);
                host.vms[place] = host.start_vm(place);
            }
        }
        host.vms[place].request(request)
    }

    /// Ends the VM as a trap would: no more ticks, answers to it are dropped, the next request reloads it.
    pub fn trap(self) {
        self.host.vms[self.place].fail("trapped by the test");
    }

    /// The text of the trap that ended it, if one did.
    pub fn failure(self) -> Option<String> {
        self.host.vms[self.place].failure.clone()
    }

    /// Calls an export with any numbers; what it answers, or `None` when it answers nothing or trapped.
    pub fn call(self, export: &'static str, arguments: &[u32]) -> Option<i32> {
        self.host.vms[self.place].call(export, arguments)
    }

    /// Whether it took its configuration. If not, Envoy skips the filter there.
    pub fn is_configured(self) -> bool {
        self.host.vms[self.place].is_configured()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("less than 584 years")
}
