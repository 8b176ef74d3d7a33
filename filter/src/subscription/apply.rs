//! Applying a page: the order of the writes is what keeps a wiped or half-written scope from looking like an empty one.

use std::collections::BTreeMap;

use token::{Cursor, Page};

use super::{Asked, Note, SHORTEST_HEARTBEAT, Step, Subscription};
use crate::bucket::{self, Entry};
use crate::revocations::replace_unreadable;
use crate::shared::{Found, Seen, SharedData};
use crate::state::{Now, State};

/// How often a bucket that others write too is tried.
const TRIES: usize = 8;
/// Buckets looked at in one tick.
const PRUNED_PER_TICK: usize = 256;

impl Subscription {
    /// Unites the entries with their buckets. Writes only add: half a page does no harm, and neither does the same page twice.
    pub(super) fn unite(
        &mut self,
        shared: &impl SharedData,
        entries: &[Entry],
        now: Now,
    ) -> Result<(), Note> {
        let mut by_bucket = BTreeMap::<u16, Vec<Entry>>::new();
        for entry in entries {
            by_bucket.entry(entry.0.bucket()).or_default().push(*entry);
        }
        by_bucket
            .iter()
            .try_for_each(|(number, entries)| self.unite_bucket(shared, *number, entries, now))
    }

    fn unite_bucket(
        &mut self,
        shared: &impl SharedData,
        number: u16,
        entries: &[Entry],
        now: Now,
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
            let united = bucket::unite(&held, entries, now.wall);
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
        let key = self.scope.key("state");
        let Found::Value(bytes, version) = shared.read(&key) else {
            return Err(Note::StateMoved);
        };
        let state = State::decode(&bytes).ok_or(Note::StateMoved)?;
        if (state.gateway, state.pass, state.cursor) != (asked.gateway, asked.pass, asked.cursor) {
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
        shared
            .write(&key, &next.encode(), Seen::Version(version))
            .map_err(|_| Note::StateMoved)?;
        // Had the scope been wiped meanwhile, that write would have created `state` anew; then there is no `alive`, or another one.
        let is_alive = matches!(shared.read(&self.scope.key("alive")), Found::Value(id, _) if id == asked.gateway.as_bytes());
        if !is_alive {
            return Err(Note::StateMoved);
        }
        shared
            .write(&self.scope.key("v"), &[], Seen::Anything)
            .map_err(|_| Note::StateMoved)?;
        self.notes.push(Note::PageApplied {
            entries: page.revoked.len(),
        });
        let is_early = now.monotonic < asked.sent_at.saturating_add(SHORTEST_HEARTBEAT);
        let is_idle = page.seq == asked.cursor.number && page.revoked.is_empty() && asked.waits;
        Ok(if is_early && is_idle {
            Step::Rest
        } else {
            Step::Next
        })
    }

    /// The number of the key set that is held now, without a page.
    pub(super) fn note_keys(&mut self, shared: &impl SharedData, keys: u64) -> Result<Step, Note> {
        let key = self.scope.key("state");
        let Found::Value(bytes, version) = shared.read(&key) else {
            return Err(Note::StateMoved);
        };
        let state = State::decode(&bytes).ok_or(Note::StateMoved)?;
        shared
            .write(
                &key,
                &State { keys, ..state }.encode(),
                Seen::Version(version),
            )
            .map_err(|_| Note::StateMoved)?;
        if state.is_synced {
            shared
                .write(&self.scope.key("v"), &[], Seen::Anything)
                .map_err(|_| Note::StateMoved)?;
        }
        Ok(Step::Next)
    }

    /// Looks at the next buckets: drops what is expired, notices what cannot be read, counts what is live.
    pub(super) fn prune(&mut self, shared: &impl SharedData, now: Now) {
        for _ in 0..PRUNED_PER_TICK {
            let key = self.scope.bucket(self.prune_from);
            if let Found::Value(bytes, version) = shared.read(&key) {
                match bucket::decode(&bytes) {
                    Ok(held) => {
                        let live = bucket::unite(&held, &[], now.wall);
                        self.counted = self
                            .counted
                            .saturating_add(u64::try_from(live.len()).unwrap_or(u64::MAX));
                        if live != held {
                            // A conflict means that a page was applied: the next round prunes.
                            let _ =
                                shared.write(&key, &bucket::encode(&live), Seen::Version(version));
                        }
                    }
                    Err(_) => {
                        replace_unreadable(shared, &self.scope, &key, version);
                        self.notes.push(Note::Unreadable);
                    }
                }
            }
            self.prune_from = self.prune_from.wrapping_add(1);
            if self.prune_from == 0 {
                self.gauges.live_revocations = std::mem::take(&mut self.counted);
            }
        }
    }
}
