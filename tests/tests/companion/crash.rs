//! Acknowledged means durable: what was answered with 2xx is there after `kill -9` (RV-03, invariant 6).

use std::sync::Mutex;
use std::thread;

use serde_json::Value;
use tests::companion::{Companion, Gateway};
use tests::visitor::Tokens;

use crate::{MINUTE, companion_with_alice, events, is_alive, listed, refusal};

/// The session is over there: at every call, and in the feed.
fn is_over(companion: &Companion, tokens: &Tokens) -> bool {
    let client = companion.client().unwrap();
    let mut gateway = Gateway::synced(companion, 9, "60").unwrap();
    gateway.poll(0).unwrap();
    !is_alive(&client, tokens)
        && tokens.try_refresh(&client).unwrap().status == 401
        && gateway.revoked(&tokens.session).is_some()
}

/// RV-03: one of each kind, a kill right after its answer, and an orderly restart.
#[test]
fn whatever_ended_sessions_holds_after_a_kill_and_after_a_restart() {
    let (mut companion, client, alice) = companion_with_alice();
    let login = || alice.login(&client).unwrap();
    let [by_access, by_refresh, stolen, mine, other] = [(); 5].map(|()| login());
    let mut ended: Vec<Tokens> = Vec::new();
    let mut receipts: Vec<String> = Vec::new();
    let end = |what: &str, tokens: &Tokens| {
        let request = client.delete(&format!("/auth/v1/sessions{what}"));
        request
            .bearer(&tokens.access)
            .send()
            .unwrap()
            .expect(200, what)
            .unwrap()
    };

    receipts.push(end("/current", &by_access).string("/revocation/id"));
    ended.push(by_access);
    let body = serde_json::json!({ "refresh_token": by_refresh.refresh });
    let logout = client
        .delete("/auth/v1/sessions/current")
        .json(&body)
        .send()
        .unwrap();
    receipts.push(logout.string("/revocation/id"));
    ended.push(by_refresh);
    let last = stolen.refresh(&client).unwrap().refresh(&client).unwrap();
    assert_eq!(stolen.try_refresh(&client).unwrap().status, 401);
    ended.push(last);
    receipts.push(end(&format!("/{}", other.session), &mine).string("/revocation/id"));
    ended.push(other);
    let survivor = companion.survivor().unwrap();
    assert!(ended.iter().all(|tokens| is_over(&survivor, tokens)));
    assert!(is_alive(&survivor.client().unwrap(), &mine));
    assert_eq!(events(&survivor, "refresh_token_reused"), 1);

    // On a shared store the gateway that polled the survivor is waited for here too: for its minute of staleness, and the minute by
    // which the store runs ahead.
    companion.advance_seconds(3 * MINUTE);
    receipts.push(end("?scope=all", &mine).string("/revocation/id"));
    ended.push(mine);
    let survivor = companion.survivor().unwrap();
    companion.restart().unwrap();
    for companion in [&survivor, &companion] {
        assert!(ended.iter().all(|tokens| is_over(companion, tokens)));
        let client = companion.client().unwrap();
        for id in &receipts {
            let receipt = client.get(&format!("/auth/v1/revocations/{id}"));
            assert_eq!(receipt.send().unwrap().string("/revocation/id"), *id);
        }
    }
}

/// RR-05, I5: a rotation that was answered is in the store: the successor goes on, its grandparent is theft.
#[test]
fn a_rotation_that_was_answered_holds_after_a_kill() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    let second = first.refresh(&client).unwrap();
    let survivor = companion.survivor().unwrap();
    let client = survivor.client().unwrap();
    assert_eq!(first.refresh(&client).unwrap().refresh, second.refresh);
    let third = second.refresh(&client).unwrap();
    assert_eq!(listed(&client, &third).len(), 1);
    assert_eq!(refusal(&first.try_refresh(&client).unwrap()).0, 401);
    assert!(!is_alive(&client, &third));
}

/// RV-03, D1: four callers log out as fast as they can while the companion is killed at some moments. What had been answered
/// before a kill holds after it, and so does all that was seen ended.
#[test]
fn no_logout_that_was_answered_is_lost_in_a_kill_under_load() {
    let (companion, client, alice) = companion_with_alice();
    let sessions: Vec<Tokens> = (0..40).map(|_| alice.login(&client).unwrap()).collect();
    let answered: Mutex<Vec<&Tokens>> = Mutex::default();
    let kills: Vec<(Vec<&Tokens>, Companion)> = thread::scope(|scope| {
        for part in sessions.chunks(10) {
            let (client, answered) = (&client, &answered);
            scope.spawn(move || {
                for tokens in part {
                    let logout = tokens.log_out(client).unwrap();
                    assert_eq!(logout.status, 200);
                    assert_ne!(logout.json()["revocation"], Value::Null);
                    answered.lock().unwrap().push(tokens);
                }
            });
        }
        let moments = [1, 15, 30].map(|count| {
            while answered.lock().unwrap().len() < count {
                thread::yield_now();
            }
            let before = answered.lock().unwrap().clone();
            (before, companion.survivor().unwrap())
        });
        moments.into()
    });
    for (before, survivor) in &kills {
        let client = survivor.client().unwrap();
        let mut gateway = Gateway::synced(survivor, 9, "60").unwrap();
        gateway.poll(0).unwrap();
        for tokens in before {
            assert!(gateway.revoked(&tokens.session).is_some());
        }
        // Ended or not, the store says the same everywhere.
        for tokens in &sessions {
            let is_revoked = gateway.revoked(&tokens.session).is_some();
            assert_ne!(is_revoked, is_alive(&client, tokens));
        }
    }
    assert!(
        kills
            .iter()
            .any(|(before, _)| before.len() < sessions.len())
    );
}
