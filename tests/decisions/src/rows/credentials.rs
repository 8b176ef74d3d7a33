//! Where a credential is looked for, in what grammar, and how often.

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Own, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let mut rows = Vec::new();
    grammar(tokens, &mut rows);
    places(tokens, &mut rows);
    repeats(tokens, &mut rows);
    rows
}

fn orders(value: impl AsRef<[u8]>) -> Request {
    Request::get("/orders").header("Authorization", value)
}

fn grammar(tokens: &Tokens, rows: &mut Vec<Row>) {
    let good = tokens.good();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let request = orders(format!("{scheme} {good}"));
        rows.push(row(
            format!("bearer: the scheme as {scheme}"),
            "FR-05",
            request,
            Expected::known(&tokens.alice),
        ));
    }
    let broken = [
        b"Bearer ",
        &good.as_bytes()[..100],
        b"\xff",
        &good.as_bytes()[101..],
    ]
    .concat();
    let values: Vec<(&str, Vec<u8>)> = vec![
        ("no value", b"Bearer".to_vec()),
        ("two blanks", format!("Bearer  {good}").into()),
        ("a tab", format!("Bearer\t{good}").into()),
        ("a word behind it", format!("Bearer {good} x").into()),
        ("quotes", format!("Bearer \"{good}\"").into()),
        ("padding behind it", format!("Bearer {good}=").into()),
        ("a parameter", format!("Bearer token={good}").into()),
        ("a colon", format!("Bearer: {good}").into()),
        ("a semicolon", format!("Bearer {good};x").into()),
        (
            "half a token",
            format!("Bearer {}", &good[..good.len() / 2]).into(),
        ),
        ("dots", b"Bearer ..".to_vec()),
        ("no letters", b"Bearer ==".to_vec()),
        ("bytes of no encoding", b"Bearer \xff\xfe".to_vec()),
        ("a good token with one such byte", broken),
        (
            "an overlong encoding",
            b"Bearer \xc0\xaf\xed\xa0\x80".to_vec(),
        ),
        (
            "such a byte in place of the blank",
            b"Bearer\xffabc".to_vec(),
        ),
        ("percent-encoding", format!("Bearer%20{good}").into()),
        (
            "8 KiB and more",
            format!("Bearer {}", "a".repeat(9 * 1024)).into(),
        ),
        (
            "50 KiB of dots",
            format!("Bearer {}", ".".repeat(50 * 1024)).into(),
        ),
    ];
    for (name, value) in values {
        // RFC 9110 section 11.1: the scheme is a token, which `%` and `:` end or belong to; these are other schemes.
        let expected = match name {
            "percent-encoding" | "a colon" => Expected::missing(),
            _ => Expected::invalid(),
        };
        rows.push(row(
            format!("bearer: {name}"),
            "FR-05 FR-22",
            orders(value),
            expected,
        ));
    }
    for (name, value) in [
        ("Basic", &b"Basic YTpi"[..]),
        ("DPoP", b"DPoP x"),
        ("Digest with commas", b"Digest username=\"a\""),
        ("a scheme that goes on", b"Bearerabc"),
        ("a bare word", b"abc"),
        ("a scheme of high bytes", b"\xff\xfe\xfd abc"),
        ("all high bytes", &(0x80..=0xff).collect::<Vec<u8>>()),
    ] {
        rows.push(row(
            format!("another scheme: {name}"),
            "FR-05 FR-22",
            orders(value),
            Expected::missing(),
        ));
    }
    rows.push(row(
        "an empty authorization",
        "FR-05",
        orders(""),
        Expected::missing(),
    ));
    rows.push(row(
        "a bare token",
        "FR-05",
        orders(&good),
        Expected::missing(),
    ));
}

fn places(tokens: &Tokens, rows: &mut Vec<Row>) {
    let good = tokens.good();
    let form = format!("access_token={good}").into_bytes();
    let mut posted =
        Request::post("/orders").header("Content-Type", "application/x-www-form-urlencoded");
    posted.body = form;
    for (name, request) in [
        ("nowhere", Request::get("/orders")),
        (
            "the query",
            Request::get(format!("/orders?access_token={good}")),
        ),
        ("the body", posted),
        (
            "X-Authorization",
            Request::get("/orders").header("X-Authorization", format!("Bearer {good}")),
        ),
        (
            "Proxy-Authorization",
            Request::get("/orders").header("Proxy-Authorization", format!("Bearer {good}")),
        ),
        (
            "X-Forwarded-Access-Token",
            Request::get("/orders").header("X-Forwarded-Access-Token", &good),
        ),
        (
            "a trailer",
            Request::post("/orders").trailer("authorization", &format!("Bearer {good}")),
        ),
        (
            "the user's part of the host",
            Request::get("/orders").header("Referer", format!("https://{good}@www.example.com/")),
        ),
    ] {
        rows.push(row(
            format!("a good token in {name}"),
            "FR-04 FR-16",
            request,
            Expected::missing(),
        ));
    }
}

fn repeats(tokens: &Tokens, rows: &mut Vec<Row>) {
    let (good, revoked) = (tokens.good(), tokens.revoked());
    let get = || Request::get("/orders");
    for (name, request) in [
        ("the same twice", get().bearer(&good).bearer(&good)),
        (
            "a good one, then a bad one",
            get().bearer(&good).bearer("bad"),
        ),
        (
            "a bad one, then a good one",
            get().bearer("bad").bearer(&good),
        ),
        (
            "a revoked one, then a good one",
            get().bearer(&revoked).bearer(&good),
        ),
        (
            "in two spellings of the name",
            get()
                .bearer(&good)
                .header("AUTHORIZATION", format!("Bearer {good}")),
        ),
        (
            "another scheme first",
            get().header("Authorization", "Basic YTpi").bearer(&good),
        ),
        (
            "another scheme second",
            get().bearer(&good).header("Authorization", "Basic YTpi"),
        ),
        (
            "two of another scheme",
            get()
                .header("Authorization", "Basic YTpi")
                .header("Authorization", "Basic YTpi"),
        ),
        (
            "an empty one first",
            get().header("Authorization", "").bearer(&good),
        ),
        (
            "an empty one second",
            get().bearer(&good).header("Authorization", ""),
        ),
        (
            "a list in one line",
            orders(format!("Bearer {good},Bearer {good}")),
        ),
        (
            "a list with a blank",
            orders(format!("Bearer {good}, Bearer {good}")),
        ),
        (
            "a list with another scheme",
            orders(format!("Basic YTpi, Bearer {good}")),
        ),
        ("a comma behind it", orders(format!("Bearer {good},"))),
        ("a comma before it", orders(format!(",Bearer {good}"))),
        ("header and cookie", get().bearer(&good).cookie(&good)),
        ("header and a bad cookie", get().bearer(&good).cookie("bad")),
        (
            "a bad header and the cookie",
            get().bearer("bad").cookie(&good),
        ),
        (
            "a malformed header and the cookie",
            get().header("Authorization", "Bearer").cookie(&good),
        ),
        ("header and an empty cookie", get().bearer(&good).cookie("")),
        (
            "header and two cookies",
            get().bearer(&good).cookie(&good).cookie(&good),
        ),
    ] {
        let mut two = row(
            format!("two credentials: {name}"),
            "FR-02 FR-03",
            request,
            Expected::many(),
        );
        if name.starts_with("an empty one") {
            // Envoy joins repeats, and an empty one leaves nothing behind.
            two = two.envoy(Own::Decides(Expected::known(&tokens.alice)));
        }
        rows.push(two);
    }
    let basic = get().header("Authorization", "Basic YTpi").cookie(&good);
    let expected = Expected::known(&tokens.alice).with_authorization("Basic YTpi");
    rows.push(row(
        "another scheme beside the cookie is none",
        "FR-03 FR-05",
        basic,
        expected,
    ));
}
