//! A store that was put back from a backup: nothing that was ended comes to life again, and what it forgot still ends.

use tests::client::Client;
use tests::companion::{Companion, Gateway};
use tests::visitor::Tokens;

use crate::{MINUTE, companion_with_alice, events, is_alive, log_out, refusal};

/// Puts the copy back while the companion is stopped, and gives a caller of the one that comes up again.
fn put_back(companion: &mut Companion, backup: &std::path::Path) -> Client {
    companion.stop().unwrap();
    companion.put_back(backup, &["latchkey.db"]).unwrap();
    companion.resume().unwrap();
    companion.client().unwrap()
}

fn refused() -> (u16, String) {
    (401, "invalid_refresh_token".to_owned())
}

/// RR-17: a generation that the restored store does not know ends the session, and is told apart from reuse.
#[test]
fn a_generation_ahead_of_a_restored_store_ends_the_session() {
    let (mut companion, client, alice) = companion_with_alice();
    let mut tokens = alice.login(&client).unwrap();
    companion.stop().unwrap();
    let backup = companion.back_up().unwrap();
    companion.resume().unwrap();
    let client = companion.client().unwrap();
    for _ in 0..2 {
        tokens = tokens.refresh(&client).unwrap();
    }
    assert!(is_alive(&client, &tokens));

    let client = put_back(&mut companion, &backup);
    assert!(is_alive(&client, &tokens));
    assert_eq!(refusal(&tokens.try_refresh(&client).unwrap()), refused());
    assert!(!is_alive(&client, &tokens));
    assert_eq!(refusal(&tokens.try_refresh(&client).unwrap()), refused());
    assert_eq!(events(&companion, "refresh_token_ahead"), 1);
    assert_eq!(events(&companion, "refresh_token_reused"), 0);
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    gateway.poll(0).unwrap();
    assert!(gateway.revoked(&tokens.session).is_some());
}

/// RV-04, RV-17, design section 4: the restored store does not know the session, but its token is out there: the logout
/// publishes it until the token has expired, and answers its receipt again.
#[test]
fn a_logout_of_a_session_that_the_store_forgot_is_published() {
    let (mut companion, _, alice) = companion_with_alice();
    companion.stop().unwrap();
    let backup = companion.back_up().unwrap();
    companion.resume().unwrap();
    let client = companion.client().unwrap();
    let [tokens, late] = [(), ()].map(|()| alice.login(&client).unwrap());

    let client = put_back(&mut companion, &backup);
    assert!(!is_alive(&client, &tokens));
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let logout = log_out(&client, &tokens);
    assert_eq!(
        (
            logout.status,
            logout.json()["revocation"]["sessions"].as_u64()
        ),
        (202, Some(1))
    );
    gateway.catch_up().unwrap();
    let exp = crate::claims(&tokens)["exp"].as_i64().unwrap();
    // A refresh that the store has lost too may have signed a later one, at the very end.
    let published = gateway.revoked(&tokens.session).unwrap().seconds();
    assert!(published >= exp && published == companion.now() + 300);
    let again = log_out(&client, &tokens);
    assert_eq!(again.status, 200);
    assert_eq!(
        again.string("/revocation/id"),
        logout.string("/revocation/id")
    );

    // A gateway's clock may be slow: a token that has just expired is published too, one that expired long ago is not.
    companion.advance_seconds(301 + MINUTE);
    let mut early = gateway;
    assert_ne!(
        log_out(&client, &late).json()["revocation"],
        serde_json::Value::Null
    );
    early.catch_up().unwrap();
    assert!(early.revoked(&late.session).is_some());
    companion.advance_seconds(10 * MINUTE);
    let known = early.known();
    let gone = log_out(&client, &late);
    assert_eq!(gone.status, 200);
    early.catch_up().unwrap();
    assert_eq!(early.known(), known);
}

/// RV-06, RV-17: the restored store has forgotten the logout. A gateway that saw it keeps it, is told to begin anew, and hears of
/// what is ended from then on, also under numbers that it has seen before.
#[test]
fn a_gateway_hears_of_new_logouts_after_the_store_was_rolled_back() {
    let (mut companion, _, alice) = companion_with_alice();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    companion.stop().unwrap();
    let backup = companion.back_up().unwrap();
    companion.resume().unwrap();
    let client = companion.client().unwrap();
    gateway.reconnect(&companion).unwrap();
    let ended = [(), (), ()].map(|()| alice.login(&client).unwrap());
    for tokens in &ended {
        log_out(&client, tokens);
    }
    gateway.catch_up().unwrap();
    let seen = gateway.cursor();

    let client = put_back(&mut companion, &backup);
    gateway.reconnect(&companion).unwrap();
    let anew: Vec<Tokens> = (0..5).map(|_| alice.login(&client).unwrap()).collect();
    for tokens in &anew {
        let logout = log_out(&client, tokens);
        // It has acknowledged numbers of another history: they count for nothing.
        assert_eq!(logout.status, 202);
    }
    let page = gateway.poll(0).unwrap();
    assert_eq!(page.after, 0);
    assert!(page.seq > seen.number);
    gateway.catch_up().unwrap();
    assert!(
        ended
            .iter()
            .chain(&anew)
            .all(|tokens| gateway.revoked(&tokens.session).is_some())
    );
    assert_eq!(log_out(&client, &anew[4]).status, 200);
}

/// Design section 4 (a): gateways that came after the backup are not forgotten with it.
#[test]
fn a_gateway_that_came_after_the_backup_is_still_waited_for() {
    let (mut companion, _, alice) = companion_with_alice();
    companion.stop().unwrap();
    let backup = companion.back_up().unwrap();
    companion.resume().unwrap();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let client = put_back(&mut companion, &backup);
    if companion.database().is_some() {
        // The embedded store has the gateways in a second file, which was not put back. A database has them once: after its restore
        // they are waited for from their next poll on.
        gateway.reconnect(&companion).unwrap();
        gateway.poll(0).unwrap();
    }
    let tokens = alice.login(&client).unwrap();
    let logout = log_out(&client, &tokens);
    assert_eq!(logout.status, 202);
    assert_eq!(logout.json()["revocation"]["gateways"]["live"], 1);
}

/// RV-03, RV-17: the restored row knows an older `exp` than that of the token which a lost refresh has signed. An entry with the
/// older one would be forgotten by every gateway while that token still lives.
#[test]
fn a_logout_after_a_restore_outlives_the_token_of_a_lost_refresh() {
    let (mut companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    companion.stop().unwrap();
    let backup = companion.back_up().unwrap();
    companion.resume().unwrap();
    companion.advance_seconds(4 * MINUTE);
    let newer = tokens.refresh(&companion.client().unwrap()).unwrap();

    let client = put_back(&mut companion, &backup);
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    newer.log_out(&client).unwrap();
    gateway.catch_up().unwrap();
    let exp = crate::claims(&newer)["exp"].as_i64().unwrap();
    assert!(gateway.revoked(&newer.session).unwrap().seconds() >= exp);
}
