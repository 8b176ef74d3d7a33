//! One's own sessions: seen, ended one by one or all at once; and nobody else's.

use serde_json::json;
use tests::client::{Answer, Client};
use tests::companion::{Companion, Gateway};
use tests::visitor::Tokens;

use crate::{MINUTE, at_once, companion_with_alice, events, is_alive, listed, refusal};

fn end(client: &Client, tokens: &Tokens, what: &str) -> Answer {
    let path = format!("/auth/v1/sessions{what}");
    client.delete(&path).bearer(&tokens.access).send().unwrap()
}

/// How many sessions the receipt says were ended.
fn ended(answer: &Answer) -> Option<u64> {
    answer.json()["revocation"]["sessions"].as_u64()
}

fn ids(client: &Client, tokens: &Tokens) -> Vec<String> {
    let sessions = listed(client, tokens);
    let ids = sessions.iter().map(|session| session["id"].as_str());
    ids.map(|id| id.unwrap().to_owned()).collect()
}

/// SE-01: own sessions alone, newest first, the one that asks is marked, and no token material.
#[test]
fn the_list_shows_my_sessions_and_nothing_that_opens_one() {
    let (companion, client, alice) = companion_with_alice();
    let bob = companion.account("bob").unwrap().login(&client).unwrap();
    let first = alice.login(&client).unwrap();
    companion.advance_seconds(MINUTE);
    let body = json!({ "email": alice.email, "password": alice.password, "label": "laptop" });
    let phone = companion.client_from("127.0.0.9").unwrap();
    let login = phone
        .post("/auth/v1/sessions")
        .header("user-agent", "phone/1.0\u{e9}");
    let second = Tokens::of(&login.json(&body).send().unwrap()).unwrap();

    let sessions = listed(&client, &second);
    assert_eq!(
        sessions,
        [
            json!({
                "id": second.session, "current": true, "created_at": "2027-01-15T08:01:00Z", "last_seen_at": "2027-01-15T08:01:00Z",
                "idle_expires_at": "2027-01-29T08:01:00Z", "expires_at": "2027-02-14T08:01:00Z",
                "ip": "127.0.0.9", "user_agent": "phone/1.0é", "device": null, "label": "laptop", "acr": "password",
            }),
            json!({
                "id": first.session, "current": false, "created_at": "2027-01-15T08:00:00Z", "last_seen_at": "2027-01-15T08:00:00Z",
                "idle_expires_at": "2027-01-29T08:00:00Z", "expires_at": "2027-02-14T08:00:00Z",
                "ip": "127.0.0.1", "user_agent": null, "device": null, "label": null, "acr": "password",
            }),
        ]
    );
    assert_eq!(ids(&client, &bob), [bob.session.as_str()]);
}

/// SE-02: somebody else's session answers like one that never was, byte for byte, and lives on.
#[test]
fn somebody_else_s_session_is_as_unknown_as_one_that_never_was() {
    let (companion, client, alice) = companion_with_alice();
    let alice = alice.login(&client).unwrap();
    let mallory = companion
        .account("mallory")
        .unwrap()
        .login(&client)
        .unwrap();
    let foreign = end(&client, &mallory, &format!("/{}", alice.session));
    assert_eq!(refusal(&foreign), (404, "not_found".to_owned()));
    for unknown in [
        "0123456789abcdef0123456789abcdef",
        "x",
        "..%2fcurrent",
        &alice.session.to_uppercase(),
    ] {
        let answer = end(&client, &mallory, &format!("/{unknown}"));
        assert_eq!(answer.observable(), foreign.observable(), "{unknown}");
    }
    assert!(is_alive(&client, &alice));
    // Ended ones too: the receipt is its owner's.
    assert_eq!(alice.log_out(&client).unwrap().status, 200);
    let foreign_again = end(&client, &mallory, &format!("/{}", alice.session));
    assert_eq!(foreign_again.observable(), foreign.observable());
    assert_eq!(events(&companion, "session_ended"), 1);
}

/// SE-03: who knows the id of a session, and nothing else, opens and ends nothing.
#[test]
fn a_session_id_is_no_credential() {
    let (_companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let id = tokens.session.as_str();
    for bare in [
        id.to_owned(),
        format!("lkr_{id}"),
        format!("lkr_{id}.0"),
        format!("lkr_{id}.0."),
    ] {
        let attempts = [
            client.get("/auth/v1/sessions").bearer(&bare).send(),
            client
                .get("/auth/v1/sessions")
                .header("cookie", &format!("__Host-access={bare}"))
                .send(),
            client
                .get("/auth/v1/sessions")
                .header("x-auth-session", &bare)
                .header("x-auth-subject", "alice")
                .send(),
            client
                .delete("/auth/v1/sessions/current")
                .bearer(&bare)
                .send(),
            client
                .delete("/auth/v1/sessions/current")
                .json(&json!({ "refresh_token": bare }))
                .send(),
            client.delete(&format!("/auth/v1/sessions/{id}")).send(),
            client.delete("/auth/v1/sessions?scope=all").send(),
            client
                .post("/auth/v1/sessions/refresh")
                .json(&json!({ "refresh_token": bare }))
                .send(),
        ];
        for attempt in attempts {
            assert_eq!(attempt.unwrap().status, 401, "{bare}");
        }
    }
    assert!(is_alive(&client, &tokens));
}

/// Ending one: it is out at once, again answers the same receipt, and the others stay.
#[test]
fn ending_one_session_ends_that_one_and_may_be_repeated() {
    let (_companion, client, alice) = companion_with_alice();
    let [mine, lost] = [(), ()].map(|()| alice.login(&client).unwrap());
    let what = format!("/{}", lost.session);
    let first = end(&client, &mine, &what);
    assert_eq!((first.status, ended(&first)), (200, Some(1)));
    assert!(!is_alive(&client, &lost));
    assert_eq!(lost.try_refresh(&client).unwrap().status, 401);
    let again = end(&client, &mine, &what);
    assert_eq!(again.observable(), first.observable());
    assert_eq!(ids(&client, &mine), [mine.session.as_str()]);
}

/// SE-08, RFC 9470: ending others needs a login within ten minutes; ending this one never does, and a refresh is no login.
#[test]
fn ending_other_sessions_needs_a_recent_login() {
    let (companion, client, alice) = companion_with_alice();
    let [mine, other] = [(), ()].map(|()| alice.login(&client).unwrap());
    companion.advance_seconds(10 * MINUTE - 1);
    let mine = mine.refresh(&client).unwrap();
    let what = [
        format!("/{}", other.session),
        "?scope=others".to_owned(),
        "?scope=all".to_owned(),
    ];
    companion.advance_seconds(1);
    for what in &what {
        let answer = end(&client, &mine, what);
        assert_eq!(
            refusal(&answer),
            (401, "insufficient_user_authentication".to_owned())
        );
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer error=\"insufficient_user_authentication\", max_age=600")
        );
    }
    assert_eq!(listed(&client, &mine).len(), 2);
    assert_eq!(end(&client, &mine, "/current").status, 200);

    let fresh = alice.login(&client).unwrap();
    companion.advance_seconds(10 * MINUTE - 1);
    let fresh = fresh.refresh(&client).unwrap();
    assert_eq!(end(&client, &fresh, &what[0]).status, 200);
}

/// RV-02: all others, in one receipt; a login in the same second stays.
#[test]
fn ending_all_others_keeps_this_one_and_the_next() {
    let (companion, client, alice) = companion_with_alice();
    let bob = companion.account("bob").unwrap().login(&client).unwrap();
    let others: Vec<Tokens> = (0..4).map(|_| alice.login(&client).unwrap()).collect();
    let mine = alice.login(&client).unwrap();
    let answer = end(&client, &mine, "?scope=others");
    assert_eq!((answer.status, ended(&answer)), (200, Some(4)));
    let next = alice.login(&client).unwrap();
    assert!(others.iter().all(|tokens| !is_alive(&client, tokens)));
    assert!(
        [&mine, &next, &bob]
            .iter()
            .all(|tokens| is_alive(&client, tokens))
    );
    // Each of them answers the receipt under which it ended.
    for tokens in &others {
        let again = end(&client, &mine, &format!("/{}", tokens.session));
        assert_eq!(again.text(), answer.text());
    }
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    gateway.poll(0).unwrap();
    assert_eq!(gateway.known(), 4);
}

/// RV-02: everywhere means here too; with nothing to end there is no receipt.
#[test]
fn ending_all_includes_this_one() {
    let (_companion, client, alice) = companion_with_alice();
    let alone = alice.login(&client).unwrap();
    let nothing = end(&client, &alone, "?scope=others");
    assert_eq!(
        (nothing.status, nothing.text().as_str()),
        (200, r#"{"revocation":null}"#)
    );
    let mine = alice.login(&client).unwrap();
    let answer = end(&client, &mine, "?scope=all");
    assert_eq!((answer.status, ended(&answer)), (200, Some(2)));
    assert!(
        [&mine, &alone]
            .iter()
            .all(|tokens| !is_alive(&client, tokens))
    );
    assert_eq!(
        refusal(&end(&client, &mine, "?scope=all")),
        (401, "invalid_token".to_owned())
    );
    alice.login(&client).unwrap();
}

/// What is not understood ends nothing: no default, no repeated or unknown parameter.
#[test]
fn a_scope_that_is_not_understood_ends_nothing() {
    let (_companion, client, alice) = companion_with_alice();
    let [mine, other] = [(), ()].map(|()| alice.login(&client).unwrap());
    for what in [
        "",
        "?",
        "?scope=",
        "?scope=ALL",
        "?scope=all&scope=others",
        "?scope=others&x=1",
        "?Scope=all",
        "?scope=all%20",
    ] {
        assert_eq!(
            refusal(&end(&client, &mine, what)),
            (400, "invalid_request".to_owned()),
            "{what}"
        );
    }
    assert!(
        [&mine, &other]
            .iter()
            .all(|tokens| is_alive(&client, tokens))
    );
}

/// SE-05, RR-03: sixty logins race; fifty sessions are left, the others have ended at the gateways too.
#[test]
fn sixty_logins_at_once_leave_fifty_sessions() {
    let (companion, client, alice) = companion_with_alice();
    let logins = at_once(60, |_| {
        loop {
            let login = alice.try_login(&client).unwrap();
            match login.status {
                201 => return Tokens::of(&login).unwrap(),
                // Failures are reserved before the password is looked at, and the gate to the hash is narrow.
                429 => companion.advance_seconds(1),
                503 => {}
                status => panic!("{status}"),
            }
        }
    });
    let alive: Vec<&Tokens> = logins
        .iter()
        .filter(|tokens| is_alive(&client, tokens))
        .collect();
    assert_eq!(alive.len(), 50);
    assert_eq!(listed(&client, alive[0]).len(), 50);
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    gateway.poll(0).unwrap();
    assert_eq!(gateway.known(), 10);
    for tokens in &logins {
        let is_revoked = gateway.revoked(&tokens.session).is_some();
        assert_ne!(is_revoked, is_alive(&client, tokens));
    }
}

/// SE-05: beyond the limit the session that was unused for longest goes.
#[test]
fn one_login_too_many_ends_the_session_that_was_unused_for_longest() {
    let companion = Companion::with(|settings| settings.sessions.most_per_account = 3).unwrap();
    let client = companion.client().unwrap();
    let alice = companion.account("alice").unwrap();
    let mut sessions: Vec<Tokens> = Vec::new();
    for _ in 0..3 {
        companion.advance_seconds(MINUTE);
        sessions.push(alice.login(&client).unwrap());
    }
    companion.advance_seconds(MINUTE);
    sessions[0] = sessions[0].refresh(&client).unwrap();
    let fourth = alice.login(&client).unwrap();
    assert!(!is_alive(&client, &sessions[1]));
    assert_eq!(ids(&client, &fourth).len(), 3);
    assert!(
        [&sessions[0], &sessions[2], &fourth]
            .iter()
            .all(|tokens| is_alive(&client, tokens))
    );
}
