//! The subscription to the feed: when to ask, what to do with an answer (design section 4).
//!
//! Plain state and rules. The adapter carries the calls out, and brings both clocks.

mod answer;
mod apply;
mod ask;
mod backoff;
mod gauges;
mod journal;
mod note;
mod prune;
mod settings;

use std::time::Duration;

use token::{Cursor, Es256Check, GatewayId, Page};

use crate::config::Config;
use crate::lease;
use crate::shared::{Scope, SharedData};
use crate::state::{Now, State};

use backoff::Backoff;
use gauges::Watch;
use settings::Settings;

pub(crate) use gauges::Gauges;
#[cfg(target_arch = "wasm32")]
pub(crate) use journal::{Journal, Line};
pub(crate) use note::Note;

/// What a call may take beyond the hold, and how long its callback may be missing after that; in milliseconds.
const SLACK: u64 = 2_000;

/// One root context's part in the subscription of its configuration.
pub(crate) struct Subscription {
    settings: Settings,
    scope: Scope,
    owner: Option<[u8; 16]>,
    holds_lease: bool,
    call: Option<Call>,
    /// The next poll does not wait: it is an owner's first one, or the one before failed, and whoever is behind must not wait for a
    /// heartbeat to learn that nothing was missed.
    asks_at_once: bool,
    wants_keys: bool,
    keys_fetched_at: Option<u64>,
    backoff: Backoff,
    prune_from: u16,
    counted: u64,
    watch: Watch,
    notes: Vec<Note>,
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

/// How to go on after a good answer.
enum Step {
    /// Ask for the next page at once.
    Next,
    /// Fetch the key set first.
    FetchKeys(Option<Waiting>),
    /// Ask again a little later.
    Rest,
}

impl Subscription {
    /// `None` for a configuration without companion.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        config.companion.as_ref()?;
        Some(Self {
            settings: Settings::new(config),
            scope: Scope::new(&config.namespace),
            owner: None,
            holds_lease: false,
            call: None,
            asks_at_once: true,
            wants_keys: false,
            keys_fetched_at: None,
            backoff: Backoff::default(),
            prune_from: 0,
            counted: 0,
            watch: Watch::default(),
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
            self.step_down();
            return None;
        }
        let state = self.started(shared, Some(GatewayId::from_bytes(gateway)))?;
        if !self.holds_lease && !self.takes_over(shared, &state) {
            return None;
        }
        self.note_age(&state, now);
        self.prune(shared, &state, now);
        if let Some(call) = &self.call {
            let is_void = call.is_void(&state);
            if !is_void && now.monotonic <= call.given_up_at() {
                return None;
            }
            self.call = None;
            self.asks_at_once = true;
            if !is_void {
                self.fail(Note::NoAnswer, now);
            }
        }
        if !self.backoff.is_over(now) {
            return None;
        }
        Some(self.next(shared, now, &state))
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
            self.step_down();
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
                self.backoff.resume();
                let state = self.started(shared, None)?;
                Some(self.next(shared, now, &state))
            }
            Ok(Step::FetchKeys(waiting)) => Some(self.fetch_keys(waiting, now)),
            Ok(Step::Rest) => {
                self.backoff.rest(now);
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

    /// Whether this is the root context that polls.
    #[cfg(feature = "trap")]
    pub(crate) const fn holds_lease(&self) -> bool {
        self.holds_lease
    }

    /// The lease is gone; whatever is under way is for nobody.
    fn step_down(&mut self) {
        self.holds_lease = false;
        self.call = None;
        self.asks_at_once = true;
    }

    /// A holder that died between `state` and `v` left a cursor that acknowledges what no other VM has read yet: they are told before
    /// anything is asked. False: they could not be told, the next tick tries again.
    fn takes_over(&mut self, shared: &impl SharedData, state: &State) -> bool {
        self.holds_lease = !state.is_synced || self.announce(shared).is_ok();
        if self.holds_lease {
            self.notes.push(Note::LeaseTaken);
        }
        self.holds_lease
    }

    fn fail(&mut self, note: Note, now: Now) {
        self.notes.push(note);
        self.asks_at_once = true;
        self.backoff.fail(self.owner, now);
    }
}

impl Call {
    /// Whether its answer could not be applied any more: the subscription has started from nothing since it was sent.
    fn is_void(&self, state: &State) -> bool {
        let asked = match &self.purpose {
            Purpose::Page(asked) | Purpose::Keys(Some(Waiting { asked, .. })) => asked,
            Purpose::Keys(None) => return false,
        };
        (asked.gateway, asked.pass) != (state.gateway, state.pass)
    }

    fn given_up_at(&self) -> u64 {
        self.sent_at
            .saturating_add(self.timeout)
            .saturating_add(SLACK)
    }
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
