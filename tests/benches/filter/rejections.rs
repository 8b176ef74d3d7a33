//! Requests that are refused: no class of token may buy more work than another (RL-10), least of all by its size (TV-26).

use std::collections::BTreeMap;

use tests::forge::hostile;
use tests::gateway::config;
use tests::host::{Host, get};
use tests::issuer::{START, issuer, session};

use crate::table::{Row, print};

const ROUNDS: usize = 60;
const NORMAL: &str = "normal: another key's signature";

/// Whether both bounds hold.
pub(crate) fn run() -> bool {
    let mut host = Host::latchkey(&config()).vms(1);
    host.sync();
    let alice = session("alice");
    let good = issuer().access_token(&alice);
    let (signed, _) = good.rsplit_once('.').expect("three parts");
    let other = issuer().access_token(&session("bob"));
    let (_, signature) = other.rsplit_once('.').expect("three parts");
    let mut tokens = vec![(NORMAL.to_owned(), format!("{signed}.{signature}"))];
    for (name, size) in [("64 KiB of letters", 64), ("8 KiB of letters", 8)] {
        tokens.push((format!("size: {name}"), "a".repeat(size * 1024)));
    }
    tokens.push(("size: 60 KiB of dots".to_owned(), ".".repeat(60 * 1024)));
    tokens.push((
        "size: a header part of 7 KiB".to_owned(),
        format!("{}.e30.AAAA", "A".repeat(7 * 1024)),
    ));
    tokens.push((
        "size: a payload of 7 KiB, not signed".to_owned(),
        format!(
            "{}.{}.{signature}",
            signed.split('.').next().expect("a part"),
            "A".repeat(7 * 1024)
        ),
    ));
    let all = hostile(&issuer(), &alice, START);
    tokens.extend(
        all.into_iter()
            .map(|token| (token.class.to_owned(), token.token)),
    );

    let mut rows = BTreeMap::<String, Row>::new();
    for round in 0..ROUNDS {
        for (class, token) in &tokens {
            let row = rows.entry(class.clone()).or_insert_with(|| Row::new(class));
            // A 99th percentile of few samples would be their largest.
            let is_held_to_it = class == NORMAL || class.starts_with("size");
            for _ in 0..if is_held_to_it { 10 } else { 1 } {
                let request = get("/orders").bearer(token);
                let reply = if round == 0 {
                    host.vm(0).request(request)
                } else {
                    row.time(|| host.vm(0).request(request))
                };
                assert!(!reply.passed(), "{class} passed");
            }
        }
    }
    let mut rows: Vec<_> = rows.into_values().collect();
    rows.sort_by(|a, b| b.median().total_cmp(&a.median()));
    print("Requests that are refused (wasmtime host)", NORMAL, &rows);
    verdict(&rows)
}

/// A refusal that needs the signature check is the normal one: anybody can ask for it with any token of the right form. What is
/// refused before that is cheaper, so the classes have two levels; that is no bound, and how far they lie apart depends on the crypto.
fn verdict(rows: &[Row]) -> bool {
    let normal = rows.iter().find(|row| row.name == NORMAL).expect(NORMAL);
    let (worst, best) = (&rows[0], &rows[rows.len() - 1]);
    let slowest = worst.median() / normal.median();
    println!(
        "\nRL-10  slowest class ({}) to a normal refusal: {slowest:.2} (at most 5); fastest ({}): {:.2}",
        worst.name,
        best.name,
        best.median() / normal.median()
    );
    let sizes = rows.iter().filter(|row| row.name.starts_with("size"));
    let largest = sizes.map(Row::p99).fold(0.0, f64::max) / normal.p99();
    println!("TV-26  oversized tokens to a normal refusal, at p99: {largest:.2} (below 2)");
    slowest <= 5.0 && largest < 2.0
}
