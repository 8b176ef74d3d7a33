//! Applying a page: the order of the writes is what keeps a wiped or half-written scope from looking like an empty one.

use std::collections::BTreeMap;

use token::{Cursor, Page, UnixTime};

use super::{Asked, Note, Step, Subscription};
use crate::alive;
use crate::bucket::{self, Entry};
use crate::revocations::replace_unreadable;
use crate::shared::{Found, Seen, SharedData};
use crate::state::{Now, State};

/// How often a bucket that others write too is tried.
const TRIES: usize = 8;
/// An answer that brings nothing new and comes sooner than this is not followed by the next poll at once, in milliseconds.
const SHORTEST_HEARTBEAT: u64 = 250;

impl Subscription {
    /// Unites the entries with their buckets. Writes only add: half a page does no harm, and neither does the same page twice.
    pub(super) fn unite(
        &mut self,
        shared: &impl SharedData,
        entries: &[Entry],
        horizon: UnixTime,
    ) -> Result<(), Note> {
        let mut by_bucket = BTreeMap::<u16, Vec<Entry>>::new();
        for entry in entries {
            by_bucket.entry(entry.0.bucket()).or_default().push(*entry);
        }
        by_bucket
            .iter()
            .try_for_each(|(number, entries)| self.unite_bucket(shared, *number, entries, horizon))
    }

    fn unite_bucket(
        &mut self,
        shared: &impl SharedData,
        number: u16,
        entries: &[Entry],
        horizon: UnixTime,
    ) -> Result<(), Note> {
        let key = self.scope.bucket(number);
        for _ in 0..TRIES {
            let (held, seen) = match shared.read(&key) {
                Found::Missing => (Vec::new(), Seen::Absent),
                Found::Failed => return Err(Note::StateMoved),
                Found::Value(bytes, version) => match bucket::decode(&bytes) {
                    Ok(held) => (held, Seen::Version(version)),
                    Err(_) => {
                        replace_unreadable(shared, &self.scope, &key, version);
                        return Err(Note::Unreadable);
                    }
                },
            };
            let united = bucket::unite(&held, entries, horizon);
            if united.len() > bucket::MAX_ENTRIES {
                return Err(Note::BucketFull);
            }
            let is_new = seen == Seen::Absent && !united.is_empty()
                || seen != Seen::Absent && united != held;
            if !is_new || shared.write(&key, &bucket::encode(&united), seen).is_ok() {
                return Ok(());
            }
        }
        Err(Note::StateMoved)
    }

    /// Moves cursor and freshness, when the state still is what the page was asked for.
    pub(super) fn commit(
        &mut self,
        shared: &impl SharedData,
        page: &Page,
        asked: Asked,
        keys: u64,
        now: Now,
    ) -> Result<Step, Note> {
        let (state, version) = self.state(shared)?;
        if !asked.is_about(&state) {
            return Err(Note::StateMoved);
        }
        let mut next = State {
            cursor: Cursor {
                number: page.seq,
                mark: page.mark,
            },
            keys,
            ..state
        };
        if !page.more {
            next.is_synced = true;
            if page.iat > state.last_iat {
                next.fresh_at = asked.sent_at.max(state.fresh_at);
                next.last_iat = page.iat;
            }
        }
        self.write_state(shared, &next, version)?;
        self.announce(shared)?;
        self.backoff.succeed();
        self.asks_at_once = false;
        self.notes.push(Note::PageApplied {
            entries: page.revoked.len(),
        });
        let is_early = now.monotonic < asked.sent_at.saturating_add(SHORTEST_HEARTBEAT);
        let is_heartbeat = asked.waits && next.cursor == state.cursor;
        let starts_over = page.after != asked.cursor.number;
        Ok(if is_early && (is_heartbeat || starts_over) {
            Step::Rest
        } else {
            Step::Next
        })
    }

    /// Writes `state` and makes sure that it is still the one of this gateway: had the scope been wiped since it was read, the write
    /// would have created it anew, and then there is no `alive`, or another one.
    pub(super) fn write_state(
        &self,
        shared: &impl SharedData,
        state: &State,
        version: u32,
    ) -> Result<(), Note> {
        let key = self.scope.key("state");
        shared
            .write(&key, &state.encode(), Seen::Version(version))
            .map_err(|_| Note::StateMoved)?;
        match shared.read(&self.scope.key("alive")) {
            Found::Value(id, _) if alive::decode(&id) == Some(state.gateway) => Ok(()),
            _ => Err(Note::StateMoved),
        }
    }

    /// Tells all VMs to read `state` and `keys` again.
    pub(super) fn announce(&self, shared: &impl SharedData) -> Result<(), Note> {
        shared
            .write(&self.scope.key("v"), &[], Seen::Anything)
            .map_err(|_| Note::StateMoved)
    }
}
