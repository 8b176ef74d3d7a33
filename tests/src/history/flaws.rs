//! Which servers the checker flags: those with a flaw, and never the one that is right.

use std::collections::BTreeMap;
use std::time::Duration;

use super::servers::{Flaw, Server};
use super::simulation::simulate;
use super::{Call, Model, Rule};
use crate::dice::Dice;

/// How many of the histories are flagged, by the rule that they break.
fn flagged(flaw: Flaw, histories: u64) -> BTreeMap<Rule, u64> {
    let mut rules = BTreeMap::new();
    for seed in 0..histories {
        if let Err(violation) = simulate(flaw, seed).judge() {
            *rules.entry(violation.rule).or_default() += 1;
        }
    }
    println!(
        "{flaw:?}: {} of {histories} flagged, {rules:?}",
        rules.values().sum::<u64>()
    );
    rules
}

/// The rules that histories of that flaw break.
fn found(flaw: Flaw) -> Vec<Rule> {
    flagged(flaw, 500).into_keys().collect()
}

#[test]
fn a_server_that_is_right_is_never_flagged() {
    let (mut lost, mut ended, mut reused, mut rotations) = (0, 0, 0, 0);
    for seed in 0..2_000 {
        let history = simulate(Flaw::None, seed);
        if let Err(violation) = history.judge() {
            panic!("seed {seed}: {violation}");
        }
        lost += history
            .records
            .iter()
            .filter(|record| record.is_lost())
            .count();
        ended += u32::from(history.row.has_ended);
        reused += history.row.reuse_events;
        rotations += history.row.generation;
    }
    println!(
        "of 2000 histories {ended} ended, {reused} by reuse; {rotations} rotations, {lost} replies lost"
    );
    assert!(lost > 5_000 && rotations > 5_000);
    assert!(reused > 500 && ended > reused && ended < 1_950);
}

#[test]
fn a_check_before_the_act_is_found() {
    assert!(found(Flaw::CheckThenAct).contains(&Rule::OneOrder));
}

#[test]
fn a_grace_that_forks_is_found() {
    assert!(found(Flaw::ForkingGrace).contains(&Rule::OneOrder));
    assert_eq!(found(Flaw::ForkingString), [Rule::OneToken]);
}

#[test]
fn a_grace_that_reaches_grandparents_is_found() {
    assert!(found(Flaw::Grandparents).contains(&Rule::OneOrder));
}

#[test]
fn a_grace_that_repeats_stretch_is_found() {
    assert!(found(Flaw::StretchedGrace).contains(&Rule::OneOrder));
}

#[test]
fn a_missing_reuse_penalty_is_found() {
    assert!(found(Flaw::NoPenalty).contains(&Rule::OneOrder));
}

#[test]
fn a_refresh_that_outlives_a_logout_is_found() {
    assert!(found(Flaw::BlindToTheEnd).contains(&Rule::OneOrder));
    let rules = found(Flaw::RowWrittenBack);
    assert!(rules.contains(&Rule::OneOrder));
}

#[test]
fn a_reuse_that_is_audited_twice_is_found() {
    assert_eq!(found(Flaw::AuditedTwice), [Rule::Audited]);
}

#[test]
fn a_forged_token_that_ends_the_session_is_found() {
    assert!(found(Flaw::ForgedEnds).contains(&Rule::OneOrder));
}

#[test]
fn a_conflict_that_is_a_failure_is_found() {
    assert_eq!(found(Flaw::FailsOnConflict), [Rule::NoFailure]);
}

#[test]
fn a_rotation_that_is_not_kept_is_found() {
    let rules = found(Flaw::Forgetful);
    assert!(rules.contains(&Rule::OneOrder) && rules.contains(&Rule::Durable));
}

/// Call by call, the model says what the server does.
#[test]
fn a_server_that_is_right_does_what_the_model_says() {
    let mut dice = Dice::new(2);
    for _ in 0..500 {
        let mut model = Model::new(Duration::from_millis(10));
        let mut server = Server::new(Flaw::None, 10);
        let mut now = 0;
        for _ in 0..20 {
            now += dice.below(8);
            let newest = server.row.generation + dice.below(12) / 11;
            let call = match dice.below(20) {
                0 => Call::Logout,
                1 => Call::Forged,
                _ => Call::Refresh {
                    generation: newest.saturating_sub(dice.below(12) / 5),
                },
            };
            let reply = server.answer(call, server.row, now);
            let (after, answer) = model.step(call, Duration::from_millis(now));
            assert!(answer.is_seen_as(&reply), "{call:?}: {answer:?}, {reply:?}");
            assert_eq!(after.state, server.row, "{call:?}");
            model = after;
        }
    }
}
