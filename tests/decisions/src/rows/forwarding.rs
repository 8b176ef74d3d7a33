//! Whether a credential reaches the app, and configurations that take another one or none.

use super::Tokens;
use crate::configuration::Configuration;
use crate::request::Request;
use crate::row::{Expected, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let mut rows = Vec::new();
    ends(tokens, &mut rows);
    cookie_only(tokens, &mut rows);
    plain(tokens, &mut rows);
    rows
}

fn ends(tokens: &Tokens, rows: &mut Vec<Row>) {
    let good = tokens.good();
    let bearer = format!("Bearer {good}");
    let known = || Expected::known(&tokens.alice);
    let both = |path: &str| {
        Request::get(path)
            .header("Authorization", &bearer)
            .header("Cookie", format!("a=1; __Host-access={good}; b=2"))
    };
    let with_cookie =
        |path: &str| Request::get(path).header("Cookie", format!("a=1; __Host-access={good}; b=2"));
    for (name, request, expected) in [
        (
            "at a protected path",
            Request::get("/orders").bearer(&good),
            known(),
        ),
        (
            "at an optional path",
            Request::get("/news").bearer(&good),
            known(),
        ),
        (
            "at a public path, both",
            both("/public"),
            Expected::anonymous().with_cookies(&["a=1", "b=2"]),
        ),
        (
            "at a public path, a malformed one",
            Request::get("/public").header("Authorization", "Bearer"),
            Expected::anonymous(),
        ),
        (
            "at a public path, a list",
            Request::get("/public").header("Authorization", format!("Basic x, {bearer}")),
            Expected::anonymous(),
        ),
        (
            "at a public path, twice",
            Request::get("/public")
                .bearer(&good)
                .header("Authorization", "Basic x"),
            Expected::anonymous(),
        ),
        (
            "at a public path, another scheme is the app's",
            Request::get("/public").header("Authorization", "Basic YTpi"),
            Expected::anonymous().with_authorization("Basic YTpi"),
        ),
        (
            "the cookie among others",
            with_cookie("/orders"),
            known().with_cookies(&["a=1", "b=2"]),
        ),
        (
            "forwarded by the rule, header",
            Request::get("/forwarded").bearer(&good),
            known().with_authorization(&bearer),
        ),
        (
            "forwarded by the rule, cookie",
            with_cookie("/forwarded"),
            known().with_cookies(&["a=1", &format!("__Host-access={good}"), "b=2"]),
        ),
        (
            "forwarded by a public rule",
            both("/auth/v1/sessions"),
            Expected::anonymous()
                .with_authorization(&bearer)
                .with_cookies(&["a=1", &format!("__Host-access={good}"), "b=2"]),
        ),
        (
            "forwarded by a public rule, a bad one",
            Request::get("/auth/v1/sessions").bearer("bad"),
            Expected::anonymous().with_authorization("Bearer bad"),
        ),
    ] {
        rows.push(row(
            format!("where it ends: {name}"),
            "FR-18",
            request,
            expected,
        ));
    }
    let identity = || {
        Expected::identified(&[
            ("remote-user", &tokens.alice.subject.to_string()),
            ("x.client_id", "latchkey"),
        ])
    };
    for (name, request, expected) in [
        (
            "everywhere, header",
            Request::get("/orders").bearer(&good),
            identity().with_authorization(&bearer),
        ),
        (
            "everywhere, cookie",
            with_cookie("/orders"),
            identity().with_cookies(&["a=1", &format!("__Host-access={good}"), "b=2"]),
        ),
        (
            "everywhere, at a public path",
            Request::get("/public").bearer(&good),
            Expected::anonymous().with_authorization(&bearer),
        ),
        (
            "everywhere but at one rule",
            Request::get("/kept").bearer(&good),
            identity(),
        ),
        (
            "everywhere but at one rule, cookie",
            with_cookie("/kept"),
            identity().with_cookies(&["a=1", "b=2"]),
        ),
    ] {
        rows.push(
            row(format!("forwarded {name}"), "FR-18", request, expected)
                .on(Configuration::Forwarding),
        );
    }
}

fn cookie_only(tokens: &Tokens, rows: &mut Vec<Row>) {
    let good = tokens.good();
    for (name, request, expected) in [
        (
            "the cookie",
            Request::get("/orders").cookie(&good),
            Expected::known(&tokens.alice),
        ),
        (
            "the header is none",
            Request::get("/orders").bearer(&good),
            Expected::missing(),
        ),
        (
            "the header ends here all the same",
            Request::get("/public").bearer(&good),
            Expected::anonymous(),
        ),
        (
            "the header twice",
            Request::get("/orders").bearer(&good).bearer(&good),
            Expected::many(),
        ),
        (
            "a cross-site POST",
            Request::post("/orders").cookie(&good),
            Expected::cross_origin(),
        ),
        (
            "no origin is allowed",
            Request::post("/orders")
                .cookie(&good)
                .header("Origin", "https://www.example.com"),
            Expected::cross_origin(),
        ),
        (
            "a request of our own page",
            Request::post("/orders")
                .cookie(&good)
                .header("Sec-Fetch-Site", "same-origin"),
            Expected::known(&tokens.alice),
        ),
        (
            "no login page",
            Request::get("/orders").header("Sec-Fetch-Mode", "navigate"),
            Expected::missing(),
        ),
    ] {
        let row = row(
            format!("only the cookie counts: {name}"),
            "FR-03 CK-05 FR-18",
            request,
            expected,
        );
        rows.push(row.on(Configuration::CookieOnly));
    }
}

/// CF-04: the least that there can be.
fn plain(tokens: &Tokens, rows: &mut Vec<Row>) {
    let good = tokens.good();
    let cookie = format!("__Host-access={good}");
    for (name, request, expected) in [
        (
            "a good token",
            Request::get("/orders").bearer(&good),
            Expected::anonymous(),
        ),
        (
            "no credential",
            Request::get("/orders"),
            Expected::missing(),
        ),
        (
            "a bad token",
            Request::get("/orders").bearer("bad"),
            Expected::invalid(),
        ),
        (
            "a revoked token",
            Request::get("/orders").bearer(tokens.revoked()),
            Expected::invalid(),
        ),
        (
            "two credentials",
            Request::get("/orders").bearer(&good).bearer(&good),
            Expected::many(),
        ),
        (
            "the cookie is none",
            Request::get("/orders").cookie(&good),
            Expected::missing(),
        ),
        (
            "a cookie beside the token is the app's",
            Request::get("/orders").bearer(&good).cookie(&good),
            Expected::anonymous().with_cookies(&[&cookie]),
        ),
        (
            "no path is public",
            Request::get("/auth/v1/sessions"),
            Expected::missing(),
        ),
        (
            "no login page",
            Request::get("/orders").header("Sec-Fetch-Mode", "navigate"),
            Expected::missing(),
        ),
        (
            "a POST needs no origin",
            Request::post("/orders")
                .bearer(&good)
                .header("Origin", "https://evil.test"),
            Expected::anonymous(),
        ),
        (
            "a made-up identity",
            Request::get("/orders")
                .bearer(&good)
                .header("x-auth-subject", "admin"),
            Expected::anonymous(),
        ),
        (
            "any host",
            Request::get("/orders").bearer(&good).host("a..b"),
            Expected::anonymous(),
        ),
    ] {
        rows.push(
            row(
                format!("the least configuration: {name}"),
                "CF-04 FR-26",
                request,
                expected,
            )
            .on(Configuration::Plain),
        );
    }
}
