//! One simulated Envoy: the built filter in two VMs, its clock, and its way to the companion.

use std::time::Duration;

use tests::gateway::config;
use tests::host::{Callout, Host, get};

use crate::world::{START, STEP};

/// VMs of each Envoy.
pub const VMS: usize = 2;

/// An Envoy.
pub struct Gateway {
    pub host: Host,
    /// The way is cut until this step.
    pub cut_until: u32,
    /// Steps to the companion and back.
    pub there: u32,
    pub back: u32,
    /// The companion that it asks; beyond the last one, each in turn.
    pub way: usize,
    /// Call-outs that have left.
    pub seen: u64,
    /// Moves at each start: what belongs to an earlier process is void.
    pub process: u32,
}

impl Gateway {
    pub fn start(clock: i64, now: Duration, seed: u64) -> Self {
        let mut configuration = config();
        configuration["max_staleness"] = "15s".into();
        let now = i64::try_from(now.as_secs()).unwrap();
        let host = Host::latchkey(&configuration)
            .seed(seed)
            .at(START + now + clock)
            .vms(VMS);
        Self {
            host,
            cut_until: 0,
            there: 0,
            back: 0,
            way: 0,
            seen: 0,
            process: 0,
        }
    }

    pub fn restart(&mut self) {
        self.host.restart();
        self.process += 1;
        self.seen = 0;
    }

    /// Which companion a call-out goes to.
    pub fn replica(&self, callout: u64, replicas: usize) -> usize {
        if self.way < replicas {
            self.way
        } else {
            usize::try_from(callout).unwrap_or(0) % replicas
        }
    }

    /// One step of time; gives the call-outs that left in it.
    pub fn step(&mut self) -> Vec<Callout> {
        self.host.advance(STEP);
        let fresh: Vec<_> = self
            .host
            .callouts()
            .into_iter()
            .filter(|callout| callout.id >= self.seen)
            .collect();
        self.seen = fresh
            .iter()
            .map(|callout| callout.id + 1)
            .max()
            .unwrap_or(self.seen)
            .max(self.seen);
        fresh
    }

    /// What the app behind it would see of a request with that token: the status, 200 when it passed.
    pub fn status(&mut self, vm: usize, token: &str) -> u16 {
        let reply = self.host.vm(vm).request(get("/orders").bearer(token));
        if reply.passed() { 200 } else { reply.status() }
    }
}
