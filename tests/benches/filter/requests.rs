//! Requests that pass: seen before, seen for the first time, and with much around them.

use serde_json::json;
use tests::forge::both_spellings_of_ed25519;
use tests::gateway::{NextPage, config, page};
use tests::host::{Host, Request, get};
use tests::issuer::{START, issuer, session};
use token::{SessionId, UnixTime};

use crate::table::{Row, print};

const ROUNDS: usize = 1_500;
/// Each needs a token of its own.
const FIRST_SIGHTS: usize = 150;

pub(crate) fn run() {
    let hot = "hot: a token seen before";
    let mut rows = hot_requests(hot);
    rows.extend(first_sights());
    print("Requests that pass (wasmtime host)", hot, &rows);
}

fn host() -> Host {
    let mut cookies = config();
    cookies["credentials"] = json!({ "header": true, "cookie": "__Host-access" });
    let mut host = Host::latchkey(&cookies).vms(1);
    host.sync();
    host
}

fn hot_requests(hot: &str) -> Vec<Row> {
    let alice = session("alice");
    let token = issuer().access_token(&alice);
    let mut many = get("/orders").bearer(&token);
    for number in 0..100 {
        many = many.header(format!("x-other-{number}"), "some value of some length");
    }
    let cookies = "name=value; ".repeat(16 * 1024 / 12);
    let in_cookie = format!("{cookies}__Host-access={token}");
    let fetch = |request: Request| request.header("sec-fetch-site", "same-origin");
    let plain = vec![
        ("no token needed".to_owned(), get("/public")),
        (hot.to_owned(), get("/orders").bearer(&token)),
        ("hot, 100 further headers".to_owned(), many),
        (
            "hot, another header of 16 KiB".to_owned(),
            get("/orders").bearer(&token).header("x-other", &cookies),
        ),
        (
            "hot, a cookie header of 16 KiB".to_owned(),
            get("/orders").bearer(&token).header("cookie", &cookies),
        ),
        (
            "hot, the token in a cookie of 16 KiB".to_owned(),
            fetch(get("/orders").header("cookie", in_cookie)),
        ),
    ];
    let mut hosts: Vec<_> = plain
        .into_iter()
        .map(|(name, request)| (Row::new(name), host(), request))
        .collect();
    for entries in [15, 150, 512] {
        let mut host = host();
        fill_bucket(&mut host, alice.id, entries);
        let name = format!("hot, {entries} revocations in its bucket");
        hosts.push((Row::new(name), host, get("/orders").bearer(&token)));
    }
    for round in 0..ROUNDS + 10 {
        for (row, host, request) in &mut hosts {
            let request = request.clone();
            if round < 10 {
                assert!(host.vm(0).request(request).passed(), "{}", row.name);
            } else {
                row.time(|| host.vm(0).request(request));
            }
        }
    }
    hosts.into_iter().map(|(row, ..)| row).collect()
}

/// Other sessions that share the bucket, which the first two bytes of the id name.
fn fill_bucket(host: &mut Host, session: SessionId, entries: u32) {
    let mut page = page();
    for number in 0..entries {
        let mut id = *session.as_bytes();
        id[12..].copy_from_slice(&(0x8000_0000 | number).to_be_bytes());
        page = page.revoking_until(
            SessionId::from_bytes(id),
            UnixTime::from_seconds(host.now() + 600),
        );
    }
    host.answer_feed(page);
}

fn first_sights() -> Vec<Row> {
    let mut native = host();
    let mut guest = Host::latchkey(&config())
        .without_native_verification()
        .vms(1);
    guest.sync();
    let edwards = issuer().with_eddsa();
    let mut eddsa = Host::latchkey(&config()).vms(1);
    eddsa.answer_feed(NextPage::of(&edwards));
    let mut rows = [
        "first sight, ES256 by the host's stand-in",
        "first sight, ES256 in the guest",
        "first sight, EdDSA (always in the guest)",
    ]
    .map(Row::new);
    for number in 0..FIRST_SIGHTS {
        let session = session(&number.to_string());
        let es256 = issuer().access_token(&session);
        let [ed25519, _] = both_spellings_of_ed25519(&edwards, &session, START);
        for (row, host, token) in [
            (0, &mut native, &es256),
            (1, &mut guest, &es256),
            (2, &mut eddsa, &ed25519),
        ] {
            let request = get("/orders").bearer(token);
            assert!(rows[row].time(|| host.vm(0).request(request)).passed());
        }
    }
    rows.into()
}
