//! Histories written by hand about the grace and its end.

use std::time::Duration;

use super::by_hand::{GRACE, broken, call, ends, ok, one_by_one, refresh, state};
use super::{Reply, Rule, check};

const SECOND: u64 = 1_000_000;

#[test]
fn the_parent_gets_the_successor_again_until_the_grace_is_over() {
    let first = call(0, 4_000, refresh(0), ok(1));
    let again = |called, reply| {
        [
            first.clone(),
            call(called, called + 5_000, refresh(0), reply),
        ]
    };
    let repeated = state(1, false, 0);
    let reused = state(1, true, 1);
    // Long before, on either side, and long after.
    assert_eq!(ends(&again(SECOND, ok(1))), [repeated]);
    assert_eq!(broken(&again(SECOND, Reply::Denied)), Rule::OneOrder);
    let edge = 10 * SECOND - 1_000;
    assert_eq!(ends(&again(edge, ok(1))), [repeated]);
    assert_eq!(ends(&again(edge, Reply::Denied)), [reused]);
    assert_eq!(broken(&again(11 * SECOND, ok(1))), Rule::OneOrder);
    assert_eq!(ends(&again(11 * SECOND, Reply::Denied)), [reused]);
}

/// As far apart as the call and the clock's grain make it, and a microsecond further.
#[test]
fn the_grace_is_judged_by_the_times_of_both_calls() {
    let first = call(2_000, 4_000, refresh(0), ok(1));
    let end = 4_000 + 10 * SECOND + 1_000;
    for (called, is_legal) in [(end - 1, true), (end, false)] {
        let records = [first.clone(), call(called, called + 9, refresh(0), ok(1))];
        assert_eq!(check(&records, GRACE).is_ok(), is_legal, "{called}");
    }
    let begin = 2_000 + 10 * SECOND - 1_000;
    for (returned, is_legal) in [(begin + 1, true), (begin, false)] {
        let late = call(returned - 9, returned, refresh(0), Reply::Denied);
        let records = [first.clone(), late];
        assert_eq!(check(&records, GRACE).is_ok(), is_legal, "{returned}");
    }
}

/// However long the first reply took: the second rotation was over when it came.
#[test]
fn a_rotation_is_no_later_than_what_follows_it() {
    let records = [
        call(0, 60 * SECOND, refresh(0), ok(1)),
        call(1_000, 2_000, refresh(1), ok(2)),
        call(20 * SECOND, 21 * SECOND, refresh(1), ok(2)),
    ];
    assert_eq!(broken(&records), Rule::OneOrder);
    let lost = [
        call(0, 0, refresh(0), Reply::Lost),
        call(1_000, 2_000, refresh(0), ok(1)),
        call(20 * SECOND, 21 * SECOND, refresh(0), ok(1)),
    ];
    assert_eq!(broken(&lost), Rule::OneOrder);
}

#[test]
fn without_a_grace_the_parent_is_reuse() {
    let repeated = one_by_one(&[(refresh(0), ok(1)), (refresh(0), ok(1))]);
    let reused = one_by_one(&[(refresh(0), ok(1)), (refresh(0), Reply::Denied)]);
    assert!(check(&repeated, Duration::ZERO).is_err());
    assert!(check(&reused, Duration::ZERO).is_ok());
}
