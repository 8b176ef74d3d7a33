use tests::workers::{at_both_workers, connections};

use crate::stack_with_alice;

/// RV-01, RV-10 and the promise itself: after a logout's 200 no worker accepts the token, on connections that carried it a moment ago.
#[test]
fn the_very_next_request_after_a_logout_is_401_at_every_worker_fifty_times() {
    let (stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let mut callers = at_both_workers(stack.ports(), 2).unwrap();
    // The owner's own connection is opened here, and so counted.
    alice.login(&client).unwrap();
    let connected = connections(stack.ports()).unwrap();
    let mut accepted = 0;
    for round in 0..50 {
        let tokens = alice.login(&client).unwrap();
        for caller in &callers {
            let answer = tokens.call(&caller.client).unwrap();
            assert_eq!(answer.status, 200, "round {round}: {}", answer.text());
        }
        let logout = tokens.log_out(&client).unwrap();
        let logout = logout.expect(200, "logout").unwrap();
        assert_eq!(
            logout.json()["revocation"]["sessions"],
            1,
            "{}",
            logout.text()
        );
        for caller in &callers {
            let answer = tokens.call(&caller.client).unwrap();
            match answer.status {
                200 => accepted += 1,
                status => assert_eq!(
                    (status, answer.string("/code").as_str()),
                    (401, "invalid_token")
                ),
            }
        }
        // Each round another caller comes first.
        callers.rotate_left(1);
    }
    assert_eq!(accepted, 0);
    // Nobody was reconnected: the callers were at the workers at which they were counted.
    assert_eq!(connections(stack.ports()).unwrap(), connected);
}

/// RV-04: idempotent, and the refresh token of the session has ended with it.
#[test]
fn a_second_logout_answers_the_same_receipt_and_nothing_of_the_session_lives_on() {
    let (stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let tokens = alice.login(&client).unwrap();
    let other = alice.login(&client).unwrap();
    let first = tokens
        .log_out(&client)
        .unwrap()
        .expect(200, "logout")
        .unwrap();
    let second = tokens
        .log_out(&client)
        .unwrap()
        .expect(200, "again")
        .unwrap();
    let id = |answer: &tests::client::Answer| answer.string("/revocation/id");
    assert!(!id(&first).is_empty());
    assert_eq!(id(&first), id(&second));
    assert_eq!(tokens.try_refresh(&client).unwrap().status, 401);
    assert_eq!(other.call(&client).unwrap().status, 200);
}

/// RV-01, RV-02: ending the others, then all, reaches every worker.
#[test]
fn ending_other_sessions_and_then_all_is_in_force_at_every_worker() {
    let (stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let callers = at_both_workers(stack.ports(), 2).unwrap();
    let sessions: Vec<_> = (0..4).map(|_| alice.login(&client).unwrap()).collect();
    let (current, others) = sessions.split_first().unwrap();
    let end = |scope: &str| {
        let request = client.delete(&format!("/auth/v1/sessions?scope={scope}"));
        let answer = request.bearer(&current.access).send().unwrap();
        answer.expect(200, scope).unwrap().json()["revocation"]["sessions"].clone()
    };
    assert_eq!(end("others"), 3);
    for caller in &callers {
        assert!(
            others
                .iter()
                .all(|other| other.call(&caller.client).unwrap().status == 401)
        );
        assert_eq!(current.call(&caller.client).unwrap().status, 200);
    }
    // A login in the same second stays alive through neither: `all` ends it too.
    let late = alice.login(&client).unwrap();
    assert_eq!(end("all"), 2);
    for caller in &callers {
        assert_eq!(current.call(&caller.client).unwrap().status, 401);
        assert_eq!(late.call(&caller.client).unwrap().status, 401);
    }
    let again = alice.login(&client).unwrap();
    assert_eq!(again.call(&client).unwrap().status, 200);
}
