//! The whole: steps of time, what is under way between gateways and companion, and the promise that is checked.

use std::collections::BTreeSet;
use std::time::Duration;

use companion::clock::{Millis, Moment};
use companion::gateways::Registration;
use companion::receipt::Revocation;
use tests::host::Response;
use tests::issuer::{issuer, session};
use token::{SessionId, UnixTime};

use crate::companion::{Companion, Poll};
use crate::gateway::{Gateway, VMS};
use crate::history::Event;

/// One step.
pub const STEP: Duration = Duration::from_millis(50);
/// The companion's wall clock at step 0.
pub const START: i64 = 1_800_000_000;

const STEPS_PER_SECOND: u32 = 20;
/// Long enough for every backoff, staleness and full pass, and for a gateway that is gone to be counted no more: its staleness, the
/// minute that the stored moment runs ahead, and a second.
const RECOVERY: u32 = (15 + 60 + 1 + 10) * STEPS_PER_SECOND;
const LONGEST_HISTORY: u32 = 200 * STEPS_PER_SECOND;

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub receipts_with_200: u64,
    pub receipts_with_202: u64,
    pub rollbacks_noticed: u64,
    pub accepted: u64,
    pub denied: u64,
    pub stale: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Self) {
        self.receipts_with_200 += other.receipts_with_200;
        self.receipts_with_202 += other.receipts_with_202;
        self.rollbacks_noticed += other.rollbacks_noticed;
        self.accepted += other.accepted;
        self.denied += other.denied;
        self.stale += other.stale;
    }
}

/// A call-out on its way.
struct Flight {
    gateway: usize,
    process: u32,
    callout: u64,
    life: u32,
    stage: Stage,
}

enum Stage {
    There {
        at: u32,
        poll: Option<Poll>,
    },
    Registering {
        at: u32,
        poll: Poll,
        registration: Registration,
    },
    Held {
        until: u32,
        poll: Poll,
    },
    Back {
        at: u32,
        response: Response,
    },
}

/// A session with one access token.
struct Tracked {
    id: SessionId,
    token: String,
    exp: UnixTime,
    /// Its end is committed.
    revocation: Option<Revocation>,
    /// A receipt said 200.
    is_done: bool,
    has_had_202: bool,
    /// The earliest moment that any answer has promised.
    effective_by: Option<Millis>,
    /// The store was put back to before its end: only who has denied it since still must.
    is_lost: bool,
    /// Processes that have denied it.
    denied_by: BTreeSet<(usize, u32)>,
}

pub struct World {
    step: u32,
    companion: Companion,
    down_until: u32,
    commit_steps: u32,
    gateways: Vec<Gateway>,
    flights: Vec<Flight>,
    /// Sessions whose end is being committed.
    committing: Vec<(u32, usize)>,
    sessions: Vec<Tracked>,
    totals: Totals,
}

type Checked = Result<(), String>;

impl World {
    /// Two Envoys and four sessions.
    pub fn begin() -> Self {
        let mut world = Self {
            step: 0,
            companion: Companion::start(),
            down_until: 0,
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

    fn now(&self) -> Moment {
        let wall = Millis(START * 1_000 + i64::from(self.step) * 50);
        Moment { wall, steady: wall }
    }

    fn join(&mut self, clock: i64) {
        let seed = u64::try_from(self.gateways.len()).unwrap();
        let gateway = Gateway::start(clock, STEP * self.step, seed);
        self.gateways.push(gateway);
    }

    fn log_in(&mut self) {
        let session = session(&format!("{}", self.sessions.len()));
        let now = self.now().wall.seconds();
        self.sessions.push(Tracked {
            id: session.id,
            token: issuer().access_token_at(&session, now),
            exp: now.plus(seconds(300)),
            revocation: None,
            is_done: false,
            has_had_202: false,
            effective_by: None,
            is_lost: false,
            denied_by: BTreeSet::new(),
        });
    }

    /// Lets one event happen.
    pub fn happen(&mut self, event: &Event) -> Checked {
        let count = self.gateways.len();
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
            Event::RestartCompanion { steps } => self.stop_companion(*steps),
            Event::Copy => self.companion.make_copy(),
            Event::Restore => self.restore(),
            Event::ChangeKeys => self.companion.change_keys(),
        }
        Ok(())
    }

    /// All is well again; after a while every receipt is complete, and every gate opens for a new session and for no ended one.
    pub fn end(mut self) -> Result<Totals, String> {
        (self.down_until, self.commit_steps) = (self.step, 0);
        for gateway in &mut self.gateways {
            (gateway.cut_until, gateway.there, gateway.back) = (self.step, 0, 0);
        }
        self.pass(RECOVERY)?;
        let unfinished = |tracked: &&Tracked| {
            tracked.revocation.is_some() && !tracked.is_done && !tracked.is_lost
        };
        if let Some(tracked) = self.sessions.iter().find(unfinished) {
            return Err(format!(
                "the receipt {:?} was never complete",
                tracked.revocation
            ));
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
        self.totals.rollbacks_noticed = self.companion.rollbacks_noticed;
        Ok(self.totals)
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

    fn stop_companion(&mut self, steps: u32) {
        self.down_until = self.step + steps;
        // Not committed, not answered.
        self.committing.clear();
        self.companion.restart(self.now());
    }

    fn restore(&mut self) {
        let now = self.now();
        if !self.companion.restore(now) {
            return;
        }
        self.committing.clear();
        for tracked in &mut self.sessions {
            tracked.is_lost |=
                tracked.revocation.is_some() && !self.companion.store.knows(tracked.id);
        }
    }

    fn pass(&mut self, steps: u32) -> Checked {
        for _ in 0..steps {
            self.step += 1;
            self.depart();
            self.commit();
            self.travel();
            self.look_at_receipts()?;
            self.sample()?;
        }
        Ok(())
    }

    /// Call-outs that the filters have just sent.
    fn depart(&mut self) {
        for place in 0..self.gateways.len() {
            let gateway = &mut self.gateways[place];
            for callout in gateway.step() {
                let poll = (callout.path() != "/gateway/v1/keys").then(|| Poll::parse(&callout));
                self.flights.push(Flight {
                    gateway: place,
                    process: gateway.process,
                    callout: callout.id,
                    life: self.companion.life,
                    stage: Stage::There {
                        at: self.step + gateway.there,
                        poll,
                    },
                });
            }
        }
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
            let revocation = self.companion.revoke(tracked.id, tracked.exp, self.now());
            self.sessions[session].revocation = Some(revocation);
        }
    }

    fn travel(&mut self) {
        for flight in std::mem::take(&mut self.flights) {
            if let Some(flight) = self.move_on(flight) {
                self.flights.push(flight);
            }
        }
    }

    /// The next stage of what is on its way; `None`: it has arrived, or is lost.
    fn move_on(&mut self, flight: Flight) -> Option<Flight> {
        let step = self.step;
        let gateway = &self.gateways[flight.gateway];
        let (is_cut, back) = (step < gateway.cut_until, step + gateway.back);
        let is_down = step < self.down_until;
        let at = |stage| Some(Flight { stage, ..flight });
        let is_of_this_life = flight.life == self.companion.life;
        match flight.stage {
            Stage::There { at, .. } if at > step => Some(flight),
            Stage::There { .. } if is_cut => None,
            Stage::There { .. } if is_down => at(Stage::Back {
                at: back,
                response: Response::refused(),
            }),
            Stage::There { poll: None, .. } => at(Stage::Back {
                at: back,
                response: self.companion.keys(),
            }),
            Stage::There {
                poll: Some(poll), ..
            } => {
                let flight = Flight {
                    life: self.companion.life,
                    stage: Stage::Held { until: 0, poll },
                    ..flight
                };
                match self.companion.arrive(&poll, self.now()) {
                    None => Some(self.first_read(flight, poll, back)),
                    Some(registration) => {
                        let stage = Stage::Registering {
                            at: step + self.commit_steps,
                            poll,
                            registration,
                        };
                        Some(Flight { stage, ..flight })
                    }
                }
            }
            Stage::Registering { .. } | Stage::Held { .. } if !is_of_this_life => at(Stage::Back {
                at: back,
                response: Response::reset(),
            }),
            Stage::Registering { at, .. } if at > step => Some(flight),
            Stage::Registering {
                poll, registration, ..
            } => {
                self.companion.commit(registration);
                Some(self.first_read(
                    Flight {
                        stage: Stage::Held { until: 0, poll },
                        ..flight
                    },
                    poll,
                    back,
                ))
            }
            Stage::Held { until, poll } => {
                match self.companion.read(&poll, false, until <= step, self.now()) {
                    None => at(Stage::Held { until, poll }),
                    Some(page) => at(Stage::Back {
                        at: back,
                        response: Response::ok(page),
                    }),
                }
            }
            Stage::Back { at, .. } if at > step => Some(flight),
            Stage::Back { response, .. } => {
                let gateway = &mut self.gateways[flight.gateway];
                let waits = || {
                    gateway
                        .host
                        .callouts()
                        .iter()
                        .any(|callout| callout.id == flight.callout)
                };
                if !is_cut && gateway.process == flight.process && waits() {
                    gateway.host.answer(flight.callout, response);
                }
                None
            }
        }
    }

    fn first_read(&mut self, flight: Flight, poll: Poll, back: u32) -> Flight {
        let hold = u32::try_from(poll.hold).unwrap_or(0) * STEPS_PER_SECOND;
        let stage = match self.companion.read(&poll, true, hold == 0, self.now()) {
            None => Stage::Held {
                until: self.step + hold,
                poll,
            },
            Some(page) => Stage::Back {
                at: back,
                response: Response::ok(page),
            },
        };
        Flight { stage, ..flight }
    }

    /// Every receipt that is not complete is asked for at every step: all that it ever says must be true.
    fn look_at_receipts(&mut self) -> Checked {
        if self.step < self.down_until {
            return Ok(());
        }
        let now = self.now();
        for index in 0..self.sessions.len() {
            let tracked = &mut self.sessions[index];
            let Some(revocation) = tracked
                .revocation
                .filter(|_| !tracked.is_done && !tracked.is_lost)
            else {
                continue;
            };
            let progress = self.companion.progress(&revocation, now);
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
    fn sample(&mut self) -> Checked {
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
    fn check(&mut self, index: usize) -> Checked {
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
