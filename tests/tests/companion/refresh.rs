//! Refreshing: one live successor, whatever races and lost replies there are, and an end to every session.

use std::time::Duration;

use serde_json::json;
use tests::visitor::Tokens;

use crate::{
    DAY, HOUR, MINUTE, at_once, claims, companion_with_alice, is_alive, listed, refusal, stored,
};

fn refused() -> (u16, String) {
    (401, "invalid_refresh_token".to_owned())
}

/// RR-01, RR-09: the generation moves by one; subject, session, `auth_time`, `acr` and `amr` stay.
#[test]
fn each_refresh_moves_the_generation_by_one_and_nothing_else() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    let mut tokens = first.clone();
    for generation in 1..=5 {
        companion.advance_seconds(MINUTE);
        tokens = tokens.refresh(&client).unwrap();
        let form = format!("lkr_{}.{generation}.", first.session);
        assert!(tokens.refresh.starts_with(&form), "{}", tokens.refresh);
        let (before, after) = (claims(&first), claims(&tokens));
        for same in [
            "iss",
            "aud",
            "sub",
            "sid",
            "auth_time",
            "acr",
            "amr",
            "client_id",
        ] {
            assert_eq!(before[same], after[same], "{same}");
        }
        assert_ne!(before["jti"], after["jti"]);
        assert_eq!(after["iat"], json!(companion.now()));
        assert!(is_alive(&client, &tokens));
    }
    assert_eq!(
        stored::<u32>(&companion, "SELECT generation FROM sessions"),
        5
    );
    let [session] = listed(&client, &tokens).try_into().unwrap();
    assert_eq!(session["created_at"], "2027-01-15T08:00:00Z");
    assert_eq!(session["last_seen_at"], "2027-01-15T08:05:00Z");
    assert_eq!(session["idle_expires_at"], "2027-01-29T08:05:00Z");
    assert_eq!(session["expires_at"], "2027-02-14T08:00:00Z");
}

/// RR-04, I7: the parent within the grace gets the same bytes again, and an access token that ends with the last of the session;
/// nothing changes, and the grace does not begin anew.
#[test]
fn a_refresh_whose_answer_was_lost_is_answered_with_the_same_successor() {
    let (companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    let second = first.refresh(&client).unwrap();
    let state = "SELECT generation || ' ' || rotated_at || ' ' || latest_exp || ' ' || last_seen_at || ' ' || idle_deadline FROM sessions";
    let before: String = stored(&companion, state);
    let latest_exp = [&first, &second].map(|tokens| claims(tokens)["exp"].as_i64().unwrap());
    let latest_exp = latest_exp.into_iter().max().unwrap();
    for millis in [0, 5_000, 4_900] {
        companion.advance(Duration::from_millis(millis));
        let again = first.refresh(&client).unwrap();
        assert_eq!(again.refresh, second.refresh);
        assert_eq!(claims(&again)["exp"], json!(latest_exp));
        assert_eq!(claims(&again)["iat"], json!(companion.now()));
        assert!(is_alive(&client, &again));
    }
    assert_eq!(stored::<String>(&companion, state), before);
    // 10.1 s after the rotation.
    companion.advance(Duration::from_millis(200));
    assert_eq!(refusal(&first.try_refresh(&client).unwrap()), refused());
    assert!(!is_alive(&client, &second));
}

/// RR-04: the successor of a repeated answer goes on; its parent then is no longer the direct one.
#[test]
fn the_successor_goes_on_after_its_parent_was_repeated() {
    let (_companion, client, alice) = companion_with_alice();
    let first = alice.login(&client).unwrap();
    first.refresh(&client).unwrap();
    let second = first.refresh(&client).unwrap();
    let third = second.refresh(&client).unwrap();
    assert_eq!(second.refresh(&client).unwrap().refresh, third.refresh);
    assert_eq!(refusal(&first.try_refresh(&client).unwrap()), refused());
}

/// RR-04: the grace can be switched off.
#[test]
fn without_a_grace_the_parent_is_reuse_at_once() {
    let companion = tests::companion::Companion::with(|settings| {
        settings.sessions.refresh_grace = companion::span::Span::seconds(0);
    })
    .unwrap();
    let client = companion.client().unwrap();
    let first = companion.account("alice").unwrap().login(&client).unwrap();
    let second = first.refresh(&client).unwrap();
    assert_eq!(refusal(&first.try_refresh(&client).unwrap()), refused());
    assert!(!is_alive(&client, &second));
}

/// RR-03, RR-14, I1, I2: eight tabs race with what they hold, ten times over; one chain of successors comes out, and no tab is
/// thrown out.
#[test]
fn eight_tabs_that_race_get_one_chain_of_successors() {
    let (companion, client, alice) = companion_with_alice();
    let mut tokens = alice.login(&client).unwrap();
    for generation in 1..=10 {
        let answers = at_once(8, |_| tokens.refresh(&client).unwrap());
        let successors: Vec<&str> = answers
            .iter()
            .map(|tokens| tokens.refresh.as_str())
            .collect();
        assert!(
            successors
                .iter()
                .all(|successor| *successor == successors[0])
        );
        assert!(answers.iter().all(|tokens| is_alive(&client, tokens)));
        tokens = answers.into_iter().next().unwrap();
        assert_eq!(
            stored::<u32>(&companion, "SELECT generation FROM sessions"),
            generation
        );
    }
    assert_eq!(listed(&client, &tokens).len(), 1);
}

/// RR-06, SE-04: fourteen days without a refresh end it; to the millisecond.
#[test]
fn a_session_expires_when_it_is_idle() {
    let (companion, client, alice) = companion_with_alice();
    let [used, left] = [(), ()].map(|()| alice.login(&client).unwrap());
    let almost = Duration::from_secs(14 * DAY) - Duration::from_millis(1);
    companion.advance(almost);
    let used = used.refresh(&client).unwrap();
    companion.advance(Duration::from_millis(1));
    assert_eq!(refusal(&left.try_refresh(&client).unwrap()), refused());
    let sessions = listed(&client, &used);
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0]["id"], json!(used.session));
    companion.advance(almost - Duration::from_millis(1));
    used.refresh(&client).unwrap();
}

/// RR-06, SE-04: no refresh takes a session beyond thirty days, nor does an access token outlive it.
#[test]
fn no_refresh_extends_a_session_beyond_its_absolute_lifetime() {
    let (companion, client, alice) = companion_with_alice();
    let begun = companion.now();
    let end = begun + i64::try_from(30 * DAY).unwrap();
    let mut tokens = alice.login(&client).unwrap();
    for _ in 0..3 {
        companion.advance_seconds(9 * DAY);
        tokens = tokens.refresh(&client).unwrap();
    }
    companion.advance_seconds(3 * DAY - MINUTE);
    tokens = tokens.refresh(&client).unwrap();
    assert_eq!(claims(&tokens)["exp"], json!(end));
    let [session] = listed(&client, &tokens).try_into().unwrap();
    assert_eq!(session["idle_expires_at"], session["expires_at"]);
    companion.advance_seconds(MINUTE - 1);
    tokens = tokens.refresh(&client).unwrap();
    assert!(is_alive(&client, &tokens));
    companion.advance_seconds(1);
    assert!(!is_alive(&client, &tokens));
    assert_eq!(refusal(&tokens.try_refresh(&client).unwrap()), refused());
}

/// RR-11: an access token refreshes nothing, a refresh token opens nothing.
#[test]
fn a_token_of_one_kind_does_not_pass_as_the_other() {
    let (_companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let swapped = Tokens {
        access: tokens.refresh.clone(),
        refresh: tokens.access.clone(),
        session: tokens.session.clone(),
    };
    assert_eq!(refusal(&swapped.try_refresh(&client).unwrap()), refused());
    let list = client.get("/auth/v1/sessions").bearer(&swapped.access);
    assert_eq!(
        refusal(&list.send().unwrap()),
        (401, "invalid_token".to_owned())
    );
    let logout = swapped.log_out(&client).unwrap();
    assert_eq!(refusal(&logout), (401, "invalid_token".to_owned()));
    assert!(is_alive(&client, &tokens));
    tokens.refresh(&client).unwrap();
}

/// TV-20: an access token is good until the second of its `exp`, and a refresh makes another while the session lasts.
#[test]
fn an_access_token_ends_with_its_exp_and_the_session_goes_on() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let lifetime = claims(&tokens)["exp"].as_i64().unwrap() - companion.now();
    companion.advance_seconds(u64::try_from(lifetime).unwrap() - 1);
    assert!(is_alive(&client, &tokens));
    companion.advance_seconds(1);
    assert!(!is_alive(&client, &tokens));
    companion.advance_seconds(HOUR);
    assert!(is_alive(&client, &tokens.refresh(&client).unwrap()));
}
