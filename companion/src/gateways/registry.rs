//! The rules: what a poll, a registration, a read of the store and a lost history mean for what is known of a gateway. No lock, no I/O.
//!
//! Counted by the steady clock: setting the machine's clock makes no gateway silent that is not. Only what is stored is by the
//! store's time.

use std::collections::HashMap;
use std::time::Duration;

use token::{Cursor, GatewayId};

use crate::clock::{Millis, Moment};
use crate::receipt::Gateway;
use crate::store::{Acknowledged, CursorFound, GatewaysRead, History, RegisteredGateway};

/// More than these do not register: 503 to new ones, and an alarm.
pub const MOST: usize = 20_000;
/// Beyond the staleness that a gateway reports.
const SLACK: Duration = Duration::from_secs(1);
/// The stored moment runs ahead by this, so that a heartbeat costs no write, and a restarted companion counts none too few.
const AHEAD: Duration = Duration::from_secs(60);
/// A gateway that never gets stale counts for so long after its last poll.
const SILENCE: Duration = Duration::from_secs(86_400);
/// A read of changes goes back so far before the last one: no transaction on gateways lasts longer.
const OVERLAP: Duration = Duration::from_secs(10);

/// A gateway that has not polled for so long is away: the longest hold is a quarter of it.
const QUIET: Duration = Duration::from_secs(120);

/// Whether a gateway is taken out of the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    /// It is away.
    Yes,
    /// It has polled a moment ago.
    StillPolls,
    /// There is none of that id.
    Unknown,
}

/// There are [`MOST`] gateways already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

#[derive(Clone, Copy)]
struct Known {
    staleness: Option<Duration>,
    live_until: Millis,
    /// What the store has: never earlier than `live_until`.
    stored_until: Millis,
    acknowledged: u64,
    /// What it had acknowledged when its cursor was refused. The store may still say so, until it is told; up to this only what this
    /// companion hears from the gateway itself counts.
    refused: u64,
}

/// What must be on disk before a gateway's page is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// For the store.
    pub gateway: RegisteredGateway,
    live_until: Millis,
    stored_until: Millis,
    history: History,
}

/// The gateways, without a lock.
#[derive(Default)]
pub struct Registry {
    known: HashMap<GatewayId, Known>,
    history: History,
    /// The store's time of the last read of it.
    read_at: Option<Millis>,
}

impl Registry {
    /// What the store knew at the start: each counts for as long as the store says.
    pub fn new(stored: GatewaysRead, now: Moment) -> Self {
        let mut registry = Self::default();
        registry.merge(stored, now);
        registry
    }

    /// What the store has of the gateways of all companions.
    pub fn merge(&mut self, read: GatewaysRead, now: Moment) {
        self.begin(read.history);
        let is_current = read.history == self.history;
        for gateway in read.gateways {
            let until = shifted(gateway.live_until, now.wall, now.steady);
            let known = self.known.entry(gateway.id).or_insert(Known {
                staleness: gateway.staleness,
                live_until: until,
                stored_until: until,
                acknowledged: 0,
                refused: 0,
            });
            known.staleness = longer(known.staleness, gateway.staleness);
            // For as long as the store says, whoever wrote it: until then the gateway may poll at another companion, which need not
            // write for it.
            known.live_until = known.live_until.max(until);
            known.stored_until = known.stored_until.max(until);
            if is_current && gateway.acknowledged > known.refused {
                known.acknowledged = known.acknowledged.max(gateway.acknowledged);
            }
        }
        for gateway in read.forgotten {
            self.known.remove(&gateway);
        }
        if is_current {
            self.read_at = self.read_at.max(Some(read.at));
        }
    }

    /// From when on the next read must tell what has changed.
    pub fn next_read(&self) -> Millis {
        self.read_at
            .map_or(Millis(0), |read_at| read_at.minus(OVERLAP))
    }

    /// The store was put back to an older copy: what was acknowledged to the lost history says nothing in this one, and what the store
    /// knows of the gateways is not to be relied on.
    fn begin(&mut self, history: History) {
        if history > self.history {
            self.history = history;
            self.read_at = None;
            for known in self.known.values_mut() {
                known.acknowledged = 0;
                known.refused = 0;
                known.stored_until = Millis(0);
            }
        }
    }

    /// Those that count although the store may have lost them, to be registered once more.
    pub fn lost(&self, now: Moment) -> Vec<Registration> {
        let is_lost = |known: &&Known| known.stored_until < known.live_until;
        let is_live = |known: &&Known| known.live_until >= now.steady;
        self.known
            .iter()
            .filter(|(_, known)| is_lost(known) && is_live(known))
            .map(|(id, known)| {
                let until = known.live_until;
                // No further ahead: what was read of the store is ahead already.
                self.registration(*id, known.staleness, until, until, now)
            })
            .collect()
    }

    /// A poll has arrived. What it returns must be committed, and then told to [`Registry::committed`], before the read for its page
    /// begins; `None`: nothing needs to be.
    ///
    /// # Errors
    /// [`Full`].
    pub fn arrive(
        &mut self,
        id: GatewayId,
        staleness: Option<Duration>,
        now: Moment,
    ) -> Result<Option<Registration>, Full> {
        let live_until = live_until(staleness, now.steady);
        match self.known.get_mut(&id) {
            Some(known)
                if known.stored_until >= live_until
                    && known.staleness == longer(known.staleness, staleness) =>
            {
                known.live_until = known.live_until.max(live_until);
                return Ok(None);
            }
            Some(_) => {}
            None => {
                if self.known.len() >= MOST {
                    self.forget_the_silent(now.steady);
                }
                if self.known.len() >= MOST {
                    return Err(Full);
                }
            }
        }
        let ahead = live_until.plus(AHEAD);
        Ok(Some(
            self.registration(id, staleness, live_until, ahead, now),
        ))
    }

    /// That registration is on disk.
    pub fn committed(&mut self, registration: Registration) {
        let Registration {
            gateway,
            live_until,
            stored_until,
            history,
        } = registration;
        let known = self.known.entry(gateway.id).or_insert(Known {
            staleness: gateway.staleness,
            live_until,
            stored_until: Millis(0),
            acknowledged: 0,
            refused: 0,
        });
        known.staleness = longer(known.staleness, gateway.staleness);
        known.live_until = known.live_until.max(live_until);
        // What was put back meanwhile may have lost it.
        if history == self.history {
            known.stored_until = known.stored_until.max(stored_until);
        }
    }

    /// What a read said of the cursor of a poll. Never backwards, unless the store does not know the cursor: then what was
    /// acknowledged was acknowledged to another history. Gives what is new in it.
    pub fn read(
        &mut self,
        id: GatewayId,
        cursor: Cursor,
        found: CursorFound,
        history: History,
    ) -> Option<Acknowledged> {
        self.begin(history);
        if history < self.history {
            return None;
        }
        let known = self.known.get_mut(&id)?;
        let (acknowledged, cursor) = match found {
            CursorFound::Known => (known.acknowledged.max(cursor.number), Some(cursor)),
            CursorFound::Pruned | CursorFound::RolledBack => (0, None),
        };
        let is_new = acknowledged != known.acknowledged || cursor.is_none();
        if cursor.is_none() {
            known.refused = known.refused.max(known.acknowledged);
        }
        known.acknowledged = acknowledged;
        is_new.then_some(Acknowledged {
            gateway: id,
            cursor,
        })
    }

    /// As receipts see them.
    pub fn list(&self) -> Vec<Gateway> {
        let gateway = |(id, known): (&GatewayId, &Known)| Gateway {
            id: *id,
            acknowledged: known.acknowledged,
            staleness: known.staleness,
            live_until: known.live_until,
        };
        self.known.iter().map(gateway).collect()
    }

    /// Whether an operator may take a gateway out of the count. One that has polled within the last two minutes may not: it lives, and
    /// receipts would be wrong.
    pub fn may_forget(&self, id: GatewayId, now: Moment) -> Forget {
        let Some(known) = self.known.get(&id) else {
            return Forget::Unknown;
        };
        // What is stored runs ahead, so that this is never too early.
        let counted = live_until(known.staleness, Millis(0)).since(Millis(0));
        let last_poll = known.live_until.minus(counted);
        if now.steady.since(last_poll) < QUIET {
            Forget::StillPolls
        } else {
            Forget::Yes
        }
    }

    /// The store does not count it any more. If it has polled meanwhile it stays, and is to be registered again.
    pub fn forget(&mut self, id: GatewayId, now: Moment) -> Forget {
        let may = self.may_forget(id, now);
        match may {
            Forget::Yes => drop(self.known.remove(&id)),
            Forget::StillPolls => {
                if let Some(known) = self.known.get_mut(&id) {
                    known.stored_until = Millis(0);
                }
            }
            Forget::Unknown => {}
        }
        may
    }

    /// Forgets those that deny by now.
    pub fn forget_the_silent(&mut self, now: Millis) {
        self.known
            .retain(|_, known| known.stored_until.max(known.live_until) >= now);
    }

    fn registration(
        &self,
        id: GatewayId,
        staleness: Option<Duration>,
        live_until: Millis,
        stored_until: Millis,
        now: Moment,
    ) -> Registration {
        Registration {
            gateway: RegisteredGateway {
                id,
                staleness,
                live_until: shifted(stored_until, now.steady, now.wall),
                acknowledged: 0,
            },
            live_until,
            stored_until,
            history: self.history,
        }
    }
}

/// The longer of two; `None` never ends.
fn longer(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    Some(one?.max(other?))
}

/// The same distance from another clock's present.
fn shifted(moment: Millis, from: Millis, to: Millis) -> Millis {
    Millis(moment.0.saturating_sub(from.0).saturating_add(to.0))
}

/// Until when a gateway that polls now may accept tokens, unless it polls again.
fn live_until(staleness: Option<Duration>, now: Millis) -> Millis {
    staleness.map_or_else(
        || now.plus(SILENCE),
        |staleness| now.plus(staleness).plus(SLACK),
    )
}

#[cfg(test)]
mod tests;
