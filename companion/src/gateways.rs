//! Who polls: until when each gateway may accept tokens, and what it has acknowledged. The rules first, then their shared form.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use token::{Cursor, GatewayId};
use tokio::sync::watch;

use crate::clock::Millis;
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

/// The gateways, without a lock.
#[derive(Default)]
pub struct Registry {
    known: HashMap<GatewayId, Known>,
}

impl Registry {
    /// What the store knew at the start. Nothing is acknowledged yet, and each counts for as long as the store says.
    pub fn new(stored: Vec<RegisteredGateway>) -> Self {
        let mut registry = Self::default();
        for gateway in stored {
            registry.committed(gateway, gateway.live_until);
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
        now: Millis,
    ) -> Result<Option<RegisteredGateway>, Full> {
        let until = live_until(staleness, now);
        match self.known.get_mut(&id) {
            Some(known)
                if known.stored_until >= until
                    && known.staleness == longer(known.staleness, staleness) =>
            {
                known.live_until = known.live_until.max(until);
                return Ok(None);
            }
            Some(_) => {}
            None => {
                if self.known.len() >= MOST {
                    self.forget_the_silent(now);
                }
                if self.known.len() >= MOST {
                    return Err(Full);
                }
            }
        }
        Ok(Some(RegisteredGateway {
            id,
            staleness,
            live_until: until.plus(AHEAD),
        }))
    }

    /// That registration is on disk.
    pub fn committed(&mut self, gateway: RegisteredGateway, live_until: Millis) {
        let known = self.known.entry(gateway.id).or_insert(Known {
            staleness: gateway.staleness,
            live_until,
            stored_until: gateway.live_until,
            acknowledged: 0,
        });
        known.staleness = longer(known.staleness, gateway.staleness);
        known.live_until = known.live_until.max(live_until);
        known.stored_until = known.stored_until.max(gateway.live_until);
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

/// Until when a gateway that polls now may accept tokens, unless it polls again.
pub fn live_until(staleness: Option<Duration>, now: Millis) -> Millis {
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
    pub fn new(stored: Vec<RegisteredGateway>) -> Self {
        Self {
            registry: Mutex::new(Registry::new(stored)),
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
        now: Millis,
    ) -> Result<Option<RegisteredGateway>, Full> {
        self.lock().arrive(id, staleness, now)
    }

    /// See [`Registry::committed`].
    pub fn committed(&self, gateway: RegisteredGateway, live_until: Millis) {
        self.lock().committed(gateway, live_until);
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

    fn registered(registry: &mut Registry, id: GatewayId, now: Millis) {
        if let Some(gateway) = registry.arrive(id, MINUTE, now).unwrap() {
            registry.committed(gateway, live_until(MINUTE, now));
        }
    }

    #[test]
    fn a_heartbeat_costs_a_write_once_a_minute() {
        let mut registry = Registry::default();
        let writes = (0..60)
            .filter(|poll| {
                let now = NOW.plus(Duration::from_secs(10 * poll));
                let gateway = registry.arrive(id(1), MINUTE, now).unwrap();
                if let Some(gateway) = gateway {
                    assert!(gateway.live_until >= live_until(MINUTE, now));
                    registry.committed(gateway, live_until(MINUTE, now));
                }
                gateway.is_some()
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
        let stored = before.arrive(id(1), MINUTE, NOW).unwrap().unwrap();
        before.committed(stored, live_until(MINUTE, NOW));
        let last_poll = NOW.plus(Duration::from_secs(55));
        assert_eq!(before.arrive(id(1), MINUTE, last_poll), Ok(None));
        let after = Registry::new(vec![stored]).list()[0];
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
        assert_eq!(registry.arrive(id(255), MINUTE, NOW), Err(Full));
        let later = NOW.plus(Duration::from_secs(122));
        assert!(registry.arrive(id(255), MINUTE, later).is_ok());
    }
}
