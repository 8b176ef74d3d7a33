//! What one VM sees of the subscription at each request: is the gate synced and fresh, and is a session revoked.

use std::rc::Rc;

use token::{GatewayKeys, KeySet, SessionId};

use crate::bucket;
use crate::config::Config;
use crate::held_keys;
use crate::shared::{Found, Scope, Seen, SharedData};
use crate::state::State;

/// The VM's copy of `state` and `keys`, good for as long as `v` has the version at which it was read.
pub(crate) struct View {
    scope: Scope,
    pinned: Option<Rc<KeySet>>,
    has_feed: bool,
    copy: Option<Copied>,
    keys: Option<(u32, Rc<KeySet>)>,
}

#[derive(Clone, Copy)]
struct Copied {
    version: u32,
    state: State,
}

/// What there is to decide with.
pub(crate) struct Ground {
    /// Checks access tokens.
    pub(crate) keys: Rc<KeySet>,
    /// Changes whenever the keys may have.
    pub(crate) generation: u64,
    /// The subscription's state; `None` where there is no companion.
    pub(crate) state: Option<State>,
}

/// No key set, no full pass, or a value that cannot be read: 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsynced;

impl View {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            scope: Scope::new(&config.namespace),
            pinned: config.pinned.access.clone().map(Rc::new),
            has_feed: config.companion.is_some(),
            copy: None,
            keys: None,
        }
    }

    /// The ground to decide on, read again where `v` has moved.
    pub(crate) fn ground(&mut self, shared: &impl SharedData) -> Result<Ground, Unsynced> {
        if !self.has_feed {
            let keys = self.pinned.clone().ok_or(Unsynced)?;
            return Ok(Ground {
                keys,
                generation: 1,
                state: None,
            });
        }
        let state = self.synced_state(shared)?;
        let (generation, keys) = match &self.pinned {
            Some(pinned) => (1, Rc::clone(pinned)),
            None => self
                .keys
                .clone()
                .map(|(version, keys)| (u64::from(version), keys))
                .ok_or(Unsynced)?,
        };
        Ok(Ground {
            keys,
            generation,
            state: Some(state),
        })
    }

    /// Whether `session` is revoked. The bucket is read first and `v` after it: a page that was applied in between is seen as a
    /// change of `v`, and then the bucket is read once more.
    pub(crate) fn is_revoked(
        &mut self,
        shared: &impl SharedData,
        session: SessionId,
    ) -> Result<bool, Unsynced> {
        if !self.has_feed {
            return Ok(false);
        }
        if self.stands_in_bucket(shared, session)? {
            return Ok(true);
        }
        let seen = self.copy.map(|copy| copy.version);
        self.synced_state(shared)?;
        if self.copy.map(|copy| copy.version) == seen {
            return Ok(false);
        }
        self.stands_in_bucket(shared, session)
    }

    fn synced_state(&mut self, shared: &impl SharedData) -> Result<State, Unsynced> {
        let Found::Value(_, version) = shared.read(&self.scope.key("v")) else {
            self.copy = None;
            return Err(Unsynced);
        };
        if self.copy.is_none_or(|copy| copy.version != version) {
            self.copy = None;
            let state = self.read_state(shared).ok_or(Unsynced)?;
            self.read_keys(shared)?;
            self.copy = Some(Copied { version, state });
        }
        self.copy
            .map(|copy| copy.state)
            .filter(|state| state.is_synced)
            .ok_or(Unsynced)
    }

    fn read_state(&self, shared: &impl SharedData) -> Option<State> {
        match shared.read(&self.scope.key("state")) {
            Found::Value(bytes, _) => State::decode(&bytes),
            Found::Missing | Found::Failed => None,
        }
    }

    fn read_keys(&mut self, shared: &impl SharedData) -> Result<(), Unsynced> {
        if self.pinned.is_some() {
            return Ok(());
        }
        let key = self.scope.key("keys");
        let Found::Value(bytes, version) = shared.read(&key) else {
            return Err(Unsynced);
        };
        if self.keys.as_ref().is_some_and(|(held, _)| *held == version) {
            return Ok(());
        }
        let Some(GatewayKeys { access, .. }) = held_keys::decode(&bytes) else {
            start_over(shared, &self.scope, version);
            return Err(Unsynced);
        };
        self.keys = Some((version, Rc::new(access)));
        Ok(())
    }

    fn stands_in_bucket(
        &self,
        shared: &impl SharedData,
        session: SessionId,
    ) -> Result<bool, Unsynced> {
        let key = self.scope.bucket(session.bucket());
        match shared.read(&key) {
            Found::Missing => Ok(false),
            Found::Failed => Err(Unsynced),
            Found::Value(bytes, version) => bucket::contains(&bytes, session).map_err(|_| {
                replace_unreadable(shared, &self.scope, &key, version);
                Unsynced
            }),
        }
    }
}

/// Makes the whole subscription unsynced, until one full pass from number 0 has ended (FR-24). False when that could not be written.
///
/// `cause` is the version of the value that cannot be read. Versions are never repeated within a process, so the new pass has a name
/// of its own, and no page asked for before is applied after this.
pub(crate) fn start_over(shared: &impl SharedData, scope: &Scope, cause: u32) -> bool {
    let key = scope.key("state");
    for _ in 0..4 {
        let is_unsynced = match shared.read(&key) {
            Found::Missing => true,
            Found::Failed => return false,
            Found::Value(bytes, version) => match State::decode(&bytes) {
                // A state that cannot be read is unsynced as it is; the lease holder writes the next one.
                None => true,
                Some(state) => {
                    let unsynced = State::unsynced(state.gateway, new_pass(version, cause));
                    shared
                        .write(&key, &unsynced.encode(), Seen::Version(version))
                        .is_ok()
                }
            },
        };
        if is_unsynced {
            // Other VMs look at `state` again only when `v` has moved: until then they go on with what they know.
            return shared.write(&scope.key("v"), &[], Seen::Anything).is_ok();
        }
    }
    false
}

/// The unreadable bucket becomes an empty one, but only once nobody takes the subscription for synced any more.
pub(crate) fn replace_unreadable(shared: &impl SharedData, scope: &Scope, key: &str, version: u32) {
    if start_over(shared, scope, version) {
        // A conflict means that another VM has done the same.
        let _ = shared.write(key, &bucket::encode(&[]), Seen::Version(version));
    }
}

/// The name of a pass, of two versions that no other pass of this process has.
pub(crate) fn new_pass(state: u32, cause: u32) -> [u8; 8] {
    (u64::from(state) << 32 | u64::from(cause)).to_be_bytes()
}
