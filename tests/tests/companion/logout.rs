//! Logout: by any proof that the session was one's own, as often as wanted, and for good.

use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::companion::Gateway;
use tests::visitor::{Tokens, Visitor};

use crate::{DAY, HOUR, MINUTE, claims, companion_with_alice, is_alive, refusal};

/// Logs out with whichever of the two is given.
fn log_out(client: &Client, access: Option<&str>, refresh: Option<&str>) -> Answer {
    let mut request = client.delete("/auth/v1/sessions/current");
    if let Some(access) = access {
        request = request.bearer(access);
    }
    if let Some(refresh) = refresh {
        request = request.json(&json!({ "refresh_token": refresh }));
    }
    request.send().unwrap()
}

fn is_over(client: &Client, tokens: &Tokens) -> bool {
    !is_alive(client, tokens) && tokens.try_refresh(client).unwrap().status == 401
}

/// RV-01: access token, refresh token and session die together; the receipt counts one session and no gateway.
#[test]
fn logging_out_ends_access_token_refresh_token_and_session() {
    let (companion, client, alice) = companion_with_alice();
    let [mine, other] = [(), ()].map(|()| alice.login(&client).unwrap());
    let answer = log_out(&client, Some(&mine.access), None);
    assert_eq!(answer.status, 200);
    let mut receipt = answer.json();
    let id = receipt["revocation"]["id"].take();
    assert!(id.as_str().unwrap().starts_with("2."), "{id}");
    assert_eq!(
        receipt,
        json!({ "revocation": {
            "id": null, "seq": 2, "sessions": 1, "gateways": { "live": 0, "applied": 0 },
            "effective_by": "2027-01-15T08:00:00Z",
        } })
    );
    assert!(is_over(&client, &mine));
    assert!(is_alive(&client, &other));
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    gateway.poll(0).unwrap();
    let exp = claims(&mine)["exp"].as_i64().unwrap();
    assert_eq!(gateway.revoked(&mine.session).unwrap().seconds(), exp);
}

/// RV-01, design section 10: any refresh token whose MAC holds, of whatever generation: a logout is no reuse.
#[test]
fn logging_out_with_an_old_refresh_token_is_a_logout_and_no_reuse() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    let third = first.refresh(&client).unwrap().refresh(&client).unwrap();
    companion.advance_seconds(HOUR);
    let answer = log_out(&client, None, Some(&first.refresh));
    assert_eq!(answer.json()["revocation"]["sessions"], 1);
    assert!(is_over(&client, &third));
    assert_eq!(crate::events(&companion, "refresh_token_reused"), 0);
    // Nobody is told of a theft that was none.
    companion.account("bob").unwrap();
    assert_eq!(companion.mailbox().mails_to(&alice.email).len(), 1);
}

/// RV-04, SE-08: an access token that expired long ago still says which session is to end, and needs no recent login.
#[test]
fn logging_out_works_with_an_expired_access_token() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    companion.advance_seconds(10 * DAY);
    let second = first.refresh(&client).unwrap();
    assert!(!is_alive(&client, &first));
    let answer = log_out(&client, Some(&first.access), None);
    assert_eq!(answer.json()["revocation"]["sessions"], 1);
    assert!(is_over(&client, &second));
    // What the gateways keep is as late as the latest token.
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    gateway.poll(0).unwrap();
    let exp = claims(&second)["exp"].as_i64().unwrap();
    assert_eq!(gateway.revoked(&second.session).unwrap().seconds(), exp);
}

/// RV-04: an expired access token beside a live refresh token.
#[test]
fn logging_out_takes_both_tokens_of_one_session() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    companion.advance_seconds(HOUR);
    let second = first.refresh(&client).unwrap();
    let answer = log_out(&client, Some(&first.access), Some(&second.refresh));
    assert_eq!(
        (answer.status, &answer.json()["revocation"]["sessions"]),
        (200, &json!(1))
    );
    assert!(is_over(&client, &second));
}

/// Design section 10: which of two sessions is meant is not clear, so neither ends.
#[test]
fn logging_out_with_tokens_of_two_sessions_ends_neither() {
    let (_companion, client, alice) = companion_with_alice();
    let [one, two] = [(), ()].map(|()| alice.login(&client).unwrap());
    let answer = log_out(&client, Some(&one.access), Some(&two.refresh));
    assert_eq!(refusal(&answer), (400, "invalid_request".to_owned()));
    assert!([&one, &two].iter().all(|tokens| is_alive(&client, tokens)));
}

/// RV-04: again and again, with whatever was of that session: the same receipt.
#[test]
fn logging_out_again_answers_the_same_receipt() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    let second = first.refresh(&client).unwrap();
    let receipt = log_out(&client, Some(&second.access), None);
    for (access, refresh) in [
        (Some(&second.access), None),
        (Some(&first.access), None),
        (None, Some(&second.refresh)),
        (None, Some(&first.refresh)),
        (Some(&first.access), Some(&second.refresh)),
    ] {
        let again = log_out(
            &client,
            access.map(String::as_str),
            refresh.map(String::as_str),
        );
        assert_eq!(again.observable(), receipt.observable());
    }
    companion.advance_seconds(DAY);
    let later = log_out(&client, None, Some(&first.refresh));
    assert_eq!(later.status, 200);
    assert_eq!(
        later.string("/revocation/id"),
        receipt.string("/revocation/id")
    );
    assert_eq!(crate::events(&companion, "session_ended"), 1);
}

/// RV-04: also when nothing is left of it but a token.
#[test]
fn logging_out_of_what_was_forgotten_is_a_success() {
    let (mut companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    log_out(&client, Some(&tokens.access), None);
    companion.advance_seconds(31 * DAY);
    companion.prune().unwrap();
    let client = companion.client().unwrap();
    // Until then a lost refresh could have been answered with a token that still lives.
    companion.advance_seconds(8 * MINUTE);
    let answer = log_out(&client, None, Some(&tokens.refresh));
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, r#"{"revocation":null}"#)
    );
}

/// RV-04: a session that has expired by itself ends like any other.
#[test]
fn logging_out_of_an_expired_session_is_a_success() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    companion.advance_seconds(20 * DAY);
    let answer = log_out(&client, Some(&tokens.access), Some(&tokens.refresh));
    assert_eq!(answer.status, 200);
    assert!(is_over(&client, &tokens));
}

/// RR-15: nobody is logged out by a forgery; without any proof the answer asks for one.
#[test]
fn logging_somebody_out_takes_a_proof() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let mallory: Visitor = companion.account("mallory").unwrap();
    let of_mallory = mallory.login(&client).unwrap();
    let nothing = log_out(&client, None, None);
    assert_eq!(refusal(&nothing), (401, "credential_required".to_owned()));
    assert_eq!(nothing.header("www-authenticate"), Some("Bearer"));

    // Alice's claims under the signature of Mallory's token.
    let (claims, _) = tokens.access.rsplit_once('.').unwrap();
    let (_, signature) = of_mallory.access.rsplit_once('.').unwrap();
    let forged = format!("{claims}.{signature}");
    let answer = log_out(&client, Some(&forged), None);
    assert_eq!(refusal(&answer), (401, "invalid_token".to_owned()));
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
    let (head, mac) = tokens.refresh.rsplit_once('.').unwrap();
    let flipped = if mac.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}.{flipped}{}", &mac[1..]);
    let answer = log_out(&client, None, Some(&forged));
    assert_eq!(refusal(&answer), (401, "invalid_refresh_token".to_owned()));
    // A good proof for one session does not carry a bad one for another.
    let answer = log_out(&client, Some(&of_mallory.access), Some(&forged));
    assert_eq!(answer.status, 401);
    assert!(
        [&tokens, &of_mallory]
            .iter()
            .all(|tokens| is_alive(&client, tokens))
    );
}

/// Invariant 6, RV-01: refreshes and the logout race; whichever comes last, nothing of the session is left alive.
#[test]
fn no_refresh_survives_a_logout_that_races_it() {
    let (companion, client, alice) = companion_with_alice();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    for _ in 0..10 {
        let tokens = alice.login(&client).unwrap();
        let refreshed = crate::at_once(8, |number| {
            if number == 3 {
                let logout = client
                    .delete("/auth/v1/sessions/current")
                    .bearer(&tokens.access);
                let answer = logout.header("prefer", "respond-async").send().unwrap();
                assert_ne!(answer.json()["revocation"], Value::Null);
                return None;
            }
            let answer = tokens.try_refresh(&client).unwrap();
            assert!([200, 401].contains(&answer.status), "{}", answer.status);
            Tokens::of(&answer).ok()
        });
        gateway.poll(0).unwrap();
        let kept_until = gateway.revoked(&tokens.session).unwrap().seconds();
        for tokens in refreshed.iter().flatten().chain([&tokens]) {
            assert!(is_over(&client, tokens));
            assert!(claims(tokens)["exp"].as_i64().unwrap() <= kept_until);
        }
    }
}
