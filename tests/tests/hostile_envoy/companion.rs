use std::time::Duration;

use tests::issuer::{ISSUER, Issuer, issuer, signing_key};
use tests::next_page::{NextPage, page};
use tests::stand_in::{Answer, Asked, Call};
use tests::watch::unix_seconds;
use token::{Algorithm, UnixTime};

use crate::siege::{Siege, all, away};

const MIB: usize = 1024 * 1024;

fn raw(text: &str) -> Answer {
    Answer::Raw(text.as_bytes().to_vec())
}

fn seconds_from_now(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(unix_seconds() + seconds)
}

/// FR-15, RV-06: connection refused; and the companion that comes back has never heard of the revocation.
#[test]
fn a_companion_that_is_gone_and_comes_back_without_memory_brings_nobody_back() {
    away();
}

/// RV-18, FR-15: whatever becomes of the connection.
#[test]
fn a_companion_that_is_silent_slow_or_hangs_up_lets_nobody_through_and_keeps_nobody_waiting() {
    all(vec![
        // The health check hears nothing either, and a poll is given up after its hold and 2 s.
        Siege::of_every_call("a black hole", |_| Answer::Never).calls(4),
        Siege::of_every_call("a slow trickle of headers", |_| Answer::Drip {
            bytes: b"HTTP/1.1 200 OK\r\nX: "
                .iter()
                .chain(&[b'a'; 4096])
                .copied()
                .collect(),
            piece: 1,
            pause: Duration::from_millis(50),
        })
        .calls(4),
        Siege::new("a slow trickle of a page", |_| {
            let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n".to_vec();
            bytes.extend([b'a'; 2000]);
            Answer::Drip {
                bytes,
                piece: 1,
                pause: Duration::from_millis(50),
            }
        })
        .calls(4),
        Siege::of_every_call("a closed door", |_| Answer::Close),
        Siege::new("a reset half-way", |_| {
            raw("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\neyJ")
        }),
        Siege::new("another protocol", |_| raw("SSH-2.0-OpenSSH_9.6\r\n")),
    ]);
}

/// RV-18: whatever it answers that is not 200, or is 200 and not a page.
#[test]
fn a_companion_that_answers_anything_but_a_page_lets_nobody_through() {
    all(vec![
        Siege::of_every_call("404", |_| Answer::Status(404)),
        Siege::new("500", |_| Answer::Status(500)),
        Siege::new("204", |_| Answer::Status(204)),
        Siege::new("an odd status", |_| {
            raw("HTTP/1.1 599 ?\r\nContent-Length: 0\r\n\r\n")
        }),
        Siege::new("a redirect", |_| {
            raw(
                "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/gateway/v1/revocations\r\nContent-Length: 0\r\n\r\n",
            )
        }),
        Siege::new("a switch of protocols", |_| {
            raw(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            )
        }),
        Siege::new("a login page", |_| {
            raw(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n<html>log in!</html>",
            )
        }),
        Siege::new("an empty body", |_| Answer::Body(Vec::new())),
        Siege::new("bytes of no encoding", |_| {
            Answer::Body((0..=255).cycle().take(5_000).collect())
        }),
    ]);
}

/// RV-18: 256 KiB are read of an answer, 32 MiB kept by Envoy.
#[test]
fn a_companion_that_sends_without_measure_neither_fills_envoy_nor_stops_it() {
    all(vec![
        Siege::new("a body of 40 MiB", |_| Answer::Body(vec![b'a'; 40 * MIB])),
        Siege::new("a body without an end", |_| {
            let mut bytes =
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40000000\r\n".to_vec();
            bytes.resize(64 * MIB, b'a');
            Answer::Drip {
                bytes,
                piece: MIB / 4,
                pause: Duration::from_millis(20),
            }
        }),
        Siege::new("a page of one byte too many", |_| {
            Answer::Body(vec![b'a'; 256 * 1024 + 1])
        }),
        Siege::new("a header of 200 KiB", |_| {
            raw(&format!(
                "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n",
                "a".repeat(200 * 1024)
            ))
        }),
        Siege::new("ten thousand headers", |_| {
            raw(&format!(
                "HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n",
                "A: b\r\n".repeat(10_000)
            ))
        }),
    ]);
}

fn pages(answer: impl Fn() -> NextPage + Send + Sync + 'static) -> impl Fn(&Call) -> Answer {
    move |_| Answer::Page(Box::new(answer()))
}

/// RV-06, RV-07, RV-09, RV-15: pages that an attacker between companion and gateway can send: altered, made up, or heard before.
#[test]
fn pages_that_are_forged_cut_replayed_or_of_another_time_prove_nothing() {
    let heard = seconds_from_now(0);
    all(vec![
        Siege::new("half a page", |_| {
            Answer::Altered(|mut body| {
                body.truncate(body.len() / 2);
                body
            })
        }),
        Siege::new("a page with a bit that fell over", |_| {
            Answer::Altered(|mut body| {
                let middle = body.len() / 2;
                body[middle] ^= 1;
                body
            })
        }),
        // A page of an unknown key makes the gate ask for the key set, at most once a second.
        Siege::new(
            "a page of another key",
            pages(|| page().signed_by(&signing_key(Algorithm::Es256, 99))),
        )
        .calls(16),
        Siege::new(
            "a page of another issuer",
            pages(|| NextPage::of(&Issuer::named("https://evil.example", 7))),
        ),
        Siege::new(
            "a page of a namesake",
            pages(|| NextPage::of(&Issuer::named(ISSUER, 99))),
        )
        .calls(16),
        // It verifies and continues; only its time says that it was heard before. It is no failure, so polls rest 250 ms.
        Siege::new("a replayed heartbeat", pages(move || page().at(heard))).calls(30),
        Siege::new(
            "a page from the future",
            pages(|| page().at(seconds_from_now(3_600))),
        ),
        Siege::new(
            "a page that continues something else",
            pages(|| page().after(1_000).seq(1_000)),
        ),
        Siege::new("a page that is never the last", pages(|| page().more())).calls(30),
    ]);
}

/// Names a key set that is not held, and answers the fetch of it like this.
fn key_set(document: &[u8]) -> impl Fn(&Call) -> Answer + use<> {
    let document = document.to_vec();
    move |call| match call.asked {
        Asked::Keys => Answer::Body(document.clone()),
        _ => Answer::Page(Box::new(page().keys(99))),
    }
}

/// KR-06, TV-04: no bad set replaces a good one, and no cursor and no freshness moves past a change of keys that was not fetched.
#[test]
fn a_bad_key_set_replaces_nothing_and_acknowledges_nothing() {
    let good = issuer().rotated(99, 42).key_document();
    let with_keys = |keys: &str| {
        format!(r#"{{"v":1,"version":99,"access":{{"keys":[{keys}]}},"feed":{{"keys":[{keys}]}}}}"#)
    };
    let symmetric = r#"{"kty":"oct","kid":"a","alg":"HS256","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let private = good.replacen(
        r#""crv""#,
        r#""d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","crv""#,
        1,
    );
    assert_ne!(private, good);
    let cut = &good[..good.len() - 1];
    // A page and a key set each time.
    let siege = |name, behaviour| Siege::new(name, behaviour).calls(16);
    all(vec![
        siege("an empty answer", key_set(b"")),
        siege("a set without keys", key_set(with_keys("").as_bytes())),
        siege("a symmetric key", key_set(with_keys(symmetric).as_bytes())),
        siege("a private key", key_set(private.as_bytes())),
        siege("half a set", key_set(cut.as_bytes())),
        siege(
            "an older set than the one named",
            key_set(issuer().key_document().as_bytes()),
        ),
        siege("an endless set", key_set(&vec![b'['; MIB])),
    ]);
}
