//! Histories written by hand, with the verdict on each.

use std::time::Duration;

use super::{Call, MOST, Record, Reply, Rule, State, check};

pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A call between two moments, in microseconds; one that was lost from the first on.
pub(super) fn call(called: u64, returned: u64, call: Call, reply: Reply) -> Record {
    let returned = match reply {
        Reply::Lost => u64::MAX,
        _ => returned,
    };
    Record {
        call,
        reply,
        called,
        returned,
    }
}

/// A call that is over before the next: the moment is its place, in milliseconds.
fn then(place: u64, made: Call, reply: Reply) -> Record {
    call(place * 1_000, place * 1_000 + 500, made, reply)
}

pub(super) fn refresh(generation: u64) -> Call {
    Call::Refresh { generation }
}

pub(super) fn ok(generation: u64) -> Reply {
    Reply::Rotated {
        generation,
        token: format!("lkr_{generation}"),
    }
}

pub(super) fn state(generation: u64, has_ended: bool, reuse_events: u32) -> State {
    State {
        generation,
        has_ended,
        reuse_events,
    }
}

/// The states in which the explanations of a history end.
pub(super) fn ends(records: &[Record]) -> Vec<State> {
    let linearised = check(records, GRACE).unwrap();
    linearised.endings.into_keys().collect()
}

/// The rule that a history breaks.
pub(super) fn broken(records: &[Record]) -> Rule {
    check(records, GRACE).unwrap_err().rule
}

/// The same calls one after the other, a millisecond each.
pub(super) fn one_by_one(calls: &[(Call, Reply)]) -> Vec<Record> {
    (0..)
        .zip(calls)
        .map(|(place, (made, reply))| then(place, *made, reply.clone()))
        .collect()
}

#[test]
fn without_calls_the_session_is_as_it_was_opened() {
    assert_eq!(ends(&[]), [State::default()]);
}

#[test]
fn a_race_of_one_generation_gives_one_successor() {
    let race = [
        call(0, 900, refresh(0), ok(1)),
        call(10, 800, refresh(0), ok(1)),
        call(20, 700, refresh(0), ok(1)),
    ];
    assert_eq!(ends(&race), [state(1, false, 0)]);
    let loser = [race[0].clone(), call(10, 800, refresh(0), ok(2))];
    assert_eq!(broken(&loser), Rule::OneOrder);
    let denied = [race[0].clone(), call(10, 800, refresh(0), Reply::Denied)];
    assert_eq!(broken(&denied), Rule::OneOrder);
}

#[test]
fn a_lost_call_may_have_happened_or_not() {
    let lost = [then(0, refresh(0), Reply::Lost)];
    assert_eq!(ends(&lost), [state(0, false, 0), state(1, false, 0)]);
    let lost = [then(0, Call::Logout, Reply::Lost)];
    assert_eq!(ends(&lost), [state(0, false, 0), state(0, true, 0)]);
    let lost = [then(0, Call::Forged, Reply::Lost)];
    assert_eq!(ends(&lost), [state(0, false, 0)]);
    // Its successor has been seen: it has.
    let seen = one_by_one(&[(refresh(0), Reply::Lost), (refresh(1), ok(2))]);
    assert_eq!(ends(&seen), [state(2, false, 0)]);
}

#[test]
fn a_lost_call_may_happen_long_after() {
    let records = one_by_one(&[
        (refresh(0), Reply::Lost),
        (refresh(0), ok(1)),
        (refresh(1), ok(2)),
        (refresh(2), Reply::Denied),
    ]);
    assert_eq!(ends(&records), [state(2, true, 1)]);
    // But not before it was called.
    let mut later = records;
    later[0] = then(9, refresh(0), Reply::Lost);
    assert_eq!(broken(&later), Rule::OneOrder);
}

#[test]
fn a_lost_call_does_not_happen_once_it_cannot() {
    let mut records = one_by_one(&[
        (refresh(0), Reply::Lost),
        (refresh(0), ok(1)),
        (refresh(1), ok(2)),
        (refresh(2), Reply::Denied),
    ]);
    records[0].returned = 900;
    assert_eq!(broken(&records), Rule::OneOrder);
    records.pop();
    assert_eq!(ends(&records), [state(2, false, 0)]);
}

#[test]
fn a_logout_may_come_before_or_after_what_it_races_with() {
    let logout = call(0, 900, Call::Logout, Reply::Ended);
    let records = [logout.clone(), call(100, 800, refresh(0), ok(1))];
    assert_eq!(ends(&records), [state(1, true, 0)]);
    let records = [logout.clone(), call(100, 800, refresh(0), Reply::Denied)];
    assert_eq!(ends(&records), [state(0, true, 0)]);
    let after = [logout.clone(), call(901, 999, refresh(0), ok(1))];
    assert_eq!(broken(&after), Rule::OneOrder);
    let twice = [logout.clone(), then(1, Call::Logout, Reply::Ended)];
    assert_eq!(ends(&twice), [state(0, true, 0)]);
    let denied = [logout, then(1, Call::Logout, Reply::Denied)];
    assert_eq!(broken(&denied), Rule::OneOrder);
}

/// A token of two generations ago is theft if it came before the logout, and nothing if it came after.
#[test]
fn reuse_that_races_with_a_logout_is_one_event_or_none() {
    let mut records = one_by_one(&[(refresh(0), ok(1)), (refresh(1), ok(2))]);
    records.push(call(9_000, 9_900, refresh(0), Reply::Denied));
    records.push(call(9_000, 9_900, Call::Logout, Reply::Ended));
    let both = [state(2, true, 0), state(2, true, 1)];
    assert_eq!(ends(&records), both);
    let linearised = check(&records, GRACE).unwrap();
    assert_eq!(linearised.ending_in(both[0]).unwrap(), [0, 1, 3, 2]);
    assert_eq!(linearised.ending_in(both[1]).unwrap(), [0, 1, 2, 3]);
}

#[test]
fn what_no_server_may_answer_is_found() {
    let rotated = [(refresh(0), ok(1)), (refresh(1), ok(2))];
    let after = |calls: &[(Call, Reply)]| broken(&one_by_one(&[&rotated, calls].concat()));
    // A grace that forks, one that reaches grandparents with either successor, a live token denied.
    assert_eq!(after(&[(refresh(1), ok(3))]), Rule::OneOrder);
    assert_eq!(after(&[(refresh(0), ok(1))]), Rule::OneOrder);
    assert_eq!(after(&[(refresh(0), ok(2))]), Rule::OneOrder);
    assert_eq!(after(&[(refresh(2), Reply::Denied)]), Rule::OneOrder);
    // Reuse, or a token ahead of the store, that the session outlives.
    for (presented, live) in [(refresh(0), ok(3)), (refresh(9), ok(3))] {
        let calls = [(presented, Reply::Denied), (refresh(2), live)];
        assert_eq!(after(&calls), Rule::OneOrder);
    }
    // A forged token that works, and one that ends the session.
    assert_eq!(after(&[(Call::Forged, ok(3))]), Rule::OneOrder);
    let calls = [(Call::Forged, Reply::Denied), (refresh(2), Reply::Denied)];
    assert_eq!(after(&calls), Rule::OneOrder);
    // A logout that is told a token, a refresh that is told of an end.
    assert_eq!(after(&[(Call::Logout, ok(3))]), Rule::OneOrder);
    assert_eq!(after(&[(refresh(2), Reply::Ended)]), Rule::OneOrder);
    // A failure, and another string.
    assert_eq!(after(&[(refresh(2), Reply::Failed(503))]), Rule::NoFailure);
    let other = Reply::Rotated {
        generation: 2,
        token: "another".to_owned(),
    };
    assert_eq!(after(&[(refresh(1), other)]), Rule::OneToken);
}

#[test]
fn a_successor_does_not_come_before_its_parent() {
    let records = one_by_one(&[(refresh(1), ok(2)), (refresh(0), ok(1))]);
    assert_eq!(broken(&records), Rule::OneOrder);
}

#[test]
fn what_the_database_holds_is_one_of_the_ends() {
    let lived = one_by_one(&[(refresh(0), ok(1)), (refresh(1), ok(2))]);
    let reused = one_by_one(&[
        (refresh(0), ok(1)),
        (refresh(1), ok(2)),
        (refresh(0), Reply::Denied),
    ]);
    let logged_out = one_by_one(&[(refresh(0), ok(1)), (Call::Logout, Reply::Ended)]);
    for (records, found, expected) in [
        (&lived, state(2, false, 0), None),
        (&lived, state(1, false, 0), Some(Rule::Durable)),
        (&lived, state(3, false, 0), Some(Rule::Counted)),
        (&lived, state(2, true, 0), Some(Rule::Ended)),
        (&lived, state(2, false, 1), Some(Rule::Audited)),
        (&reused, state(2, true, 1), None),
        (&reused, state(2, false, 1), Some(Rule::Ended)),
        (&reused, state(2, true, 0), Some(Rule::Audited)),
        (&reused, state(2, true, 2), Some(Rule::Audited)),
        (&logged_out, state(1, true, 0), None),
        (&logged_out, state(1, false, 0), Some(Rule::Durable)),
        (&logged_out, state(1, true, 1), Some(Rule::Audited)),
    ] {
        let linearised = check(records, GRACE).unwrap();
        let rule = linearised.ending_in(found).err().map(|broken| broken.rule);
        assert_eq!(rule, expected, "{found:?}");
    }
}

/// Sixty-four are judged, at once and without a way to explain them too.
#[test]
fn as_many_calls_as_can_be_judged_are_judged() {
    let most = u64::try_from(MOST).unwrap();
    let long: Vec<_> = (0..most)
        .map(|place| (refresh(place), ok(place + 1)))
        .collect();
    assert_eq!(ends(&one_by_one(&long)), [state(most, false, 0)]);
    let mut crowd: Vec<_> = (0..most)
        .map(|place| call(place, 900, refresh(place / 4), Reply::Lost))
        .collect();
    crowd[MOST - 1] = call(0, 900, refresh(0), ok(7));
    assert_eq!(broken(&crowd), Rule::OneOrder);
    crowd.push(then(1, refresh(0), Reply::Lost));
    assert_eq!(broken(&crowd), Rule::Length);
}

#[test]
fn a_violation_shows_what_was_called_and_what_should_have_come() {
    let records = [
        call(0, 310, refresh(0), ok(1)),
        call(400, 700, refresh(1), Reply::Lost),
        call(420, 650, Call::Logout, Reply::Ended),
        call(700, 820, refresh(1), ok(2)),
    ];
    let violation = check(&records, GRACE).unwrap_err();
    let expected = "\
no order of the calls explains their answers: after [0, 2] the session has ended at generation 1
  call 3, refresh 1, would be Over and was ok 2
   0         0 to       310 µs  refresh 0  ok 1
   1       400 to      ever µs  refresh 1  no reply
   2       420 to       650 µs  logout     ended
   3       700 to       820 µs  refresh 1  ok 2
";
    assert_eq!(violation.to_string(), expected);
}
