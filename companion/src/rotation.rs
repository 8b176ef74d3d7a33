//! What a presented generation means for its session.

use std::time::Duration;

use crate::clock::Millis;

/// What is known of the session when the conditional statement moved nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The generation that is live.
    pub generation: u64,
    /// When it became so.
    pub rotated_at: Millis,
}

/// The verdict on a presented generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The live one: it may move on.
    Current,
    /// The direct parent within the grace: the same successor again (RR-04).
    Parent,
    /// Older than that: theft, the session ends (RFC 9700 section 4.14.2).
    Reused,
    /// Ahead of the store: a restored backup or a leaked key; the session ends (RR-17).
    Ahead,
}

/// Judges `presented`; `grace` is counted from the rotation, by the store's clock.
pub fn judge(standing: Standing, presented: u64, now: Millis, grace: Duration) -> Judgement {
    match standing.generation.checked_sub(presented) {
        Some(0) => Judgement::Current,
        Some(1) if now.since(standing.rotated_at) < grace => Judgement::Parent,
        Some(_) => Judgement::Reused,
        None => Judgement::Ahead,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RR-04: the direct parent, for the grace and no longer; grandparents never.
    #[test]
    fn only_the_direct_parent_has_a_grace() {
        let standing = Standing {
            generation: 5,
            rotated_at: Millis(0),
        };
        let judged =
            |presented, now| judge(standing, presented, Millis(now), Duration::from_secs(10));
        assert_eq!(judged(5, 0), Judgement::Current);
        assert_eq!(judged(4, 9_900), Judgement::Parent);
        assert_eq!(judged(4, 10_000), Judgement::Reused);
        assert_eq!(judged(3, 0), Judgement::Reused);
        assert_eq!(judged(0, 0), Judgement::Reused);
        assert_eq!(judged(6, 0), Judgement::Ahead);
        assert_eq!(
            judge(standing, 4, Millis(0), Duration::ZERO),
            Judgement::Reused
        );
    }
}
