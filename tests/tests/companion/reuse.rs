//! A refresh token that somebody else used: the session ends for both, once, and its owner hears of it.

use serde_json::json;
use tests::client::Client;
use tests::companion::Gateway;
use tests::visitor::{Tokens, Visitor};

use crate::{
    MINUTE, at_once, companion_with_alice, events, in_sql, is_alive, listed, refusal, stored,
};

fn refused() -> (u16, String) {
    (401, "invalid_refresh_token".to_owned())
}

fn refresh_with(client: &Client, refresh: &str) -> (u16, String) {
    let body = json!({ "refresh_token": refresh });
    let answer = client.post("/auth/v1/sessions/refresh").json(&body).send();
    refusal(&answer.unwrap())
}

/// The tokens of the first six generations.
fn six(client: &Client, alice: &Visitor) -> Vec<Tokens> {
    let mut tokens = vec![alice.login(client).unwrap()];
    for _ in 0..5 {
        let next = tokens.last().unwrap().refresh(client).unwrap();
        tokens.push(next);
    }
    tokens
}

/// RR-02, I3: one, two and five generations back, after the grace: the thief and the owner are out, other sessions stay.
#[test]
fn an_older_refresh_token_ends_the_session_at_once() {
    for back in [1, 2, 5] {
        let (companion, client, alice) = companion_with_alice();
        let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
        let other = alice.login(&client).unwrap();
        let tokens = six(&client, &alice);
        companion.advance_seconds(11);
        let stolen = &tokens[5 - back];
        assert_eq!(refresh_with(&client, &stolen.refresh), refused());
        assert!(tokens.iter().all(|tokens| !is_alive(&client, tokens)));
        for tokens in &tokens {
            assert_eq!(refresh_with(&client, &tokens.refresh), refused());
        }
        gateway.poll(0).unwrap();
        assert!(gateway.revoked(&stolen.session).is_some());
        assert!(gateway.revoked(&other.session).is_none());
        assert_eq!(listed(&client, &other).len(), 1);
        assert_eq!(events(&companion, "refresh_token_reused"), 1);
    }
}

/// RR-04: a grandparent is theft within the grace too.
#[test]
fn a_grandparent_is_theft_even_within_the_grace() {
    let (_companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    let third = first.refresh(&client).unwrap().refresh(&client).unwrap();
    assert_eq!(refresh_with(&client, &first.refresh), refused());
    assert!(!is_alive(&client, &third));
}

/// RR-12, I6: fifty replays at once are one event and one mail, with the address and the user agent of the first.
#[test]
fn fifty_replays_at_once_are_one_event_and_one_mail() {
    let (companion, client, alice) = companion_with_alice();
    let stolen = alice.login(&client).unwrap();
    let _ = stolen.refresh(&client).unwrap().refresh(&client).unwrap();
    let thief = companion.client_from("127.0.0.66").unwrap();
    let body = json!({ "refresh_token": stolen.refresh });
    let answers = at_once(50, |_| {
        let request = thief.post("/auth/v1/sessions/refresh");
        let request = request.header("user-agent", "thief/1.0").json(&body);
        request.send().unwrap().observable()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(answers[0].0, 401);
    assert_eq!(events(&companion, "refresh_token_reused"), 1);
    assert_eq!(events(&companion, "session_ended"), 1);
    let session = in_sql(&companion, "lower(hex(session))", "encode(session, 'hex')");
    let event: String = stored(
        &companion,
        &format!(
            "SELECT {session} || ' ' || ip || ' ' || user_agent FROM audit WHERE event = 'refresh_token_reused'"
        ),
    );
    assert_eq!(event, format!("{} 127.0.0.66 thief/1.0", stolen.session));

    let mails = companion.mailbox();
    let told = mails.wait_for(&alice.email, 2).unwrap();
    assert!(told[1].contains("Subject: One of your sessions has ended"));
    // Errands are carried out one after the other: after this one there was no other.
    companion.account("bob").unwrap();
    companion.advance_seconds(2 * MINUTE);
    companion.account("carol").unwrap();
    assert_eq!(mails.mails_to(&alice.email).len(), 2);
}

/// RR-15: a forged MAC for a session that exists has no effect at all; nor has anything that only looks like a token.
#[test]
fn a_forged_refresh_token_has_no_effect() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let (head, mac) = tokens.refresh.rsplit_once('.').unwrap();
    let (prefix, _) = head.rsplit_once('.').unwrap();
    let flipped = if mac.starts_with('A') { "B" } else { "A" };
    let forged = [
        format!("{head}.{flipped}{}", &mac[1..]),
        format!("{head}.{}", "A".repeat(43)),
        format!("{head}."),
        head.to_owned(),
        format!("{prefix}.1.{mac}"),
        format!("{prefix}.00.{mac}"),
        format!("{prefix}.+0.{mac}"),
        format!("{prefix}.18446744073709551615.{mac}"),
        format!("{head}.{mac}="),
        format!("{head}.{mac}A"),
        format!(" {}", tokens.refresh),
        tokens.refresh.to_uppercase(),
        tokens.session.clone(),
        format!("lkr_{}", tokens.session),
        String::new(),
        "x".repeat(10_000),
    ];
    let before: u32 = stored(&companion, "SELECT COUNT(*) FROM audit");
    for refresh in &forged {
        assert_eq!(refresh_with(&client, refresh), refused(), "{refresh}");
    }
    assert_eq!(
        stored::<u32>(&companion, "SELECT COUNT(*) FROM audit"),
        before
    );
    assert_eq!(companion.mailbox().mails_to(&alice.email).len(), 1);
    assert!(is_alive(&client, &tokens));
    tokens.refresh(&client).unwrap();
}

/// RR-02: what is used again after its session has ended tells nobody anything anew.
#[test]
fn reuse_after_the_logout_is_no_second_event() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    let second = first.refresh(&client).unwrap();
    assert_eq!(second.log_out(&client).unwrap().status, 200);
    companion.advance_seconds(11);
    for tokens in [&first, &second] {
        assert_eq!(refresh_with(&client, &tokens.refresh), refused());
    }
    assert_eq!(events(&companion, "refresh_token_reused"), 0);
    assert_eq!(events(&companion, "session_ended"), 1);
}
