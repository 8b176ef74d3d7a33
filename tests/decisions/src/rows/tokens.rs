//! Which tokens are good: every hostile class in header and cookie, and what is unusual but right.

use std::collections::BTreeMap;

use serde_json::json;

use super::Tokens;
use crate::forge::{encode, es256, hostile};
use crate::issuer::AUDIENCE;
use crate::request::Request;
use crate::row::{Expected, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut numbers = BTreeMap::<&str, usize>::new();
    for bad in hostile(&tokens.issuer, &tokens.alice, tokens.now) {
        let number = numbers.entry(bad.class).or_default();
        *number += 1;
        // The first of each class also as a cookie and where a token is optional.
        let name = format!("token: {} {number}", bad.class);
        if *number == 1 {
            let optional = Request::get("/news").bearer(&bad.token);
            rows.push(row(
                format!("{name}, optional"),
                bad.class,
                optional,
                Expected::invalid(),
            ));
            let is_value = !bad.token.contains([';', ',']);
            if is_value {
                let cookie = Request::get("/orders").cookie(&bad.token);
                rows.push(row(
                    format!("{name}, as a cookie"),
                    bad.class,
                    cookie,
                    Expected::invalid(),
                ));
            }
        }
        let request = Request::get("/orders").bearer(&bad.token);
        rows.push(row(name, bad.class, request, Expected::invalid()));
    }
    let header = crate::forge::header(&tokens.issuer);
    for typ in ["AT+JWT", "application/at+jwt", "Application/At+JWT"] {
        let mut header = header.clone();
        header["typ"] = json!(typ);
        let token = es256(&header.to_string(), &tokens.payload(&[]).to_string());
        rows.push(row(
            format!("typ: {typ} is right"),
            "TV-17",
            Request::get("/orders").bearer(token),
            Expected::known(&tokens.alice),
        ));
    }
    for (name, claim, value) in [
        ("nbf within the skew", "nbf", tokens.at(25)),
        ("iat within the skew", "iat", tokens.at(25)),
        ("aud as a text", "aud", json!(AUDIENCE)),
        (
            "aud among others",
            "aud",
            json!(["https://other.example.com", AUDIENCE]),
        ),
        ("exp within the skew", "exp", tokens.at(-15)),
        ("the longest life", "exp", tokens.at(900)),
        ("a claim nobody knows", "x", json!({ "a": [1] })),
    ] {
        let token = tokens.with(&[(claim, value)]);
        rows.push(row(
            format!("token: {name} is right"),
            "TV-20 TV-21 TV-19",
            Request::get("/orders").bearer(token),
            Expected::known(&tokens.alice),
        ));
    }
    let good = tokens.good();
    let parts: Vec<_> = good.split('.').collect();
    let junk = encode(b"\xff\xfe");
    for (name, token) in [
        ("header", format!("{junk}.{}.{}", parts[1], parts[2])),
        ("payload", format!("{}.{junk}.{}", parts[0], parts[2])),
        ("signature", format!("{}.{}.{junk}", parts[0], parts[1])),
    ] {
        rows.push(row(
            format!("token: bytes that are no text as its {name}"),
            "TV-15",
            Request::get("/orders").bearer(token),
            Expected::invalid(),
        ));
    }
    rows
}
