//! How long to wait after failures: 250 ms doubling to 5 s, with jitter (RV-18).

use crate::state::Now;

const FIRST: u64 = 250;
const LONGEST: u64 = 5_000;

#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    /// The next call may go out from this moment on, in monotonic milliseconds.
    not_before: u64,
}

impl Backoff {
    pub(super) const fn is_over(&self, now: Now) -> bool {
        now.monotonic >= self.not_before
    }

    /// One more failure. `owner` is random: gateways that failed together do not come back together.
    pub(super) fn fail(&mut self, owner: Option<[u8; 16]>, now: Now) {
        let longest = FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let at = usize::try_from(self.failures).unwrap_or(0).wrapping_rem(16);
        let jitter = owner
            .and_then(|owner| owner.get(at).copied())
            .map_or(0, u64::from);
        // Up to a quarter less.
        let wait = longest.saturating_sub(longest.saturating_mul(jitter).div_euclid(1_024));
        self.not_before = now.monotonic.saturating_add(wait);
    }

    /// No failure, but no reason to hurry either.
    pub(super) const fn rest(&mut self, now: Now) {
        self.not_before = now.monotonic.saturating_add(FIRST);
    }

    /// The next call may go out at once; how often it failed is not forgotten.
    pub(super) const fn resume(&mut self) {
        self.not_before = 0;
    }

    /// A page was applied.
    pub(super) const fn succeed(&mut self) {
        self.failures = 0;
    }
}
