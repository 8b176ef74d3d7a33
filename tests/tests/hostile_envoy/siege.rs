//! A companion that turns hostile while a gate is in touch with it, watched from both workers until the state is stale, and then until the
//! gate has come back by itself. Several sieges go on side by side, each with an Envoy of its own: most of their time is waiting.

use std::fs;
use std::mem;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use tests::gate::Gate;
use tests::issuer::{issuer, session};
use tests::ports::free_port;
use tests::stand_in::{Answer, Asked, Call, StandIn};
use tests::watch::{Stopwatch, wait_for};

use crate::answers::Callers;
use crate::{configuration, revoke, token_of};

/// `max_staleness` of the gates.
const STALENESS: Duration = Duration::from_secs(5);
/// What a loaded machine may add.
const LATE: Duration = Duration::from_millis(1_500);
/// The longest back-off, a poll that is given up, and the polls that catch up.
const RECOVERY: Duration = Duration::from_secs(12);
/// How often clients call while they watch.
const LOOK: Duration = Duration::from_millis(100);
/// By how much an Envoy may grow, whatever it is sent: the 32 MiB that it buffers of an answer, twice, and the garbage of its VMs.
const GROWTH_KIB: u64 = 100 * 1024;

/// How a companion is hostile.
pub struct Siege {
    name: &'static str,
    behaviour: Box<dyn Fn(&Call) -> Answer + Send + Sync>,
    /// How many calls a gate may make of it in the 5 s until its state is stale.
    calls: usize,
}

impl Siege {
    /// Every call but the health check is answered so. Calls that fail at once back off: 0.25 s doubling to 5 s, each up to a quarter less.
    pub fn new(
        name: &'static str,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let behaviour = move |call: &Call| match call.asked {
            Asked::Ready => Answer::Right,
            Asked::Keys | Asked::Poll(_) | Asked::Other => behaviour(call),
        };
        Self::of_every_call(name, behaviour)
    }

    /// The same for the health check too.
    pub fn of_every_call(
        name: &'static str,
        behaviour: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            behaviour: Box::new(behaviour),
            calls: 10,
        }
    }

    /// With another most of calls.
    pub fn calls(mut self, calls: usize) -> Self {
        self.calls = calls;
        self
    }
}

/// Plays all of them at once.
pub fn all(sieges: Vec<Siege>) {
    let barrier = Barrier::new(sieges.len());
    thread::scope(|scope| {
        let threads: Vec<_> = sieges
            .into_iter()
            .map(|siege| {
                let name = siege.name;
                (name, scope.spawn(|| play(siege, &barrier)))
            })
            .collect();
        for (name, thread) in threads {
            assert!(thread.join().is_ok(), "the siege failed: {name}");
        }
    });
}

/// The companion is gone: nothing listens at its port. One without a memory comes back, which is as bad as any.
pub fn away() {
    let mut gate = Gate::start(&configuration()).unwrap();
    revoke(&gate, "bob");
    let callers = Callers::at_both_workers(gate.stack.ports());
    let elsewhere = StandIn::start(free_port().unwrap(), &issuer()).unwrap();
    drop(mem::replace(&mut gate.companion, elsewhere));
    let stale_after = until_stale("away", &callers);
    assert!(stale_after < STALENESS + LATE, "{stale_after:?}");
    assert_eq!(callers.statuses(&token_of("bob")), [503, 503]);
    let port = gate.stack.ports().internal;
    gate.companion = StandIn::start(port, &issuer()).unwrap();
    wait_for("the gate to come back", RECOVERY, || {
        must_be_among("away", &callers, "bob", &[401, 503]);
        Ok((callers.statuses(&token_of("alice")) == [200, 200]).then_some(()))
    })
    .unwrap();
    assert_eq!(callers.statuses(&token_of("bob")), [401, 401]);
}

fn play(siege: Siege, barrier: &Barrier) {
    let gate = Gate::start(&configuration());
    // Nobody is measured while others still start, and nobody waits for one that does not.
    barrier.wait();
    let gate = gate.unwrap();
    revoke(&gate, "bob");
    let callers = Callers::at_both_workers(gate.stack.ports());
    let before = memory_kib(&gate);
    let calls = calls(&gate);
    gate.companion.behave(siege.behaviour);
    // It ends while nobody can tell the gate.
    let number = gate.companion.revoke(session("carol").id);
    let stale_after = until_stale(siege.name, &callers);
    assert!(
        stale_after < STALENESS + LATE,
        "{}: {stale_after:?}",
        siege.name
    );
    assert!(
        stale_after > STALENESS / 2,
        "{}: {stale_after:?}",
        siege.name
    );
    let made = self::calls(&gate) - calls;
    assert!(
        (1..=siege.calls).contains(&made),
        "{}: {made} calls",
        siege.name
    );
    let watch = Stopwatch::start();
    while watch.elapsed() < Duration::from_secs(1) {
        for name in ["alice", "bob", "carol"] {
            assert_eq!(
                callers.statuses(&token_of(name)),
                [503, 503],
                "{}",
                siege.name
            );
        }
        thread::sleep(LOOK);
    }
    let grown = memory_kib(&gate).saturating_sub(before);
    assert!(grown < GROWTH_KIB, "{}: {grown} KiB", siege.name);
    println!(
        "{}: stale after {stale_after:.1?}, {made} calls until then, grown by {grown} KiB",
        siege.name
    );
    gate.companion.behave_well();
    wait_for("the gate to come back", RECOVERY, || {
        must_be_among(siege.name, &callers, "bob", &[401, 503]);
        must_be_among(siege.name, &callers, "carol", &[401, 503]);
        Ok((callers.statuses(&token_of("alice")) == [200, 200]).then_some(()))
    })
    .unwrap_or_else(|fault| panic!("{}: {fault}", siege.name));
    gate.companion.await_acknowledged(number).unwrap();
    for name in ["bob", "carol"] {
        assert_eq!(
            callers.statuses(&token_of(name)),
            [401, 401],
            "{}",
            siege.name
        );
    }
    gate.stack.stop().unwrap();
}

/// How long the last good state serves on.
fn until_stale(name: &str, callers: &Callers) -> Duration {
    let watch = Stopwatch::start();
    let bearer = token_of("alice");
    loop {
        must_be_among(name, callers, "bob", &[401, 503]);
        let statuses = callers.statuses(&bearer);
        if statuses == [503, 503] {
            return watch.elapsed();
        }
        assert!(
            statuses.iter().all(|status| matches!(status, 200 | 503)),
            "{name}: {statuses:?}"
        );
        assert!(watch.elapsed() < STALENESS * 2, "{name}: never stale");
        thread::sleep(LOOK);
    }
}

fn must_be_among(siege: &str, callers: &Callers, name: &str, allowed: &[u16]) {
    let statuses = callers.statuses(&token_of(name));
    let is_allowed = |status: &u16| allowed.contains(status);
    assert!(
        statuses.iter().all(is_allowed),
        "{siege}: {name} got {statuses:?}"
    );
}

fn calls(gate: &Gate) -> usize {
    let calls = gate.companion.calls();
    calls
        .iter()
        .filter(|call| call.asked != Asked::Ready)
        .count()
}

/// Envoy's resident memory.
fn memory_kib(gate: &Gate) -> u64 {
    let id = gate.stack.envoy().unwrap().id();
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
