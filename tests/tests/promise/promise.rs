//! The promise: what receipts have said, and what gateways answer afterwards.

use std::collections::BTreeSet;

use companion::clock::Millis;
use companion::receipt::Revocation;
use token::{SessionId, UnixTime};

use crate::gateway::VMS;
use crate::world::{Checked, World};

#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub receipts_with_200: u64,
    pub receipts_with_202: u64,
    /// What receipts said while a gateway was lost with the store.
    pub receipts_not_asked: u64,
    /// Gateways that went on at another companion.
    pub failovers: u64,
    pub rollbacks: u32,
    /// By companions, as they ran.
    pub rollbacks_noticed: u64,
    /// By gateways' polls.
    pub cursors_refused: u64,
    pub accepted: u64,
    pub denied: u64,
    pub stale: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Self) {
        self.receipts_with_200 += other.receipts_with_200;
        self.receipts_with_202 += other.receipts_with_202;
        self.receipts_not_asked += other.receipts_not_asked;
        self.failovers += other.failovers;
        self.rollbacks += other.rollbacks;
        self.rollbacks_noticed += other.rollbacks_noticed;
        self.cursors_refused += other.cursors_refused;
        self.accepted += other.accepted;
        self.denied += other.denied;
        self.stale += other.stale;
    }
}

/// A session with one access token.
pub struct Tracked {
    pub id: SessionId,
    pub token: String,
    pub exp: UnixTime,
    /// Its end is committed.
    pub revocation: Option<Revocation>,
    /// A receipt said 200.
    pub is_done: bool,
    pub has_had_202: bool,
    /// The earliest moment that any answer has promised.
    pub effective_by: Option<Millis>,
    /// The store was put back to before its end: only who has denied it since still must.
    pub is_lost: bool,
    /// Processes that have denied it.
    denied_by: BTreeSet<(usize, u32)>,
}

impl Tracked {
    pub fn new(id: SessionId, token: String, exp: UnixTime) -> Self {
        Self {
            id,
            token,
            exp,
            revocation: None,
            is_done: false,
            has_had_202: false,
            effective_by: None,
            is_lost: false,
            denied_by: BTreeSet::new(),
        }
    }
}

impl World {
    /// Every receipt that is not complete is asked for at every step: all that it ever says must be true.
    pub fn look_at_receipts(&mut self) -> Checked {
        for replica in 0..self.companions.replicas.len() {
            if self.companions.replicas[replica].reaches_the_store(self.step) {
                self.look_at_receipts_of(replica)?;
            }
        }
        Ok(())
    }

    fn look_at_receipts_of(&mut self, replica: usize) -> Checked {
        let now = self.now();
        for index in 0..self.sessions.len() {
            let tracked = &mut self.sessions[index];
            let Some(revocation) = tracked
                .revocation
                .filter(|_| !tracked.is_done && !tracked.is_lost)
            else {
                continue;
            };
            let progress = self.companions.progress(replica, &revocation, now);
            if self.companions.misses_a_gateway(replica, now) {
                self.totals.receipts_not_asked += 1;
                continue;
            }
            if progress.is_complete() {
                tracked.is_done = true;
                self.totals.receipts_with_200 += 1;
                self.check(index)?;
            } else {
                self.totals.receipts_with_202 += u64::from(!tracked.has_had_202);
                tracked.has_had_202 = true;
                let promised = tracked
                    .effective_by
                    .map_or(progress.effective_by, |by| by.min(progress.effective_by));
                tracked.effective_by = Some(promised);
            }
        }
        Ok(())
    }

    /// One session at one place, another at each step; now and then all of them.
    pub fn sample(&mut self) -> Checked {
        if self.step.is_multiple_of(10) {
            let round = usize::try_from(self.step / 10).unwrap_or(0);
            self.ask(
                round % self.sessions.len(),
                round % self.gateways.len(),
                round % VMS,
            )?;
        }
        if self.step.is_multiple_of(100) {
            for index in 0..self.sessions.len() {
                self.check(index)?;
            }
        }
        Ok(())
    }

    /// Asks everywhere.
    pub fn check(&mut self, index: usize) -> Checked {
        for place in 0..self.gateways.len() {
            for vm in 0..VMS {
                self.ask(index, place, vm)?;
            }
        }
        Ok(())
    }

    fn ask(&mut self, index: usize, place: usize, vm: usize) -> Checked {
        let now = self.now();
        let gateway = &mut self.gateways[place];
        let asked = (place, gateway.process);
        let tracked = &mut self.sessions[index];
        let status = gateway.status(vm, &tracked.token);
        match status {
            200 => self.totals.accepted += 1,
            503 => self.totals.stale += 1,
            401 => self.totals.denied += 1,
            other => return Err(format!("gateway {place} answers {other}")),
        }
        if status == 401 {
            if tracked.revocation.is_none() && now.wall.seconds() < tracked.exp {
                return Err(format!(
                    "gateway {place} denies a living session, {}",
                    tracked.id
                ));
            }
            tracked.denied_by.insert(asked);
        }
        if status != 200 {
            return Ok(());
        }
        let what = if tracked.denied_by.contains(&asked) {
            "after it had denied it (RV-06)"
        } else if tracked.is_lost {
            return Ok(());
        } else if tracked.is_done {
            "after a receipt with 200"
        } else if tracked.effective_by.is_some_and(|by| by < now.wall) {
            "after `effective_by`"
        } else {
            return Ok(());
        };
        let logs = gateway.host.logs().join("\n");
        Err(format!(
            "step {}: gateway {place} accepts {} {what}\n{logs}",
            self.step, tracked.id
        ))
    }
}
