//! The subscription to the feed: when to ask, what to do with an answer (design section 4).
//!
//! Plain state and rules. The adapter carries the calls out, and brings both clocks.

mod apply;
mod note;

use std::rc::Rc;
use std::time::Duration;

use token::{Cursor, Es256Check, GatewayId, GatewayKeys, KeySet, Page, Rejection};

use crate::config::{Config, OnStale};
use crate::shared::{Found, Scope, Seen, SharedData};
use crate::state::{Now, State};
use crate::{held_keys, lease, revocations};

pub(crate) use note::Note;
#[cfg(target_arch = "wasm32")]
pub(crate) use note::Weight;

const FIRST_BACKOFF: u64 = 250;
const LONGEST_BACKOFF: u64 = 5_000;
/// What a call may take beyond the hold, and how long its callback may be missing after that; in milliseconds.
const SLACK: u64 = 2_000;
/// The key set is fetched for an unknown key of the feed at most this often, in milliseconds.
const KEY_FETCH_INTERVAL: u64 = 1_000;
/// An answer that changes nothing and comes sooner than this is not followed by the next poll at once, in milliseconds.
const SHORTEST_HEARTBEAT: u64 = 250;

/// One root context's part in the subscription of its configuration.
pub(crate) struct Subscription {
    issuer: String,
    clock_skew: Duration,
    hold: u64,
    staleness: String,
    scope: Scope,
    pinned_feed: Option<Rc<KeySet>>,
    fetches_keys: bool,
    owner: Option<[u8; 16]>,
    call: Option<Call>,
    /// The next poll is this owner's first one, which does not wait.
    is_first: bool,
    wants_keys: bool,
    keys_fetched_at: Option<u64>,
    failures: u32,
    not_before: u64,
    prune_from: u16,
    counted: u64,
    gauges: Gauges,
    notes: Vec<Note>,
}

/// What the lease holder can tell an operator.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauges {
    /// Entries found in the last round over all buckets.
    pub(crate) live_revocations: u64,
    /// The last number applied.
    pub(crate) feed_number: u64,
    /// Seconds since freshness was last proven.
    pub(crate) age: u64,
}

/// A request that the adapter is to send to the companion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    pub(crate) path: String,
    pub(crate) timeout: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The status, or `None` when there was no response at all.
    pub(crate) status: Option<u16>,
    pub(crate) body: Vec<u8>,
}

struct Call {
    /// The host's number of the call, once it was sent.
    id: Option<u32>,
    sent_at: u64,
    timeout: u64,
    purpose: Purpose,
}

enum Purpose {
    Page(Asked),
    /// The key set; a page that names it may wait for it.
    Keys(Option<Waiting>),
}

/// What a poll asked for; an answer applies only to exactly this.
#[derive(Clone, Copy)]
struct Asked {
    gateway: GatewayId,
    pass: [u8; 8],
    cursor: Cursor,
    sent_at: u64,
    waits: bool,
}

/// A page whose entries are in force and whose cursor waits for the key set.
struct Waiting {
    page: Page,
    asked: Asked,
}

impl Subscription {
    /// `None` for a configuration without companion.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        config.companion.as_ref()?;
        let max_staleness = config.max_staleness.as_secs();
        Some(Self {
            issuer: config.issuer.clone(),
            clock_skew: config.clock_skew,
            hold: 10.min(max_staleness.div_euclid(3)).max(1),
            staleness: match config.on_stale {
                OnStale::Deny => max_staleness.to_string(),
                OnStale::Allow => "none".to_owned(),
            },
            scope: Scope::new(&config.namespace),
            pinned_feed: config.pinned.feed.clone().map(Rc::new),
            fetches_keys: config.pinned.access.is_none() || config.pinned.feed.is_none(),
            owner: None,
            call: None,
            is_first: true,
            wants_keys: false,
            keys_fetched_at: None,
            failures: 0,
            not_before: 0,
            prune_from: 0,
            counted: 0,
            gauges: Gauges::default(),
            notes: Vec::new(),
        })
    }

    /// To be called every 250 ms with fresh randomness: takes or renews the lease, prunes, and says what to fetch.
    pub(crate) fn tick(
        &mut self,
        shared: &impl SharedData,
        now: Now,
        random: [u8; 32],
    ) -> Option<Fetch> {
        let (drawn, gateway) = split(random);
        let owner = *self.owner.get_or_insert(drawn);
        if !lease::hold(shared, &self.scope, &owner, now.monotonic) {
            self.call = None;
            self.is_first = true;
            return None;
        }
        self.prune(shared, now);
        if let Some(call) = &self.call {
            if now.monotonic
                <= call
                    .sent_at
                    .saturating_add(call.timeout)
                    .saturating_add(SLACK)
            {
                return None;
            }
            self.call = None;
            self.fail(Note::NoAnswer, now);
        }
        if now.monotonic < self.not_before {
            return None;
        }
        self.next(shared, now, Some(GatewayId::from_bytes(gateway)))
    }

    /// The host's answer to the last [`Fetch`]: the number of the call, or `None` when it could not be sent.
    pub(crate) fn sent(&mut self, id: Option<u32>, now: Now) {
        match (id, &mut self.call) {
            (Some(id), Some(call)) => call.id = Some(id),
            _ => {
                self.call = None;
                self.fail(Note::NotSent, now);
            }
        }
    }

    /// An answer to the call of this number; says what to fetch next.
    pub(crate) fn answered(
        &mut self,
        shared: &impl SharedData,
        check: &dyn Es256Check,
        id: u32,
        reply: &Reply,
        now: Now,
    ) -> Option<Fetch> {
        let call = self.call.take_if(|call| call.id == Some(id))?;
        let owner = self.owner?;
        if !lease::is_held(shared, &self.scope, &owner, now.monotonic) {
            self.is_first = true;
            return None;
        }
        let outcome = match reply.status {
            Some(200) => match call.purpose {
                Purpose::Page(asked) => self.page(shared, check, &reply.body, asked, now),
                Purpose::Keys(waiting) => self.keys(shared, &reply.body, waiting, now),
            },
            status => Err(Note::Unreachable(status)),
        };
        match outcome {
            Ok(Step::Next) => {
                self.failures = 0;
                self.not_before = 0;
                self.next(shared, now, None)
            }
            Ok(Step::FetchKeys(waiting)) => Some(self.fetch_keys(waiting, now)),
            Ok(Step::Rest) => {
                self.failures = 0;
                self.not_before = now.monotonic.saturating_add(SHORTEST_HEARTBEAT);
                None
            }
            Err(note) => {
                self.fail(note, now);
                None
            }
        }
    }

    /// What happened since the last call of this.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// The figures of the lease holder.
    pub(crate) const fn gauges(&self) -> Gauges {
        self.gauges
    }

    /// The next call: the key set where it is missing or has changed, else the next page.
    fn next(
        &mut self,
        shared: &impl SharedData,
        now: Now,
        drawn: Option<GatewayId>,
    ) -> Option<Fetch> {
        let state = self.started(shared, drawn)?;
        self.gauges.feed_number = state.cursor.number;
        self.gauges.age = now
            .monotonic
            .saturating_sub(state.fresh_at)
            .div_euclid(1_000);
        if self.fetches_keys && (self.wants_keys || self.held_keys(shared).is_none()) {
            return Some(self.fetch_keys(None, now));
        }
        let hold = if self.is_first { 0 } else { self.hold };
        self.is_first = false;
        let path = format!(
            "/gateway/v1/revocations?v=1&gateway={}&after={}&hold={hold}&staleness={}",
            state.gateway, state.cursor, self.staleness
        );
        let asked = Asked {
            gateway: state.gateway,
            pass: state.pass,
            cursor: state.cursor,
            sent_at: now.monotonic,
            waits: hold > 0,
        };
        Some(self.fetch(path, hold, Purpose::Page(asked), now))
    }

    fn fetch_keys(&mut self, waiting: Option<Waiting>, now: Now) -> Fetch {
        self.wants_keys = false;
        self.keys_fetched_at = Some(now.monotonic);
        self.fetch(
            "/gateway/v1/keys".to_owned(),
            0,
            Purpose::Keys(waiting),
            now,
        )
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
    fn started(&self, shared: &impl SharedData, drawn: Option<GatewayId>) -> Option<State> {
        let gateway = self.gateway(shared, drawn)?;
        let key = self.scope.key("state");
        let (seen, version) = match shared.read(&key) {
            Found::Value(bytes, version) => {
                match State::decode(&bytes).filter(|state| state.gateway == gateway) {
                    Some(state) => return Some(state),
                    None => (Seen::Version(version), version),
                }
            }
            Found::Missing => (Seen::Absent, 0),
            Found::Failed => return None,
        };
        let state = State::unsynced(gateway, revocations::new_pass(version, 0));
        shared
            .write(&key, &state.encode(), seen)
            .is_ok()
            .then_some(state)
    }

    /// The id under `alive`, created where it is missing and an id was drawn.
    fn gateway(&self, shared: &impl SharedData, drawn: Option<GatewayId>) -> Option<GatewayId> {
        let key = self.scope.key("alive");
        let seen = match shared.read(&key) {
            Found::Value(bytes, version) => match <[u8; 16]>::try_from(bytes.as_slice()) {
                Ok(id) => return Some(GatewayId::from_bytes(id)),
                Err(_) => Seen::Version(version),
            },
            Found::Missing => Seen::Absent,
            Found::Failed => return None,
        };
        let gateway = drawn?;
        shared
            .write(&key, gateway.as_bytes(), seen)
            .is_ok()
            .then_some(gateway)
    }

    fn held_keys(&self, shared: &impl SharedData) -> Option<GatewayKeys> {
        match shared.read(&self.scope.key("keys")) {
            Found::Value(bytes, _) => held_keys::decode(&bytes),
            Found::Missing | Found::Failed => None,
        }
    }

    fn page(
        &mut self,
        shared: &impl SharedData,
        check: &dyn Es256Check,
        body: &[u8],
        asked: Asked,
        now: Now,
    ) -> Result<Step, Note> {
        let feed = match &self.pinned_feed {
            Some(pinned) => Rc::clone(pinned),
            None => Rc::new(self.held_keys(shared).ok_or(Note::StateMoved)?.feed),
        };
        let page = Page::verify(body, &feed, check, &self.issuer)
            .map_err(|rejection| self.refused(rejection, now))?;
        if page.iat > now.wall.plus(self.clock_skew) {
            return Err(Note::FromTheFuture(page.iat.since(now.wall).as_secs()));
        }
        if page.after != asked.cursor.number {
            // The one page that need not continue: the companion did not know the cursor and starts from the beginning.
            if page.after != 0 {
                return Err(Note::DoesNotContinue);
            }
            self.notes.push(Note::StartedOver(asked.cursor.number));
        }
        self.unite(shared, &page.revoked, now)?;
        let held = self
            .started(shared, None)
            .map(|state| state.keys)
            .ok_or(Note::StateMoved)?;
        if self.fetches_keys && page.keys != held {
            return Ok(Step::FetchKeys(Some(Waiting { page, asked })));
        }
        self.commit(shared, &page, asked, page.keys, now)
    }

    /// An unknown key is the sign of a key set that has changed.
    fn refused(&mut self, rejection: Rejection, now: Now) -> Note {
        let is_due = self
            .keys_fetched_at
            .is_none_or(|at| now.monotonic >= at.saturating_add(KEY_FETCH_INTERVAL));
        self.wants_keys |= rejection == Rejection::UnknownKey && self.fetches_keys && is_due;
        Note::PageRefused(rejection)
    }

    fn keys(
        &mut self,
        shared: &impl SharedData,
        body: &[u8],
        waiting: Option<Waiting>,
        now: Now,
    ) -> Result<Step, Note> {
        let keys = GatewayKeys::parse(body).map_err(Note::KeysRefused)?;
        if waiting
            .as_ref()
            .is_some_and(|waiting| keys.version < waiting.page.keys)
        {
            return Err(Note::KeysTooOld);
        }
        shared
            .write(
                &self.scope.key("keys"),
                &held_keys::encode(&keys.to_json()),
                Seen::Anything,
            )
            .map_err(|_| Note::StateMoved)?;
        self.notes.push(Note::KeysTaken(keys.version));
        match waiting {
            Some(Waiting { page, asked }) => self.commit(shared, &page, asked, keys.version, now),
            None => self.note_keys(shared, keys.version),
        }
    }

    fn fail(&mut self, note: Note, now: Now) {
        self.notes.push(note);
        let longest = FIRST_BACKOFF
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST_BACKOFF);
        self.failures = self.failures.saturating_add(1);
        // Up to a quarter less, by the owner's random id: gateways that failed together do not come back together.
        let at = usize::try_from(self.failures).unwrap_or(0).wrapping_rem(16);
        let jitter = self
            .owner
            .and_then(|owner| owner.get(at).copied())
            .map_or(0, u64::from);
        let wait = longest.saturating_sub(longest.saturating_mul(jitter).div_euclid(1_024));
        self.not_before = now.monotonic.saturating_add(wait);
    }
}

/// How to go on after a good answer.
enum Step {
    /// Ask for the next page at once.
    Next,
    /// Fetch the key set first.
    FetchKeys(Option<Waiting>),
    /// Ask again a little later: the answer came too soon to be a heartbeat.
    Rest,
}

fn split(random: [u8; 32]) -> ([u8; 16], [u8; 16]) {
    let (mut first, mut second) = ([0; 16], [0; 16]);
    let (low, high) = random.split_at(16);
    first.copy_from_slice(low);
    second.copy_from_slice(high);
    (first, second)
}

#[cfg(test)]
mod tests;
