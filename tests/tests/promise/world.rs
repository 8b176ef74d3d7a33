//! The whole: steps of time, and what happens in them.

use std::time::Duration;

use companion::clock::{Millis, Moment};
use companion::receipt::Revocation;
use tests::issuer::{issuer, session};

use crate::companion::{Companions, Kind};
use crate::gateway::{Gateway, VMS};
use crate::history::Event;
use crate::promise::{Totals, Tracked};
use crate::travel::Flight;

/// One step.
pub const STEP: Duration = Duration::from_millis(50);
/// The companion's wall clock at step 0.
pub const START: i64 = 1_800_000_000;

pub const STEPS_PER_SECOND: u32 = 20;
/// Long enough for every backoff, staleness and full pass.
const CALM: u32 = 20 * STEPS_PER_SECOND;
/// For a gateway that is gone to be counted no more: its staleness, the minute that the stored moment runs ahead, and a second.
const RECOVERY: u32 = (15 + 60 + 1) * STEPS_PER_SECOND;
const LONGEST_HISTORY: u32 = 200 * STEPS_PER_SECOND;

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub struct World {
    pub step: u32,
    pub companions: Companions,
    pub commit_steps: u32,
    pub gateways: Vec<Gateway>,
    pub flights: Vec<Flight>,
    /// Sessions whose end is being committed.
    committing: Vec<(u32, usize)>,
    pub sessions: Vec<Tracked>,
    pub totals: Totals,
}

pub type Checked = Result<(), String>;

impl World {
    /// Two Envoys and four sessions.
    pub fn begin(kind: Kind) -> Self {
        let mut world = Self {
            step: 0,
            companions: Companions::start(kind, moment(0)),
            commit_steps: 0,
            gateways: Vec::new(),
            flights: Vec::new(),
            committing: Vec::new(),
            sessions: Vec::new(),
            totals: Totals::default(),
        };
        world.join(0);
        world.join(7);
        (0..4).for_each(|_| world.log_in());
        world
    }

    pub fn now(&self) -> Moment {
        moment(self.step)
    }

    fn join(&mut self, clock: i64) {
        let seed = u64::try_from(self.gateways.len()).unwrap();
        let gateway = Gateway::start(clock, STEP * self.step, seed);
        self.gateways.push(gateway);
    }

    fn log_in(&mut self) {
        let session = session(&format!("{}", self.sessions.len()));
        let now = self.now().wall.seconds();
        let token = issuer().access_token_at(&session, now);
        self.sessions
            .push(Tracked::new(session.id, token, now.plus(seconds(300))));
    }

    /// Lets one event happen.
    pub fn happen(&mut self, event: &Event) -> Checked {
        let count = self.gateways.len();
        let replicas = self.companions.replicas.len();
        match event {
            Event::Pass { steps } if self.step < LONGEST_HISTORY => return self.pass(*steps),
            Event::Pass { .. } => {}
            Event::Revoke { session } => self.revoke(*session),
            Event::Join { clock } if count < 4 => self.join(*clock),
            Event::Join { .. } => {}
            Event::RestartEnvoy { gateway } => self.gateways[gateway % count].restart(),
            Event::Trap { gateway } => {
                let gateway = &mut self.gateways[gateway % count];
                (0..VMS).for_each(|vm| gateway.host.vm(vm).trap());
            }
            Event::Cut { gateway, steps } => {
                self.gateways[gateway % count].cut_until = self.step + steps
            }
            Event::Slow {
                gateway,
                there,
                back,
            } => {
                let gateway = &mut self.gateways[gateway % count];
                (gateway.there, gateway.back) = (*there, *back);
            }
            Event::SlowDisk { steps } => self.commit_steps = *steps,
            Event::RestartCompanion { replica, steps } => {
                self.stop_companion(replica % replicas, *steps);
            }
            Event::Copy => self.companions.make_copy(),
            Event::Restore { is_other_server } => self.restore(*is_other_server),
            Event::ChangeKeys => self.companions.change_keys(),
            Event::FailOver { gateway, way } => {
                let gateway = &mut self.gateways[gateway % count];
                self.totals.failovers += u64::from(gateway.way != *way);
                gateway.way = *way;
            }
            Event::Promote {
                lag,
                is_other_server,
            } => {
                self.companions.follow(*lag);
                self.restore(*is_other_server);
            }
            Event::CutFromStore { replica, steps } => {
                self.companions.replicas[replica % replicas].away_until = self.step + steps;
            }
            Event::Lag {
                replica,
                hears,
                tells,
            } => {
                let replica = &mut self.companions.replicas[replica % replicas];
                (replica.hears, replica.tells) = (*hears, *tells);
            }
        }
        Ok(())
    }

    /// All is well again; after a while every receipt is complete, and every gate opens for a new session and for no ended one.
    pub fn end(mut self) -> Result<Totals, String> {
        self.commit_steps = 0;
        for replica in &mut self.companions.replicas {
            (replica.down_until, replica.away_until) = (self.step, self.step);
            (replica.hears, replica.tells) = (1, 1);
        }
        for gateway in &mut self.gateways {
            (gateway.cut_until, gateway.there, gateway.back) = (self.step, 0, 0);
        }
        self.pass(CALM)?;
        let longest = self.step + RECOVERY;
        while let Some(revocation) = self.unfinished() {
            if self.step > longest {
                return Err(format!("the receipt {revocation:?} was never complete"));
            }
            self.pass(STEPS_PER_SECOND)?;
        }
        self.log_in();
        for place in 0..self.gateways.len() {
            for vm in 0..VMS {
                let token = self
                    .sessions
                    .last()
                    .map(|tracked| tracked.token.clone())
                    .unwrap_or_default();
                let status = self.gateways[place].status(vm, &token);
                if status != 200 {
                    let logs = self.gateways[place].host.logs().join("\n");
                    return Err(format!(
                        "gateway {place} answers {status} to a living session:\n{logs}"
                    ));
                }
            }
        }
        for index in 0..self.sessions.len() {
            self.check(index)?;
        }
        self.totals.cursors_refused = self.companions.cursors_refused;
        self.totals.rollbacks_noticed = self.companions.rollbacks_noticed();
        Ok(self.totals)
    }

    /// A receipt that some companion does not call complete; after a rollback: that none does. What was acknowledged may be lost with
    /// the store, and is told again with the next number only.
    fn unfinished(&mut self) -> Option<Revocation> {
        let now = self.now();
        let asked: Vec<_> = self
            .sessions
            .iter()
            .filter(|tracked| !tracked.is_lost)
            .filter_map(|tracked| tracked.revocation)
            .collect();
        let replicas = 0..self.companions.replicas.len();
        let least = if self.totals.rollbacks == 0 {
            replicas.len()
        } else {
            1
        };
        let companions = &mut self.companions;
        let mut is_complete = |replica, revocation: &Revocation| {
            companions.progress(replica, revocation, now).is_complete()
        };
        asked.into_iter().find(|revocation| {
            let complete = replicas
                .clone()
                .filter(|replica| is_complete(*replica, revocation))
                .count();
            complete < least
        })
    }

    fn revoke(&mut self, chosen: usize) {
        let is_committing = |index: usize| self.committing.iter().any(|(_, other)| *other == index);
        let living: Vec<_> = (0..self.sessions.len())
            .filter(|index| self.sessions[*index].revocation.is_none() && !is_committing(*index))
            .collect();
        let session = living[chosen % living.len()];
        self.committing
            .push((self.step + self.commit_steps, session));
        self.log_in();
    }

    fn stop_companion(&mut self, replica: usize, steps: u32) {
        self.companions.replicas[replica].down_until = self.step + steps;
        // Not committed, not answered.
        self.committing.clear();
        self.companions.restart(replica, self.now());
    }

    fn restore(&mut self, is_other_server: bool) {
        let now = self.now();
        if !self.companions.restore(is_other_server, now) {
            return;
        }
        self.totals.rollbacks += 1;
        self.committing.clear();
        for tracked in &mut self.sessions {
            tracked.is_lost |=
                tracked.revocation.is_some() && !self.companions.store.knows(tracked.id);
        }
    }

    fn pass(&mut self, steps: u32) -> Checked {
        for _ in 0..steps {
            self.step += 1;
            self.depart();
            self.commit();
            self.companions
                .step(self.step, self.commit_steps, self.now());
            self.travel();
            self.look_at_receipts()?;
            self.sample()?;
        }
        Ok(())
    }

    fn commit(&mut self) {
        let (due, later) = self
            .committing
            .drain(..)
            .partition(|(at, _)| *at <= self.step);
        self.committing = later;
        let due: Vec<(u32, usize)> = due;
        for (_, session) in due {
            let tracked = &self.sessions[session];
            let revocation = self.companions.revoke(tracked.id, tracked.exp, self.now());
            self.sessions[session].revocation = Some(revocation);
        }
    }
}

fn moment(step: u32) -> Moment {
    let wall = Millis(START * 1_000 + i64::from(step) * 50);
    Moment { wall, steady: wall }
}
