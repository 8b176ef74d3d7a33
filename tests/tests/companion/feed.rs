//! The feed as a gateway reads it: pages, cursors and marks, and how long an answer is held.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use companion::span::Span;
use serde_json::json;
use tests::companion::{Companion, Gateway};
use tests::visitor::Tokens;
use tests::watch::Stopwatch;
use token::{Page, SoftwareCheck};

use crate::{
    HOUR, at_once, claims, companion_with_alice, in_sql, log_out, refusal, stored, tamper,
};

const SECOND: Duration = Duration::from_secs(1);

/// Design section 4: the first page begins at 0 and names the key set; from then on each continues the one before.
#[test]
fn pages_continue_where_the_gateway_stands() {
    let (companion, client, alice) = companion_with_alice();
    let mut gateway = Gateway::new(&companion, 1, "60").unwrap();
    let first = gateway.poll(0).unwrap();
    assert_eq!(
        (first.after, first.seq, first.keys, first.more),
        (0, 1, 1, false)
    );
    assert_eq!(first.iat.seconds(), companion.now());
    assert_eq!(first.iss, companion.settings().issuer());
    let ended = [(), ()].map(|()| alice.login(&client).unwrap());
    for tokens in &ended {
        log_out(&client, tokens);
    }
    companion.advance_seconds(7);
    let second = gateway.poll(0).unwrap();
    let entry = |tokens: &Tokens| {
        let exp = claims(tokens)["exp"].as_i64().unwrap();
        (
            tokens.session.parse().unwrap(),
            token::UnixTime::from_seconds(exp),
        )
    };
    assert_eq!((second.after, second.seq, second.more), (1, 3, false));
    assert_eq!(second.revoked, ended.each_ref().map(entry));
    assert_eq!(second.iat.seconds(), companion.now());
    // Nothing new: a heartbeat that stands where it was asked.
    let third = gateway.poll(0).unwrap();
    assert_eq!((third.after, third.seq, third.mark), (3, 3, second.mark));
    assert!(third.revoked.is_empty());
}

/// KR-07, RV-09: a page verifies under the feed's key alone, and opens nothing as an access token.
#[test]
fn a_page_is_signed_by_a_key_that_signs_nothing_else() {
    let (companion, client, alice) = companion_with_alice();
    let gateway = Gateway::new(&companion, 1, "60").unwrap();
    let page = gateway.ask("0", 0).unwrap();
    assert_eq!(page.header("content-type"), Some("application/jwt"));
    let page = page.text();
    let keys = gateway.keys();
    let issuer = companion.settings().issuer();
    assert!(Page::verify(page.as_bytes(), &keys.access, &SoftwareCheck, issuer).is_err());
    let token = alice.login(&client).unwrap().access;
    assert!(Page::verify(token.as_bytes(), &keys.feed, &SoftwareCheck, issuer).is_err());
    assert!(Page::verify(token.as_bytes(), &keys.access, &SoftwareCheck, issuer).is_err());
    let list = client
        .get("/auth/v1/sessions")
        .bearer(&page)
        .send()
        .unwrap();
    assert_eq!(refusal(&list), (401, "invalid_token".to_owned()));
}

/// Design section 4, "Marks": a cursor that was never given out is answered from the beginning, as one from another history.
#[test]
fn a_cursor_with_another_mark_is_answered_from_the_beginning() {
    let (companion, client, alice) = companion_with_alice();
    for _ in 0..3 {
        log_out(&client, &alice.login(&client).unwrap());
    }
    let gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let head = gateway.cursor();
    assert_eq!(head.number, 4);
    let mark = head.mark.unwrap();
    for cursor in [
        "4.0000000000000000".to_owned(),
        "2.0000000000000000".to_owned(),
        format!("3.{mark}"),
        format!("5.{mark}"),
        format!("9007199254740991.{mark}"),
    ] {
        let watch = Stopwatch::start();
        let page = gateway.read(&gateway.ask(&cursor, 5).unwrap()).unwrap();
        assert_eq!(
            (page.after, page.seq, page.revoked.len()),
            (0, 4, 3),
            "{cursor}"
        );
        assert!(watch.elapsed() < 4 * SECOND, "{cursor}");
    }
}

/// Design section 4, "Marks": who was away until its row was pruned begins anew; who stands at the head goes on, for however long
/// nothing happens.
#[test]
fn a_pruned_cursor_begins_anew_and_the_head_is_never_pruned() {
    let (mut companion, client, alice) = companion_with_alice();
    let log_in_and_out = || log_out(&client, &alice.login(&client).unwrap());
    log_in_and_out();
    let mut away = Gateway::synced(&companion, 1, "60").unwrap();
    log_in_and_out();
    log_in_and_out();
    let mut present = Gateway::synced(&companion, 2, "60").unwrap();
    // Ten minutes at least, though the tokens have expired.
    companion.advance_seconds(599);
    companion.prune().unwrap();
    away.reconnect(&companion).unwrap();
    assert_eq!(away.ask(&away.cursor().to_string(), 0).unwrap().status, 200);
    assert_eq!(stored::<u32>(&companion, "SELECT COUNT(*) FROM feed"), 4);

    companion.advance_seconds(HOUR);
    companion.prune().unwrap();
    assert_eq!(stored::<u32>(&companion, "SELECT COUNT(*) FROM feed"), 2);
    away.reconnect(&companion).unwrap();
    present.reconnect(&companion).unwrap();
    let page = present.poll(0).unwrap();
    assert_eq!((page.after, page.seq), (4, 4));
    let page = away.poll(0).unwrap();
    assert_eq!(
        (page.after, page.seq, page.keys, page.more),
        (0, 4, 1, false)
    );
}

/// RV-07, RV-18: more than one page holds goes out in several, and none is lost.
#[test]
fn two_thousand_and_more_revocations_come_in_several_pages() {
    let companion =
        Companion::with(|settings| settings.sessions.most_per_account = 10_000).unwrap();
    let client = companion.client().unwrap();
    let alice = companion.account("alice").unwrap().login(&client).unwrap();
    let id = in_sql(&companion, "randomblob(16)", "uuid_send(gen_random_uuid())");
    let copies = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4100)
         INSERT INTO sessions (id, account, generation, rotated_at, mac_key_version, latest_exp, auth_time, acr, amr,
             created_at, last_seen_at, idle_deadline, absolute_deadline, ended_at, receipt, ip, user_agent, label)
         SELECT {id}, account, generation, rotated_at, mac_key_version, latest_exp, auth_time, acr,
             amr, created_at, last_seen_at, idle_deadline, absolute_deadline, ended_at, receipt, ip, user_agent, label
         FROM sessions, n"
    );
    tamper(&companion, &copies);
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let end = client
        .delete("/auth/v1/sessions?scope=all")
        .bearer(&alice.access);
    let receipt = end.header("prefer", "respond-async").send().unwrap();
    assert_eq!(
        (receipt.status, &receipt.json()["revocation"]["sessions"]),
        (202, &json!(4101))
    );
    let pages: Vec<Page> = (0..3).map(|_| gateway.poll(0).unwrap()).collect();
    let shape = |page: &Page| (page.after, page.seq, page.revoked.len(), page.more);
    assert_eq!(
        pages.iter().map(shape).collect::<Vec<_>>(),
        [
            (1, 2001, 2000, true),
            (2001, 4001, 2000, true),
            (4001, 4102, 101, false)
        ]
    );
    assert_eq!(gateway.known(), 4101);
    // Not before the last page has been acknowledged.
    let look = format!("/auth/v1/revocations/{}", receipt.string("/revocation/id"));
    let applied =
        || client.get(&look).send().unwrap().json()["revocation"]["gateways"]["applied"].clone();
    assert_eq!(applied(), 0);
    gateway.poll(0).unwrap();
    assert_eq!(applied(), 1);
}

/// Design section 4: without news the answer comes after the hold, as a heartbeat; logins and refreshes are no news.
#[test]
fn a_heartbeat_comes_after_the_hold() {
    let (companion, client, alice) = companion_with_alice();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let tokens = alice.login(&client).unwrap();
    thread::scope(|scope| {
        let watch = Stopwatch::start();
        let held = scope.spawn(|| gateway.poll(1).unwrap());
        companion.advance_seconds(3);
        tokens.refresh(&client).unwrap();
        let page = held.join().unwrap();
        assert!(watch.elapsed() >= SECOND, "{}", watch.milliseconds());
        assert!(page.revoked.is_empty());
        // The time of its read, not of the poll's arrival.
        assert_eq!(page.iat.seconds(), companion.now());
    });
}

/// RV-01, design section 4: a held poll is answered the moment something is revoked; all of them are.
#[test]
fn every_held_poll_is_answered_at_once_when_a_session_ends() {
    let (companion, client, alice) = companion_with_alice();
    let tokens = alice.login(&client).unwrap();
    let synced = |number| Mutex::new(Gateway::synced(&companion, number, "60").unwrap());
    let gateways: Vec<_> = (0..20).map(synced).collect();
    let answered = at_once(21, |number| {
        let Some(gateway) = gateways.get(number) else {
            // The polls are under way by then; one that is late is answered at once all the same.
            thread::sleep(SECOND / 2);
            let logout = client
                .delete("/auth/v1/sessions/current")
                .bearer(&tokens.access);
            logout.header("prefer", "respond-async").send().unwrap();
            return Duration::ZERO;
        };
        let watch = Stopwatch::start();
        let page = gateway.lock().unwrap().poll(20).unwrap();
        assert_eq!(page.revoked.len(), 1);
        watch.elapsed()
    });
    assert!(
        answered.iter().all(|after| *after < 5 * SECOND),
        "{answered:?}"
    );
}

/// Section 4: stopping the companion answers what it holds, so that no gateway waits for a dead connection.
#[test]
fn held_polls_are_answered_when_the_companion_stops() {
    let mut companion = Companion::start().unwrap();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    thread::scope(|scope| {
        let watch = Stopwatch::start();
        let held = scope.spawn(|| gateway.poll(20).unwrap());
        thread::sleep(SECOND / 2);
        companion.stop().unwrap();
        assert!(held.join().unwrap().revoked.is_empty());
        assert!(watch.elapsed() < 10 * SECOND);
    });
}

/// RV-08: an entry is kept until the latest `exp` minted for the session, also when tokens live shorter by now.
#[test]
fn a_revocation_outlasts_tokens_that_were_made_when_they_lived_longer() {
    let mut companion =
        Companion::with(|settings| settings.tokens.access_lifetime = Span::seconds(900)).unwrap();
    let alice = companion.account("alice").unwrap();
    let long_lived = alice.login(&companion.client().unwrap()).unwrap();
    companion.change(|settings| settings.tokens.access_lifetime = Span::seconds(60));
    companion.restart().unwrap();
    let client = companion.client().unwrap();
    let short_lived = long_lived.refresh(&client).unwrap();
    let exp = |tokens| claims(tokens)["exp"].as_i64().unwrap();
    assert!(exp(&short_lived) < exp(&long_lived));
    log_out(&client, &short_lived);
    let gateway = Gateway::synced(&companion, 1, "60").unwrap();
    assert_eq!(
        gateway.revoked(&long_lived.session).unwrap().seconds(),
        exp(&long_lived)
    );
}
