//! What is asked next, and for whom: the gateway's id and the state that an answer must find unchanged.

use std::time::Duration;

use token::{GatewayId, GatewayKeys};

use super::{Asked, Call, Fetch, Note, Purpose, SLACK, Subscription, Waiting};
use crate::revocations::{new_pass, start_over};
use crate::shared::{Found, Seen, SharedData};
use crate::state::{Now, State};
use crate::{alive, held_keys};

impl Subscription {
    /// The next call: the key set where it is missing or has changed, else the next page.
    pub(super) fn next(&mut self, shared: &impl SharedData, now: Now, state: &State) -> Fetch {
        if self.settings.fetches_keys && (self.wants_keys || self.held_keys(shared).is_none()) {
            return self.fetch_keys(None, now);
        }
        let hold = if self.asks_at_once {
            0
        } else {
            self.settings.hold
        };
        let path = format!(
            "/gateway/v1/revocations?v=1&gateway={}&after={}&hold={hold}&staleness={}",
            state.gateway, state.cursor, self.settings.staleness
        );
        let asked = Asked {
            gateway: state.gateway,
            pass: state.pass,
            cursor: state.cursor,
            sent_at: now.monotonic,
            waits: hold > 0,
        };
        self.fetch(path, hold, Purpose::Page(asked), now)
    }

    pub(super) fn fetch_keys(&mut self, waiting: Option<Waiting>, now: Now) -> Fetch {
        self.wants_keys = false;
        self.keys_fetched_at = Some(now.monotonic);
        let path = "/gateway/v1/keys".to_owned();
        self.fetch(path, 0, Purpose::Keys(waiting), now)
    }

    fn fetch(&mut self, path: String, hold: u64, purpose: Purpose, now: Now) -> Fetch {
        let timeout = hold.saturating_mul(1_000).saturating_add(SLACK);
        self.call = Some(Call {
            id: None,
            sent_at: now.monotonic,
            timeout,
            purpose,
        });
        Fetch {
            path,
            timeout: Duration::from_millis(timeout),
        }
    }

    /// The state of this Envoy's gateway, begun from nothing where there is none. `None`: another VM was at it, try again later.
    pub(super) fn started(
        &mut self,
        shared: &impl SharedData,
        drawn: Option<GatewayId>,
    ) -> Option<State> {
        let gateway = self.gateway(shared, drawn)?;
        let key = self.scope.key("state");
        let (seen, version) = match shared.read(&key) {
            Found::Value(bytes, version) => match State::decode(&bytes) {
                Some(state) if state.gateway == gateway => return Some(state),
                Some(_) => (Seen::Version(version), version),
                None => {
                    self.notes.push(Note::Unreadable);
                    (Seen::Version(version), version)
                }
            },
            Found::Missing => (Seen::Absent, 0),
            Found::Failed => return None,
        };
        let state = State::unsynced(gateway, new_pass(version, 0));
        shared.write(&key, &state.encode(), seen).ok()?;
        self.asks_at_once = true;
        if seen != Seen::Absent {
            // The other VMs still hold copies of what stood there before.
            shared
                .write(&self.scope.key("v"), &[], Seen::Anything)
                .ok()?;
        }
        Some(state)
    }

    /// The id under `alive`, created where it is missing and an id was drawn.
    fn gateway(&mut self, shared: &impl SharedData, drawn: Option<GatewayId>) -> Option<GatewayId> {
        let key = self.scope.key("alive");
        let seen = match shared.read(&key) {
            Found::Value(bytes, version) => match alive::decode(&bytes) {
                Some(gateway) => return Some(gateway),
                None => Seen::Version(version),
            },
            Found::Missing => Seen::Absent,
            Found::Failed => return None,
        };
        let gateway = drawn?;
        if seen != Seen::Absent {
            self.notes.push(Note::Unreadable);
        }
        shared
            .write(&key, &alive::encode(gateway), seen)
            .is_ok()
            .then_some(gateway)
    }

    pub(super) fn held_keys(&mut self, shared: &impl SharedData) -> Option<GatewayKeys> {
        let Found::Value(bytes, version) = shared.read(&self.scope.key("keys")) else {
            return None;
        };
        let keys = held_keys::decode(&bytes);
        if keys.is_none() {
            self.notes.push(Note::Unreadable);
            start_over(shared, &self.scope, version);
        }
        keys
    }
}
