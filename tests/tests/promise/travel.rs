//! Between gateways and companions: what is under way, and what becomes of it.

use companion::clock::Moment;
use companion::gateways::Registration;
use tests::host::Response;

use crate::companion::Poll;
use crate::world::{STEPS_PER_SECOND, World};

/// A call-out on its way.
pub struct Flight {
    gateway: usize,
    replica: usize,
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
        began: Moment,
        /// It is in the store; the companion does not know yet.
        is_written: bool,
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

impl World {
    /// Call-outs that the filters have just sent.
    pub fn depart(&mut self) {
        for place in 0..self.gateways.len() {
            let gateway = &mut self.gateways[place];
            for callout in gateway.step() {
                let replica = gateway.replica(callout.id, self.companions.replicas.len());
                let poll = (callout.path() != "/gateway/v1/keys").then(|| Poll::parse(&callout));
                self.flights.push(Flight {
                    gateway: place,
                    replica,
                    process: gateway.process,
                    callout: callout.id,
                    life: self.companions.replicas[replica].life,
                    stage: Stage::There {
                        at: self.step + gateway.there,
                        poll,
                    },
                });
            }
        }
    }

    pub fn travel(&mut self) {
        for flight in std::mem::take(&mut self.flights) {
            if let Some(flight) = self.move_on(flight) {
                self.flights.push(flight);
            }
        }
    }

    /// The next stage of what is on its way; `None`: it has arrived, or is lost.
    fn move_on(&mut self, flight: Flight) -> Option<Flight> {
        let (step, now) = (self.step, self.now());
        let gateway = &self.gateways[flight.gateway];
        let (is_cut, back) = (step < gateway.cut_until, step + gateway.back);
        let replica = &mut self.companions.replicas[flight.replica];
        let (is_down, is_away) = (step < replica.down_until, !replica.reaches_the_store(step));
        let at = |stage| Some(Flight { stage, ..flight });
        let is_of_this_life = flight.life == replica.life;
        match flight.stage {
            Stage::There { at, .. } if at > step => Some(flight),
            Stage::There { .. } if is_cut => None,
            Stage::There { .. } if is_down => at(Stage::Back {
                at: back,
                response: Response::refused(),
            }),
            Stage::There { .. } | Stage::Registering { .. } | Stage::Held { .. } if is_away => {
                at(Stage::Back {
                    at: back,
                    response: Response::refused(),
                })
            }
            Stage::There { poll: None, .. } => at(Stage::Back {
                at: back,
                response: self.companions.keys(),
            }),
            Stage::There {
                poll: Some(poll), ..
            } => {
                let flight = Flight {
                    life: replica.life,
                    stage: Stage::Held { until: 0, poll },
                    ..flight
                };
                match replica.arrive(&poll, now) {
                    None => Some(self.first_read(flight, poll, back)),
                    Some(registration) => {
                        let stage = Stage::Registering {
                            at: step + self.commit_steps,
                            poll,
                            registration,
                            began: now,
                            is_written: false,
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
                poll,
                registration,
                began,
                is_written: false,
                ..
            } => {
                self.companions.register(&registration, began);
                at(Stage::Registering {
                    at: step + self.commit_steps / 2,
                    poll,
                    registration,
                    began,
                    is_written: true,
                })
            }
            Stage::Registering {
                poll, registration, ..
            } => {
                replica.committed(registration);
                Some(self.first_read(
                    Flight {
                        stage: Stage::Held { until: 0, poll },
                        ..flight
                    },
                    poll,
                    back,
                ))
            }
            Stage::Held { until, .. } if until > step && !replica.has_moved => Some(flight),
            Stage::Held { until, poll } => {
                let what = (&poll, false, until <= step);
                match self.companions.read(flight.replica, what, (step, now)) {
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
        let (what, when) = ((&poll, true, hold == 0), (self.step, self.now()));
        let stage = match self.companions.read(flight.replica, what, when) {
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
}
