use std::fs;
use std::path::Path;

use tests::client::Client;
use tests::stack::Stack;
use tests::visitor::{Tokens, Visitor};
use tests::workers::at_both_workers;

use crate::stack_with_alice;

const FILES: [&str; 3] = ["latchkey.db", "latchkey.db-wal", "latchkey.db-shm"];

/// Copies the companion's database, which nobody has open, from one folder to the other, and removes what the first does not have.
fn copy_database(from: &Path, to: &Path) {
    for name in FILES {
        let (source, target) = (from.join(name), to.join(name));
        if source.exists() {
            fs::copy(source, target).unwrap();
        } else if target.exists() {
            fs::remove_file(target).unwrap();
        }
    }
}

/// Freezes Envoy with its filters: no poll goes out, and what was known stays known.
fn frozen<T>(stack: &mut Stack, meanwhile: impl FnOnce(&mut Stack) -> T) -> T {
    stack.envoy().unwrap().signal("STOP");
    let result = meanwhile(stack);
    stack.envoy().unwrap().signal("CONT");
    result
}

fn denied_everywhere(stack: &Stack, tokens: &Tokens) {
    for caller in at_both_workers(stack.ports(), 2).unwrap() {
        let answer = tokens.call(&caller.client).unwrap();
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
}

fn log_out(client: &Client, tokens: &Tokens) {
    tokens
        .log_out(client)
        .unwrap()
        .expect(200, "logout")
        .unwrap();
}

/// A stack, one session in its database, a copy of that database, and then one more logout than the copy knows of.
fn with_an_older_copy() -> (Stack, Visitor, Tokens, tempfile::TempDir) {
    let (mut stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    log_out(&client, &alice.login(&client).unwrap());
    let revoked = alice.login(&client).unwrap();
    stack.stop_companion();
    let copy = tempfile::tempdir().unwrap();
    copy_database(stack.folder(), copy.path());
    stack.start_companion().unwrap();
    stack.await_ready().unwrap();
    log_out(&client, &revoked);
    denied_everywhere(&stack, &revoked);
    (stack, alice, revoked, copy)
}

/// RV-17, RV-06.
#[test]
fn a_restored_database_brings_no_session_back_and_new_revocations_arrive() {
    let (mut stack, alice, revoked, copy) = with_an_older_copy();
    stack.stop_companion();
    copy_database(copy.path(), stack.folder());
    stack.start_companion().unwrap();
    stack.await_ready().unwrap();
    denied_everywhere(&stack, &revoked);

    let client = stack.client().unwrap();
    let tokens = alice.login(&client).unwrap();
    assert_eq!(tokens.call(&client).unwrap().status, 200);
    log_out(&client, &tokens);
    denied_everywhere(&stack, &tokens);
    denied_everywhere(&stack, &revoked);
}

/// RV-17: without marks a gateway that has seen number n would never ask for the numbers up to n that the store handed out anew.
#[test]
fn a_restored_database_that_ran_ahead_of_the_gateway_still_gets_its_revocations_there() {
    let (mut stack, alice, revoked, copy) = with_an_older_copy();
    let ended = frozen(&mut stack, |stack| {
        stack.kill_companion();
        copy_database(copy.path(), stack.folder());
        stack.start_companion().unwrap();
        // Past the gateway, which cannot hear of it: receipts are 202.
        let direct = Client::new(stack.ports().companion).unwrap();
        let ended: Vec<_> = (0..4).map(|_| alice.login(&direct).unwrap()).collect();
        for tokens in &ended {
            let request = direct
                .delete("/auth/v1/sessions/current")
                .bearer(&tokens.access);
            let answer = request.header("prefer", "respond-async").send().unwrap();
            answer.expect(202, "logout").unwrap();
        }
        ended
    });
    let client = stack.client().unwrap();
    // A receipt with 200 says that the gateway has read all numbers up to its own.
    let tokens = alice.login(&client).unwrap();
    let request = client
        .delete("/auth/v1/sessions/current")
        .bearer(&tokens.access);
    let answer = request.header("prefer", "wait=20").send().unwrap();
    answer.expect(200, "logout").unwrap();
    for tokens in ended.iter().chain([&revoked, &tokens]) {
        denied_everywhere(&stack, tokens);
    }
    let tokens = alice.login(&client).unwrap();
    assert_eq!(tokens.call(&client).unwrap().status, 200);
    log_out(&client, &tokens);
    denied_everywhere(&stack, &tokens);
}
