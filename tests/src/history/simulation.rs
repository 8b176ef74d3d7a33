//! Up to eight clients at one server, step by step in an order that a seed decides.

use std::time::Duration;

use super::servers::{Flaw, Server};
use super::{Call, Record, Reply, State, Violation, check};
use crate::dice::Dice;

/// Of all clients together, before the last ones.
const CALLS: u64 = 32;
/// Of a hundred replies: cut once they are written; those whose request never arrives; those whose request arrives after all.
const CUT: u64 = 11;
const NEVER: u64 = 2;
const LATE: u64 = 2;

/// A call under way.
struct Flight {
    call: Call,
    /// In microseconds.
    called: u64,
    /// The row as the server read it.
    read: Option<State>,
    reply: Option<Reply>,
    /// The client has given up.
    is_abandoned: bool,
}

struct World {
    dice: Dice,
    server: Server,
    /// In microseconds.
    now: u64,
    /// The longest step, in microseconds.
    pace: u64,
    clients: u64,
    /// Of a hundred calls, with one of the two tokens before the newest.
    stale: u64,
    /// Of a hundred calls.
    logouts: u64,
    known: Vec<u64>,
    records: Vec<Record>,
}

/// All calls, what the row held at the end, and the grace.
pub(super) struct History {
    pub(super) records: Vec<Record>,
    pub(super) row: State,
    grace: Duration,
}

impl History {
    pub(super) fn judge(&self) -> Result<(), Violation> {
        check(&self.records, self.grace)?.ending_in(self.row)?;
        Ok(())
    }
}

pub(super) fn simulate(flaw: Flaw, seed: u64) -> History {
    let mut dice = Dice::new(seed);
    let grace = dice.one_of(&[0, 4, 20, 10_000]);
    let mut world = World {
        server: Server::new(flaw, grace),
        now: 0,
        pace: dice.one_of(&[50, 1_000]),
        clients: dice.one_of(&[1, 3, 8]),
        stale: dice.one_of(&[0, 10, 67]),
        logouts: dice.one_of(&[0, 0, 10]),
        known: vec![0],
        records: Vec::new(),
        dice,
    };
    world.burst();
    world.close();
    History {
        records: world.records,
        row: world.server.row,
        grace: Duration::from_millis(grace),
    }
}

impl World {
    fn pass_time(&mut self) {
        self.now += 1 + self.dice.below(self.pace);
    }

    /// All clients at once.
    fn burst(&mut self) {
        let mut left = CALLS;
        let mut flights: Vec<(u64, Flight)> = Vec::new();
        while left > 0 || !flights.is_empty() {
            self.pass_time();
            let client = self.dice.below(self.clients);
            let at = flights.iter().position(|(of, _)| *of == client);
            let is_waiting = flights
                .iter()
                .any(|(of, flight)| *of == client && !flight.is_abandoned);
            if left > 0 && !is_waiting {
                left -= 1;
                let flight = self.send();
                flights.push((client, flight));
            } else if let Some(at) = at {
                let (_, mut flight) = flights.remove(at);
                if !self.advance(&mut flight) {
                    flights.push((client, flight));
                }
            }
        }
    }

    fn send(&mut self) -> Flight {
        let is_stale = self.dice.below(100) < self.stale;
        let back = u64::from(is_stale) * (1 + self.dice.below(2));
        let generation = *self.known.iter().rev().nth(back as usize).unwrap_or(&0);
        let call = match self.dice.below(100) {
            roll if roll < self.logouts => Call::Logout,
            95.. => Call::Forged,
            _ => Call::Refresh { generation },
        };
        Flight {
            call,
            called: self.now,
            read: None,
            reply: None,
            is_abandoned: false,
        }
    }

    /// One step of it: the server reads, the server answers, the client receives. Whether it is over.
    fn advance(&mut self, flight: &mut Flight) -> bool {
        let Some(read) = flight.read else {
            let roll = self.dice.below(100);
            if !flight.is_abandoned && roll < NEVER + LATE {
                self.record(flight, Reply::Lost, u64::MAX);
                flight.is_abandoned = true;
                return roll < NEVER;
            }
            flight.read = Some(self.server.row);
            return false;
        };
        let Some(reply) = flight.reply.take() else {
            let reply = self.server.answer(flight.call, read, self.now / 1_000);
            flight.reply = Some(reply);
            return flight.is_abandoned;
        };
        if self.dice.below(100) < CUT {
            // Half of the time it is known that the server had answered.
            let until = self.dice.one_of(&[self.now, u64::MAX]);
            self.record(flight, Reply::Lost, until);
        } else {
            self.receive(flight, reply);
        }
        true
    }

    fn receive(&mut self, flight: &Flight, reply: Reply) {
        if let Reply::Rotated { generation, .. } = reply
            && !self.known.contains(&generation)
        {
            self.known.push(generation);
        }
        self.record(flight, reply, self.now);
    }

    fn record(&mut self, flight: &Flight, reply: Reply, returned: u64) {
        self.records.push(Record {
            call: flight.call,
            reply,
            called: flight.called,
            returned,
        });
    }

    /// One call after the other: the newest known token; in a third of the histories then the first of all, and the newest again.
    fn close(&mut self) {
        self.refresh_alone(None);
        if self.dice.below(3) == 0 {
            self.refresh_alone(Some(0));
            self.refresh_alone(None);
        }
    }

    fn refresh_alone(&mut self, generation: Option<u64>) {
        self.pass_time();
        let newest = self.known.iter().max().copied().unwrap_or_default();
        let mut flight = self.send();
        flight.call = Call::Refresh {
            generation: generation.unwrap_or(newest),
        };
        self.pass_time();
        let reply = self
            .server
            .answer(flight.call, self.server.row, self.now / 1_000);
        self.pass_time();
        self.receive(&flight, reply);
    }
}
