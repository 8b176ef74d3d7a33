//! The search beside one that leaves nothing out: every order of the calls, with every choice of the lost ones.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Call, Record, Reply, State, check};
use crate::dice::Dice;

/// The ends of all explanations that go on from a state, when the last of the calls that have happened was sent at `last`. Times are so
/// near each other that a grace of seconds is over for those alone that happen after all answers.
fn every_end(
    left: &[Record],
    state: State,
    last: u64,
    grace: Duration,
    ends: &mut BTreeSet<State>,
) {
    let is_answered = |record: &Record| !record.is_lost();
    if !left.iter().any(is_answered) {
        ends.insert(state);
    }
    for (at, record) in left.iter().enumerate() {
        let mut others = left.to_vec();
        others.remove(at);
        let must_precede = |other: &Record| is_answered(other) && other.returned < record.called;
        if record.returned < last || others.iter().any(must_precede) {
            continue;
        }
        let is_unbound = record.returned == u64::MAX && !others.iter().any(is_answered);
        for is_late in [false, true] {
            if is_late != grace.is_zero() && !(is_late && is_unbound) {
                continue;
            }
            let (after, answer) = state.step(record.call, is_late);
            if !is_answered(record) || answer.is_seen_as(&record.reply) {
                every_end(&others, after, last.max(record.called), grace, ends);
            }
        }
    }
}

/// Few calls with replies that are often possible.
fn guess(dice: &mut Dice) -> Vec<Record> {
    let calls = 2 + dice.below(4);
    let record = |_| {
        let generation = dice.below(3);
        let call = match dice.below(8) {
            0 => Call::Logout,
            1 => Call::Forged,
            _ => Call::Refresh { generation },
        };
        let next = generation + dice.below(8) / 6 + u64::from(dice.below(8) > 0);
        let reply = match (dice.below(4), call) {
            (0, _) => Reply::Lost,
            (_, Call::Logout) => Reply::Ended,
            (2.., Call::Refresh { .. }) => Reply::Rotated {
                generation: next,
                token: next.to_string(),
            },
            _ => Reply::Denied,
        };
        let called = dice.below(9);
        let returned = match (&reply, dice.below(2)) {
            (Reply::Lost, 0) => u64::MAX,
            _ => called + dice.below(6),
        };
        Record {
            call,
            reply,
            called,
            returned,
        }
    };
    (0..calls).map(record).collect()
}

#[test]
fn the_search_finds_what_trying_every_order_finds() {
    let mut dice = Dice::new(1);
    let (mut legal, mut several) = (0, 0);
    for round in 0..20_000 {
        let records = guess(&mut dice);
        let grace = Duration::from_secs(10 * (round % 2));
        let mut expected = BTreeSet::new();
        every_end(&records, State::default(), 0, grace, &mut expected);
        let found: BTreeSet<_> = match check(&records, grace) {
            Ok(linearised) => linearised.endings.into_keys().collect(),
            Err(_) => BTreeSet::new(),
        };
        assert_eq!(found, expected, "{records:?}");
        legal += u32::from(!expected.is_empty());
        several += u32::from(expected.len() > 1);
    }
    println!("of 20000 histories {legal} legal, {several} with more than one end");
    assert!(legal > 2_000 && legal < 18_000 && several > 500);
}
