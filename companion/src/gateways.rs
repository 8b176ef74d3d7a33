//! Who polls: until when each gateway may accept tokens, and what it has acknowledged. The rules first, then their shared form.
//!
//! Counted by the steady clock: setting the machine's clock makes no gateway silent that is not. Only what is stored is by the
//! store's time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use token::{Cursor, GatewayId};
use tokio::sync::watch;

use crate::clock::{Millis, Moment};
use crate::receipt::Gateway;
use crate::store::{CursorFound, RegisteredGateway};

/// More than these do not register: 503 to new ones, and an alarm.
pub const MOST: usize = 20_000;
/// Beyond the staleness that a gateway reports.
const SLACK: Duration = Duration::from_secs(1);
/// The stored moment runs ahead by this, so that a heartbeat costs no write, and a restarted companion counts none too few.
const AHEAD: Duration = Duration::from_secs(60);
/// A gateway that never gets stale counts for so long after its last poll.
const SILENCE: Duration = Duration::from_secs(86_400);

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
}

/// What must be on disk before a gateway's page is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// For the store.
    pub gateway: RegisteredGateway,
    live_until: Millis,
    stored_until: Millis,
}

/// The gateways, without a lock.
#[derive(Default)]
pub struct Registry {
    known: HashMap<GatewayId, Known>,
}

impl Registry {
    /// What the store knew at the start. Nothing is acknowledged yet, and each counts for as long as the store says.
    pub fn new(stored: Vec<RegisteredGateway>, now: Moment) -> Self {
        let mut registry = Self::default();
        for gateway in stored {
            let until = shifted(gateway.live_until, now.wall, now.steady);
            registry.committed(Registration {
                gateway,
                live_until: until,
                stored_until: until,
            });
        }
        registry
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
        let stored_until = live_until.plus(AHEAD);
        let gateway = RegisteredGateway {
            id,
            staleness,
            live_until: shifted(stored_until, now.steady, now.wall),
        };
        Ok(Some(Registration {
            gateway,
            live_until,
            stored_until,
        }))
    }

    /// That registration is on disk.
    pub fn committed(&mut self, registration: Registration) {
        let Registration {
            gateway,
            live_until,
            stored_until,
        } = registration;
        let known = self.known.entry(gateway.id).or_insert(Known {
            staleness: gateway.staleness,
            live_until,
            stored_until,
            acknowledged: 0,
        });
        known.staleness = longer(known.staleness, gateway.staleness);
        known.live_until = known.live_until.max(live_until);
        known.stored_until = known.stored_until.max(stored_until);
    }

    /// What a read said of the cursor of a poll. Never backwards, unless the store does not know the cursor: then what was
    /// acknowledged was acknowledged to another history.
    pub fn read(&mut self, id: GatewayId, cursor: Cursor, found: CursorFound) {
        if let Some(known) = self.known.get_mut(&id) {
            known.acknowledged = match found {
                CursorFound::Known => known.acknowledged.max(cursor.number),
                CursorFound::Pruned | CursorFound::RolledBack => 0,
            };
        }
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
        self.known.retain(|_, known| known.stored_until >= now);
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

/// The registry that the handlers share; tells receipts when something has changed.
pub struct Gateways {
    registry: Mutex<Registry>,
    changed: watch::Sender<()>,
}

impl Gateways {
    /// See [`Registry::new`].
    pub fn new(stored: Vec<RegisteredGateway>, now: Moment) -> Self {
        Self {
            registry: Mutex::new(Registry::new(stored, now)),
            changed: watch::Sender::new(()),
        }
    }

    /// See [`Registry::arrive`].
    ///
    /// # Errors
    /// [`Full`].
    pub fn arrive(
        &self,
        id: GatewayId,
        staleness: Option<Duration>,
        now: Moment,
    ) -> Result<Option<Registration>, Full> {
        self.lock().arrive(id, staleness, now)
    }

    /// See [`Registry::committed`].
    pub fn committed(&self, registration: Registration) {
        self.lock().committed(registration);
    }

    /// See [`Registry::read`].
    pub fn read(&self, id: GatewayId, cursor: Cursor, found: CursorFound) {
        self.lock().read(id, cursor, found);
        self.changed.send_replace(());
    }

    /// See [`Registry::list`].
    pub fn list(&self) -> Vec<Gateway> {
        self.lock().list()
    }

    /// See [`Registry::forget_the_silent`].
    pub fn forget_the_silent(&self, now: Millis) {
        self.lock().forget_the_silent(now);
    }

    /// Changes after this call.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let after = Registry::new(vec![registration.gateway], last_poll).list()[0];
        assert!(after.live_until >= before.list()[0].live_until);
        assert_eq!(after.acknowledged, 0);
    }

    #[test]
    fn an_acknowledgement_goes_back_only_when_the_store_does_not_know_the_cursor() {
        let mut registry = Registry::default();
        registered(&mut registry, id(1), NOW);
        let mut acknowledged = |number, found| {
            registry.read(id(1), at(number), found);
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
        let stored = Registry::new(vec![registration.gateway], restarted).list()[0];
        assert_eq!(stored.live_until, registration.gateway.live_until);
    }
}
