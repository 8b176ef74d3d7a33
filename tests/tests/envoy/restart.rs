use tests::stack::READY_PATH;
use tests::workers::at_both_workers;

use crate::stack_with_alice;

/// RV-03: acknowledged means durable.
#[test]
fn a_companion_killed_right_after_a_logout_knows_of_it_when_it_is_back() {
    let (mut stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    for _ in 0..5 {
        let tokens = alice.login(&client).unwrap();
        tokens
            .log_out(&client)
            .unwrap()
            .expect(200, "logout")
            .unwrap();
        stack.kill_companion();
        assert_eq!(tokens.call(&client).unwrap().status, 401);
        stack.start_companion().unwrap();
        stack.await_ready().unwrap();
        assert_eq!(tokens.call(&client).unwrap().status, 401);
        assert_eq!(tokens.try_refresh(&client).unwrap().status, 401);
        let list = client
            .get("/auth/v1/sessions")
            .bearer(&tokens.access)
            .send()
            .unwrap();
        assert_eq!(list.status, 401, "{}", list.text());
    }
    let tokens = alice.login(&client).unwrap();
    let list = client
        .get("/auth/v1/sessions")
        .bearer(&tokens.access)
        .send()
        .unwrap();
    assert_eq!(list.json()["sessions"].as_array().unwrap().len(), 1);
}

/// FR-14, RV-07: a gate that has not read its first page denies, whoever asks.
#[test]
fn an_envoy_that_starts_while_the_companion_is_away_answers_503_and_never_200() {
    let (mut stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let revoked = alice.login(&client).unwrap();
    let alive = alice.login(&client).unwrap();
    revoked
        .log_out(&client)
        .unwrap()
        .expect(200, "logout")
        .unwrap();
    stack.kill_companion();
    stack.kill_envoy();
    stack.start_envoy().unwrap();
    for caller in at_both_workers(stack.ports(), 2).unwrap() {
        for tokens in [&revoked, &alive] {
            let answer = tokens.call(&caller.client).unwrap();
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!(caller.client.get(READY_PATH).send().unwrap().status, 503);
        let public = caller.client.get("/public/page").send().unwrap();
        assert_eq!(public.status, 200);
    }
    stack.start_companion().unwrap();
    stack.await_ready().unwrap();
    for caller in at_both_workers(stack.ports(), 2).unwrap() {
        assert_eq!(revoked.call(&caller.client).unwrap().status, 401);
        assert_eq!(alive.call(&caller.client).unwrap().status, 200);
    }
}

/// The first page of a new Envoy holds all that was revoked before it came.
#[test]
fn an_envoy_that_was_killed_knows_every_revocation_once_it_is_ready_again() {
    let (mut stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let revoked: Vec<_> = (0..5).map(|_| alice.login(&client).unwrap()).collect();
    for tokens in &revoked {
        tokens
            .log_out(&client)
            .unwrap()
            .expect(200, "logout")
            .unwrap();
    }
    let alive = alice.login(&client).unwrap();
    stack.kill_envoy();
    stack.start_envoy().unwrap();
    stack.await_ready().unwrap();
    for caller in at_both_workers(stack.ports(), 2).unwrap() {
        for tokens in &revoked {
            assert_eq!(tokens.call(&caller.client).unwrap().status, 401);
        }
        assert_eq!(alive.call(&caller.client).unwrap().status, 200);
    }
}
