//! The lease holder's round over all buckets: drops what is expired, notices what cannot be read, counts what is live.

use super::{Note, Subscription};
use crate::bucket;
use crate::revocations::replace_unreadable;
use crate::shared::{Found, Seen, SharedData};
use crate::state::{Now, State};

/// Buckets looked at in one tick.
const PRUNED_PER_TICK: usize = 256;

impl Subscription {
    /// Looks at the next buckets. Expired is what is so by the wall clock and by the companion's, as far as its pages told it.
    pub(super) fn prune(&mut self, shared: &impl SharedData, state: &State, now: Now) {
        let horizon = now.wall.min(state.last_iat);
        for _ in 0..PRUNED_PER_TICK {
            let key = self.scope.bucket(self.prune_from);
            if let Found::Value(bytes, version) = shared.read(&key) {
                match bucket::decode(&bytes) {
                    Ok(held) => {
                        let live = bucket::unite(&held, &[], horizon);
                        let count = u64::try_from(live.len()).unwrap_or(u64::MAX);
                        self.counted = self.counted.saturating_add(count);
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
                let live = std::mem::take(&mut self.counted);
                self.notes.push(Note::Counted(live));
            }
        }
    }
}
