//! The life of a signing key, as a rule: published, signing, retired. Knows no store, no clock and no key.
//!
//! A key is published first and signs later, so that whoever verifies has it in time. It is retired when the last token that it may
//! have signed has expired everywhere; then it leaves the set (KR-01).

use std::time::Duration;

use crate::clock::Millis;
use crate::store::KeyUse;

/// The longest access token that any companion signs (`tokens.access_lifetime`), and the largest `clock_skew` that a gateway allows: so
/// long after its last signature nothing that a key has signed is good anywhere. A page of the feed is over long before.
pub const AFTER_THE_LAST: Duration = Duration::from_secs(900 + 60);

/// So many keys of one use are published at a time, at most: gateways refuse sets of more than 64, and a flood of rotations is none.
pub const MOST: usize = 16;

/// What decides about a published key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// What it signs.
    pub usage: KeyUse,
    /// Since when verifiers can have it.
    pub published_at: Millis,
    /// From when on it signs, until a newer one does.
    pub signs_from: Millis,
}

/// Which of these keys of one use, oldest first, signs now: the newest whose time has come. A clock that was set back makes nobody
/// silent: before the time of all of them it is the oldest. `None`: there are none.
pub fn signer(lives: impl IntoIterator<Item = Life>, now: Millis) -> Option<usize> {
    let mut signer = None;
    for (at, life) in lives.into_iter().enumerate() {
        if at == 0 || life.signs_from <= now {
            signer = Some(at);
        }
    }
    signer
}

/// Which of these keys, oldest first, have signed nothing for so long that nothing of theirs is good any more.
pub fn retired(lives: &[Life], now: Millis) -> Vec<usize> {
    let is_over = |(at, life): (usize, &Life)| {
        let newer = lives
            .iter()
            .skip(at + 1)
            .filter(|newer| newer.usage == life.usage);
        newer
            .map(|newer| newer.signs_from.plus(AFTER_THE_LAST))
            .any(|over| over <= now)
    };
    let numbered = lives.iter().enumerate();
    numbered
        .filter(|entry| is_over(*entry))
        .map(|(at, _)| at)
        .collect()
}

/// The uses whose newest key was published so long ago that the next one is due. A use without a key has one due.
pub fn due(lives: &[Life], rotate_every: Duration, now: Millis) -> Vec<KeyUse> {
    let is_due = |usage: &KeyUse| {
        let published = lives
            .iter()
            .filter(|life| life.usage == *usage)
            .map(|life| life.published_at);
        published
            .max()
            .is_none_or(|newest| newest.plus(rotate_every) <= now)
    };
    KeyUse::ALL.into_iter().filter(is_due).collect()
}

/// Whether one more key of that use may be published.
pub fn has_room(lives: &[Life], usage: KeyUse) -> bool {
    lives.iter().filter(|life| life.usage == usage).count() < MOST
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 86_400_000;

    fn access(published_at: i64, signs_from: i64) -> Life {
        Life {
            usage: KeyUse::Access,
            published_at: Millis(published_at),
            signs_from: Millis(signs_from),
        }
    }

    fn feed(published_at: i64, signs_from: i64) -> Life {
        Life {
            usage: KeyUse::Feed,
            ..access(published_at, signs_from)
        }
    }

    /// KR-01.
    #[test]
    fn the_newest_key_whose_time_has_come_signs() {
        let lives = [
            access(0, 0),
            access(DAY, DAY + 10 * MINUTE),
            access(DAY + MINUTE, DAY + 11 * MINUTE),
        ];
        let at = |now| signer(lives, Millis(now));
        assert_eq!(at(DAY), Some(0));
        assert_eq!(at(DAY + 10 * MINUTE - 1), Some(0));
        assert_eq!(at(DAY + 10 * MINUTE), Some(1));
        assert_eq!(at(DAY + 11 * MINUTE), Some(2));
        assert_eq!(at(-1), Some(0));
        assert_eq!(signer([], Millis(0)), None);
    }

    /// KR-01, KR-02: not a millisecond before the last token has expired, and then at once.
    #[test]
    fn a_key_is_retired_when_the_last_that_it_may_have_signed_has_expired() {
        let lives = [access(0, 0), feed(0, 0), access(DAY, DAY + 10 * MINUTE)];
        let over = DAY + 10 * MINUTE + 16 * MINUTE;
        assert!(retired(&lives, Millis(over - 1)).is_empty());
        assert_eq!(retired(&lives, Millis(over)), [0]);
        // The newest is never retired, however old.
        assert!(retired(&lives[1..], Millis(1_000 * DAY)).is_empty());
    }

    #[test]
    fn a_key_that_was_published_but_never_signed_is_retired_with_the_others() {
        let lives = [access(0, 0), access(1, 10 * MINUTE), access(2, 10 * MINUTE)];
        assert_eq!(retired(&lives, Millis(26 * MINUTE)), [0, 1]);
    }

    #[test]
    fn the_next_key_of_a_use_is_due_after_the_period() {
        let month = Duration::from_secs(30 * 86_400);
        let due_at = |lives: &[Life], now| due(lives, month, Millis(now));
        let lives = [access(0, 0), feed(DAY, DAY)];
        assert!(due_at(&lives, 30 * DAY - 1).is_empty());
        assert_eq!(due_at(&lives, 30 * DAY), [KeyUse::Access]);
        assert_eq!(due_at(&lives, 31 * DAY), [KeyUse::Access, KeyUse::Feed]);
        assert_eq!(due_at(&[feed(0, 0)], 0), [KeyUse::Access]);
        // One that was published but does not sign yet counts: it is not made twice.
        assert!(
            due_at(
                &[
                    access(0, 0),
                    feed(0, 0),
                    access(30 * DAY, 31 * DAY),
                    feed(30 * DAY, 31 * DAY)
                ],
                30 * DAY
            )
            .is_empty()
        );
    }

    #[test]
    fn a_set_has_so_many_keys_of_one_use_at_most() {
        let mut lives = vec![feed(0, 0)];
        lives.extend((1..=15).map(|at| access(at, at)));
        assert!(has_room(&lives, KeyUse::Access) && has_room(&lives, KeyUse::Feed));
        lives.push(access(16, 16));
        assert!(!has_room(&lives, KeyUse::Access) && has_room(&lives, KeyUse::Feed));
    }
}
