use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};
use std::thread;

use tests::visitor::Tokens;

use crate::{companions, two_of_each_with_alice};

const CLIENTS: usize = 8;
const SESSIONS: usize = 6;
const ROUNDS: usize = 40;

/// RR-03, RR-05 over replicas: who presents a token gets its one successor, at whichever companion; nothing forks, and nothing breaks.
#[test]
fn eight_clients_that_race_refreshes_at_two_replicas_see_one_chain_for_each_session() {
    let (stack, alice) = two_of_each_with_alice();
    let companions = companions(&stack);
    let sessions: Vec<Tokens> = (0..SESSIONS)
        .map(|number| alice.login(&companions[number % 2]).unwrap())
        .collect();
    // What each presented token was answered with.
    let successors: Mutex<BTreeMap<String, String>> = Mutex::default();
    let newest: Vec<Mutex<Tokens>> = sessions.into_iter().map(Mutex::new).collect();
    let start = Barrier::new(CLIENTS);
    let race = |client: usize| {
        for round in 0..ROUNDS {
            let slot = &newest[round % SESSIONS];
            start.wait();
            let presented = slot.lock().unwrap().clone();
            start.wait();
            let answer = presented.try_refresh(&companions[client % 2]).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            let next = Tokens::of(&answer).unwrap();
            let mut successors = successors.lock().unwrap();
            let known = successors
                .entry(presented.refresh)
                .or_insert_with(|| next.refresh.clone());
            assert_eq!(*known, next.refresh, "two successors of one token");
            drop(successors);
            *slot.lock().unwrap() = next;
        }
    };
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let race = &race;
            scope.spawn(move || race(client));
        }
    });
    // Each round moved its session by one: eight clients, one step.
    assert_eq!(successors.lock().unwrap().len(), ROUNDS);
    println!(
        "{CLIENTS} clients, {ROUNDS} rounds over {SESSIONS} sessions: {ROUNDS} steps, no fork, no 5xx"
    );
}

/// RR-02 over replicas: a grandparent at one companion ends the session, and with it what the other has just handed out.
#[test]
fn a_token_that_was_used_at_one_replica_is_theft_at_the_other() {
    let (stack, alice) = two_of_each_with_alice();
    let companions = companions(&stack);
    let first = alice.login(&companions[0]).unwrap();
    let second = first.refresh(&companions[1]).unwrap();
    let third = second.refresh(&companions[0]).unwrap();
    assert_eq!(first.try_refresh(&companions[1]).unwrap().status, 401);
    for companion in &companions {
        assert_eq!(third.try_refresh(companion).unwrap().status, 401);
    }
}
