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
mod tests {
    use token::Mark;

    use super::*;

    const MINUTE: Option<Duration> = Some(Duration::from_secs(60));
    const NOW: Millis = Millis(1_000_000);

    fn id(byte: u8) -> GatewayId {
        GatewayId::from_bytes([byte; 16])
    }

    fn at(number: u64) -> Cursor {
        Cursor {
            number,
            mark: Some(Mark::from_bytes([1; 8])),
        }
    }

    fn steady(now: Millis) -> Moment {
        Moment {
            wall: now,
            steady: now,
        }
    }

    fn stored(gateway: RegisteredGateway) -> GatewaysRead {
        GatewaysRead {
            at: NOW,
            history: History(0),
            gateways: vec![gateway],
        }
    }

    fn registered(registry: &mut Registry, id: GatewayId, now: Millis) {
        if let Some(registration) = registry.arrive(id, MINUTE, steady(now)).unwrap() {
            registry.committed(registration);
        }
    }

    #[test]
    fn a_heartbeat_costs_a_write_once_a_minute() {
        let mut registry = Registry::default();
        let writes = (0..60)
            .filter(|poll| {
                let now = NOW.plus(Duration::from_secs(10 * poll));
                let registration = registry.arrive(id(1), MINUTE, steady(now)).unwrap();
                if let Some(registration) = registration {
                    assert!(registration.gateway.live_until >= live_until(MINUTE, now));
                    registry.committed(registration);
                }
                registration.is_some()
            })
            .count();
        assert!((9..=11).contains(&writes), "{writes}");
        assert_eq!(
            registry.list()[0].live_until,
            NOW.plus(Duration::from_secs(590 + 61))
        );
    }

    /// Section 4, (b): what the store knew is never less than what the gateway may believe of itself.
    #[test]
    fn a_restarted_companion_counts_no_gateway_too_few() {
        let mut before = Registry::default();
        let registration = before.arrive(id(1), MINUTE, steady(NOW)).unwrap().unwrap();
        before.committed(registration);
        let last_poll = steady(NOW.plus(Duration::from_secs(55)));
        assert_eq!(before.arrive(id(1), MINUTE, last_poll), Ok(None));
        let after = Registry::new(stored(registration.gateway), last_poll).list()[0];
        assert!(after.live_until >= before.list()[0].live_until);
        assert_eq!(after.acknowledged, 0);
    }

    #[test]
    fn an_acknowledgement_goes_back_only_when_the_store_does_not_know_the_cursor() {
        let mut registry = Registry::default();
        registered(&mut registry, id(1), NOW);
        let mut acknowledged = |number, found| {
            registry.read(id(1), at(number), found, History(0));
            registry.list()[0].acknowledged
        };
        assert_eq!(acknowledged(7, CursorFound::Known), 7);
        assert_eq!(acknowledged(5, CursorFound::Known), 7);
        assert_eq!(acknowledged(9, CursorFound::RolledBack), 0);
        assert_eq!(acknowledged(3, CursorFound::Known), 3);
        assert_eq!(acknowledged(3, CursorFound::Pruned), 0);
    }

    #[test]
    fn a_gateway_too_many_is_refused_until_silent_ones_make_room() {
        let mut registry = Registry::default();
        for number in 0..MOST {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            registered(&mut registry, GatewayId::from_bytes(bytes), NOW);
        }
        assert_eq!(registry.arrive(id(255), MINUTE, steady(NOW)), Err(Full));
        let later = NOW.plus(Duration::from_secs(122));
        assert!(registry.arrive(id(255), MINUTE, steady(later)).is_ok());
    }

    /// The machine's clock is set an hour ahead: nobody falls silent, and what is stored is by the clock as it is then.
    #[test]
    fn setting_the_clock_makes_no_gateway_silent() {
        let mut registry = Registry::default();
        registered(&mut registry, id(1), NOW);
        let hour = Duration::from_secs(3_600);
        let jumped = Moment {
            wall: NOW.plus(hour),
            steady: NOW,
        };
        assert!(registry.list()[0].live_until > jumped.steady);
        let registration = registry.arrive(id(2), MINUTE, jumped).unwrap().unwrap();
        assert_eq!(
            registration.gateway.live_until,
            live_until(MINUTE, jumped.wall).plus(AHEAD)
        );
        let restarted = Moment {
            wall: jumped.wall,
            steady: jumped.wall,
        };
        let again = Registry::new(stored(registration.gateway), restarted).list()[0];
        assert_eq!(again.live_until, registration.gateway.live_until);
    }

    /// The gateways of another companion count from the store's word, and what they acknowledged there counts here.
    #[test]
    fn a_gateway_that_polls_another_companion_counts_here_too() {
        let mut there = Registry::default();
        let registration = there.arrive(id(1), MINUTE, steady(NOW)).unwrap().unwrap();
        let mut here = Registry::default();
        here.merge(stored(registration.gateway), steady(NOW));
        assert_eq!(here.list()[0].acknowledged, 0);
        assert!(here.list()[0].live_until >= live_until(MINUTE, NOW));
        let told = RegisteredGateway {
            acknowledged: 7,
            ..registration.gateway
        };
        here.merge(stored(told), steady(NOW));
        assert_eq!(here.list()[0].acknowledged, 7);
    }

    /// A refused cursor takes the acknowledgement back, also while the store has not heard of that yet.
    #[test]
    fn what_the_store_still_says_of_a_refused_cursor_does_not_count() {
        let mut registry = Registry::default();
        let registration = registry
            .arrive(id(1), MINUTE, steady(NOW))
            .unwrap()
            .unwrap();
        registry.committed(registration);
        registry.read(id(1), at(7), CursorFound::Known, History(0));
        registry.read(id(1), at(7), CursorFound::RolledBack, History(0));
        let mut acknowledged = |acknowledged| {
            let told = RegisteredGateway {
                acknowledged,
                ..registration.gateway
            };
            registry.merge(stored(told), steady(NOW));
            registry.list()[0].acknowledged
        };
        assert_eq!(acknowledged(7), 0);
        assert_eq!(acknowledged(8), 8);
    }

    /// It registered here, and went over to another companion, which has read that and writes nothing: its polls there are not heard of.
    #[test]
    fn a_gateway_that_may_poll_another_companion_counts_for_as_long_as_the_store_says() {
        let mut here = Registry::default();
        let registration = here.arrive(id(1), MINUTE, steady(NOW)).unwrap().unwrap();
        here.committed(registration);
        let mut there = Registry::default();
        there.merge(stored(registration.gateway), steady(NOW));
        let later = steady(NOW.plus(Duration::from_secs(50)));
        assert_eq!(there.arrive(id(1), MINUTE, later), Ok(None));
        here.merge(stored(registration.gateway), later);
        assert!(here.list()[0].live_until >= live_until(MINUTE, later.steady));
    }

    /// A lagging standby was promoted: numbers come again, for other revocations.
    #[test]
    fn what_was_acknowledged_to_a_lost_history_counts_no_more() {
        let mut registry = Registry::default();
        registered(&mut registry, id(1), NOW);
        registered(&mut registry, id(2), NOW);
        registry.read(id(1), at(7), CursorFound::Known, History(0));
        registry.read(id(2), at(3), CursorFound::Known, History(1));
        let of = |registry: &Registry, wanted| {
            let list = registry.list();
            list.into_iter()
                .find(|gateway| gateway.id == wanted)
                .unwrap()
                .acknowledged
        };
        assert_eq!((of(&registry, id(1)), of(&registry, id(2))), (0, 3));
        // A read of the old history that ends late says nothing.
        assert_eq!(
            registry.read(id(1), at(7), CursorFound::Known, History(0)),
            None
        );
        assert_eq!(of(&registry, id(1)), 0);
        // The store may have lost the registrations too.
        assert_eq!(registry.lost(steady(NOW)).len(), 2);
        assert!(
            registry
                .arrive(id(1), MINUTE, steady(NOW))
                .unwrap()
                .is_some()
        );
    }
}
