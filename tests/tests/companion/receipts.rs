//! Receipts: a 200 means that no gateway can accept the token any more; less than that is a 202 with a time.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tests::client::{Answer, Client};
use tests::companion::{Companion, Gateway};
use tests::visitor::{Tokens, Visitor};
use tests::watch::Stopwatch;

use crate::{DAY, HOUR, MINUTE, claims, companion_with_alice, refusal};

const SECOND: Duration = Duration::from_secs(1);

/// A session that ends, and how long its caller waits for the receipt.
fn log_out(client: &Client, alice: &Visitor, prefer: &str) -> (Tokens, Answer) {
    let tokens = alice.login(client).unwrap();
    let logout = client
        .delete("/auth/v1/sessions/current")
        .bearer(&tokens.access);
    let answer = logout.header("prefer", prefer).send().unwrap();
    (tokens, answer)
}

/// Status, live and applied.
fn told(answer: &Answer) -> (u16, Value, Value) {
    let gateways = &answer.json()["revocation"]["gateways"];
    (
        answer.status,
        gateways["live"].clone(),
        gateways["applied"].clone(),
    )
}

fn effective_by(answer: &Answer) -> String {
    answer.string("/revocation/effective_by")
}

/// The state of the receipt as anybody who knows its id sees it.
fn look(client: &Client, receipt: &Answer) -> (Value, Value) {
    let path = format!("/auth/v1/revocations/{}", receipt.string("/revocation/id"));
    let answer = client
        .get(&path)
        .send()
        .unwrap()
        .expect(200, "the receipt")
        .unwrap();
    let (_, live, applied) = told(&answer);
    (live, applied)
}

fn counts(live: u64, applied: u64) -> (Value, Value) {
    (json!(live), json!(applied))
}

/// Design section 4, "Receipt": a gateway that does not acknowledge may accept for as long as it said that it would.
#[test]
fn a_silent_gateway_makes_the_receipt_a_202_with_a_time() {
    let (companion, client, alice) = companion_with_alice();
    Gateway::synced(&companion, 1, "60").unwrap();
    let watch = Stopwatch::start();
    let (tokens, answer) = log_out(&client, &alice, "");
    assert!(
        (SECOND..3 * SECOND).contains(&watch.elapsed()),
        "{}",
        watch.milliseconds()
    );
    assert_eq!(told(&answer), (202, json!(1), json!(0)));
    assert_eq!(effective_by(&answer), "2027-01-15T08:01:00Z");
    // It is over here all the same.
    assert!(!crate::is_alive(&client, &tokens));
}

/// What makes a 200 true: the cursor with the right mark, and nothing else, acknowledges.
#[test]
fn only_the_right_mark_acknowledges() {
    let (companion, client, alice) = companion_with_alice();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    let before = gateway.cursor();
    let (_, receipt) = log_out(&client, &alice, "respond-async");
    assert_eq!(told(&receipt), (202, json!(1), json!(0)));
    // Having been sent the page is not having applied it.
    let page = gateway.poll(0).unwrap();
    assert_eq!(look(&client, &receipt), counts(1, 0));
    let number = page.seq;
    let mark = before.mark.unwrap();
    for cursor in [
        "0".to_owned(),
        before.to_string(),
        format!("{number}.{mark}"),
        format!("{number}.0000000000000000"),
        format!("{}.{}", number + 1, page.mark.unwrap()),
        format!("9007199254740991.{}", page.mark.unwrap()),
    ] {
        gateway.ask(&cursor, 0).unwrap();
        assert_eq!(look(&client, &receipt), counts(1, 0), "{cursor}");
    }
    gateway.poll(0).unwrap();
    assert_eq!(look(&client, &receipt), counts(1, 1));
    // A cursor of another history takes the acknowledgement back.
    gateway.ask(&format!("{number}.{mark}"), 0).unwrap();
    assert_eq!(look(&client, &receipt), counts(1, 0));
}

/// RV-01: the caller is answered as soon as every gateway has acknowledged, however long it would wait.
#[test]
fn the_caller_is_answered_when_the_last_gateway_has_acknowledged() {
    let (companion, client, alice) = companion_with_alice();
    let mut gateways = [1, 2, 3].map(|name| Gateway::synced(&companion, name, "60").unwrap());
    let tokens = alice.login(&client).unwrap();
    thread::scope(|scope| {
        let polls = gateways.each_mut().map(|gateway| {
            scope.spawn(move || {
                assert_eq!(gateway.poll(20).unwrap().revoked.len(), 1);
                // The poll that acknowledges is held in its turn, until the hold is over.
                gateway.poll(1).unwrap();
            })
        });
        let watch = Stopwatch::start();
        let logout = client
            .delete("/auth/v1/sessions/current")
            .bearer(&tokens.access);
        let answer = logout.header("prefer", "wait=20").send().unwrap();
        assert!(watch.elapsed() < 10 * SECOND, "{}", watch.milliseconds());
        assert_eq!(told(&answer), (200, json!(3), json!(3)));
        assert_eq!(effective_by(&answer), "2027-01-15T08:00:00Z");
        for poll in polls {
            poll.join().unwrap();
        }
    });
}

/// RFC 7240: `wait=N` waits so long, `respond-async` not at all.
#[test]
fn the_caller_says_how_long_it_waits() {
    let (companion, client, alice) = companion_with_alice();
    Gateway::synced(&companion, 1, "60").unwrap();
    for (prefer, least, most) in [
        ("respond-async", 0, 1),
        ("wait=0", 0, 1),
        ("wait=2", 2, 4),
        ("handling=lenient", 1, 3),
    ] {
        let tokens = alice.login(&client).unwrap();
        let watch = Stopwatch::start();
        let logout = client
            .delete("/auth/v1/sessions/current")
            .bearer(&tokens.access);
        let answer = logout.header("prefer", prefer).send().unwrap();
        assert_eq!(answer.status, 202);
        let waited = watch.elapsed();
        assert!(
            (least * SECOND..most * SECOND).contains(&waited),
            "{prefer}: {waited:?}"
        );
    }
}

/// Companions that share a store count a gateway for as long as the store says: up to a minute longer, for it may poll at another one.
fn ahead(companion: &Companion) -> u64 {
    if companion.database().is_some() {
        MINUTE
    } else {
        0
    }
}

/// Design section 4 (b): a gateway counts until it denies by itself: its last poll, the staleness that it reported, a second.
#[test]
fn a_gateway_that_denies_by_itself_is_not_waited_for() {
    let (companion, client, alice) = companion_with_alice();
    let mut gateway = Gateway::synced(&companion, 1, "5").unwrap();
    companion.advance_seconds(6 + ahead(&companion));
    let (_, receipt) = log_out(&client, &alice, "respond-async");
    assert_eq!(told(&receipt), (202, json!(1), json!(0)));
    let minute = ahead(&companion) / MINUTE;
    assert_eq!(
        effective_by(&receipt),
        format!("2027-01-15T08:{minute:02}:11Z")
    );
    companion.advance(Duration::from_millis(1));
    assert_eq!(look(&client, &receipt), counts(0, 0));
    let (_, receipt) = log_out(&client, &alice, "respond-async");
    assert_eq!(told(&receipt), (200, json!(0), json!(0)));
    // It comes back, and has to catch up before it counts as one that knows.
    gateway.poll(0).unwrap();
    assert_eq!(look(&client, &receipt), counts(1, 0));
    gateway.poll(0).unwrap();
    assert_eq!(look(&client, &receipt), counts(1, 1));
}

/// Design section 4: a gateway with `on_stale: allow` may accept for ever: the bound is the token's own end, and it counts for a day.
#[test]
fn a_gateway_that_never_gets_stale_counts_for_a_day() {
    let (companion, client, alice) = companion_with_alice();
    Gateway::synced(&companion, 1, "none").unwrap();
    let (tokens, receipt) = log_out(&client, &alice, "respond-async");
    assert_eq!(told(&receipt), (202, json!(1), json!(0)));
    let latest = claims(&tokens)["exp"].as_i64().unwrap() + 120 - companion.now();
    let expected = format!("2027-01-15T08:{:02}:{:02}Z", latest / 60, latest % 60);
    assert_eq!(effective_by(&receipt), expected);
    companion.advance_seconds(DAY + ahead(&companion));
    assert_eq!(look(&client, &receipt), counts(1, 0));
    companion.advance(Duration::from_millis(1));
    assert_eq!(look(&client, &receipt), counts(0, 0));
}

/// Design section 4: `effective_by` is the longest staleness of those missing, never later than the last token.
#[test]
fn effective_by_is_the_longest_staleness_of_those_missing() {
    let (companion, client, alice) = companion_with_alice();
    let mut gateways = [(1, "30"), (2, "200"), (3, "3600")]
        .map(|(name, staleness)| Gateway::synced(&companion, name, staleness).unwrap());
    let (tokens, receipt) = log_out(&client, &alice, "respond-async");
    let latest = claims(&tokens)["exp"].as_i64().unwrap() + 120 - companion.now();
    assert_eq!(
        effective_by(&receipt),
        format!("2027-01-15T08:{:02}:{:02}Z", latest / 60, latest % 60)
    );
    gateways[2].catch_up().unwrap();
    let path = format!("/auth/v1/revocations/{}", receipt.string("/revocation/id"));
    let by = || effective_by(&client.get(&path).send().unwrap());
    assert_eq!(by(), "2027-01-15T08:03:20Z");
    gateways[1].catch_up().unwrap();
    assert_eq!(by(), "2027-01-15T08:00:30Z");
    companion.advance_seconds(3);
    gateways[0].catch_up().unwrap();
    assert_eq!(by(), "2027-01-15T08:00:03Z");
}

/// Design section 4 (c): a gateway that registers after the revocation counts too, and finds it in its first page.
#[test]
fn a_gateway_that_comes_later_finds_the_revocation_in_its_first_page() {
    let (companion, client, alice) = companion_with_alice();
    let (tokens, receipt) = log_out(&client, &alice, "");
    assert_eq!(told(&receipt), (200, json!(0), json!(0)));
    let mut gateway = Gateway::new(&companion, 1, "60").unwrap();
    gateway.poll(0).unwrap();
    assert!(gateway.revoked(&tokens.session).is_some());
    assert_eq!(look(&client, &receipt), counts(1, 0));
    gateway.poll(0).unwrap();
    assert_eq!(look(&client, &receipt), counts(1, 1));
}

/// Design section 4 (b): a companion that comes up again, after a stop or a kill, waits for the gateways that it knew.
#[test]
fn a_restarted_companion_waits_for_the_gateways_that_it_knew() {
    let (mut companion, _, alice) = companion_with_alice();
    let mut gateway = Gateway::synced(&companion, 1, "60").unwrap();
    companion.advance_seconds(50);
    // A heartbeat that cost no write.
    gateway.poll(0).unwrap();
    let survivor = companion.survivor().unwrap();
    companion.restart().unwrap();
    companion.advance_seconds(61);
    for companion in [&companion, &survivor] {
        let (_, receipt) = log_out(&companion.client().unwrap(), &alice, "respond-async");
        assert_eq!(told(&receipt), (202, json!(1), json!(0)));
    }
    let client = companion.client().unwrap();
    let (_, receipt) = log_out(&client, &alice, "respond-async");
    gateway.reconnect(&companion).unwrap();
    gateway.catch_up().unwrap();
    assert_eq!(look(&client, &receipt), counts(1, 1));
}

/// Design section 10: who knows the id sees the state; nobody makes an id from a number.
#[test]
fn a_receipt_is_shown_to_who_knows_its_id() {
    let (mut companion, client, alice) = companion_with_alice();
    let receipts: Vec<String> = (0..2)
        .map(|_| log_out(&client, &alice, "").1.string("/revocation/id"))
        .collect();
    let get = |client: &Client, id: &str| {
        client
            .get(&format!("/auth/v1/revocations/{id}"))
            .send()
            .unwrap()
    };
    let shown = get(&client, &receipts[0]);
    assert_eq!(
        shown.json(),
        json!({ "revocation": {
            "id": receipts[0], "seq": 2, "sessions": 1, "gateways": { "live": 0, "applied": 0 },
            "effective_by": "2027-01-15T08:00:00Z",
        } })
    );
    let (first, second) = (
        receipts[0].split_once('.').unwrap(),
        receipts[1].split_once('.').unwrap(),
    );
    let flipped = if first.1.starts_with('A') { "B" } else { "A" };
    for id in [
        format!("{}.{}", first.0, second.1),
        format!("{}.{flipped}{}", first.0, &first.1[1..]),
        format!("{}.{}", first.0, &first.1[..21]),
        format!("{}.", first.0),
        format!("{}.{}A", first.0, first.1),
        format!("0{}.{}", first.0, first.1),
        format!("+{}.{}", first.0, first.1),
        first.0.to_owned(),
        first.1.to_owned(),
        format!("-1.{}", first.1),
        format!("18446744073709551616.{}", first.1),
        "x".to_owned(),
    ] {
        assert_eq!(
            refusal(&get(&client, &id)),
            (404, "not_found".to_owned()),
            "{id}"
        );
    }
    companion.advance_seconds(HOUR);
    companion.prune().unwrap();
    let client = companion.client().unwrap();
    assert_eq!(get(&client, &receipts[0]).status, 200);
    companion.advance_seconds(31 * DAY);
    companion.prune().unwrap();
    assert_eq!(get(&companion.client().unwrap(), &receipts[0]).status, 404);
}

/// Section 4 (a), invariant 6: the registration is on disk before the gateway has its first page.
#[test]
fn a_gateway_is_on_disk_before_it_has_its_first_page() {
    let companion = Companion::start().unwrap();
    for name in 1..=5 {
        Gateway::new(&companion, name, "60")
            .unwrap()
            .poll(0)
            .unwrap();
        let survivor = companion.survivor().unwrap();
        let known: u32 = crate::stored(&survivor, "SELECT COUNT(*) FROM gateways");
        assert_eq!(known, u32::from(name));
    }
}
