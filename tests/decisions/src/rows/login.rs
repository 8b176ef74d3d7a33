//! Browsers without a credential: the way to the login page, and back.

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Own, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let navigate = |request: Request| request.header("Sec-Fetch-Mode", "navigate");
    let html = |request: Request| {
        request.header("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
    };
    let orders = || Request::get("/orders");
    let to_login = || Expected::login("%2Forders");
    let mut rows = Vec::new();
    for (name, request, expected) in [
        ("a GET navigation", navigate(orders()), to_login()),
        (
            "a HEAD navigation",
            navigate(Request::new("HEAD", "/orders")),
            to_login(),
        ),
        ("an old browser", html(orders()), to_login()),
        (
            "an old browser, another case",
            orders().header("Accept", "application/xml, Text/HTML;q=0.1"),
            to_login(),
        ),
        (
            "an old browser's HEAD",
            html(Request::new("HEAD", "/orders")),
            to_login(),
        ),
        (
            "a navigation that takes anything",
            navigate(orders()).header("Accept", "*/*"),
            to_login(),
        ),
        (
            "a navigation to the root",
            navigate(Request::get("/")),
            Expected::login("%2F"),
        ),
        (
            "a fetch that takes html",
            html(orders()).header("Sec-Fetch-Mode", "cors"),
            Expected::missing(),
        ),
        (
            "an image",
            html(orders()).header("Sec-Fetch-Dest", "image"),
            Expected::missing(),
        ),
        (
            "a client that takes anything",
            orders().header("Accept", "*/*"),
            Expected::missing(),
        ),
        (
            "a client that takes json",
            orders().header("Accept", "application/json"),
            Expected::missing(),
        ),
        (
            "a type that begins alike",
            orders().header("Accept", "text/htmlx"),
            Expected::missing(),
        ),
        ("no word about types", orders(), Expected::missing()),
        (
            "a POST navigation",
            navigate(Request::post("/orders")),
            Expected::missing(),
        ),
        (
            "two modes",
            navigate(navigate(orders())),
            Expected::missing(),
        ),
        (
            "a bad token",
            navigate(orders()).bearer("bad"),
            Expected::invalid(),
        ),
        (
            "a bad cookie",
            navigate(orders()).cookie("bad"),
            Expected::invalid(),
        ),
        (
            "an expired cookie",
            navigate(orders()).cookie(tokens.expired()),
            Expected::invalid(),
        ),
        (
            "a revoked cookie",
            navigate(orders()).cookie(tokens.revoked()),
            Expected::invalid(),
        ),
        (
            "two credentials",
            navigate(orders()).bearer("x").bearer("y"),
            Expected::many(),
        ),
        (
            "another scheme",
            navigate(orders()).header("Authorization", "Basic YTpi"),
            to_login(),
        ),
        (
            "a good cookie",
            navigate(orders()).cookie(tokens.good()),
            Expected::known(&tokens.alice),
        ),
        (
            "an optional path",
            navigate(Request::get("/news")),
            Expected::anonymous(),
        ),
        (
            "a public path",
            navigate(Request::get("/public")),
            Expected::anonymous(),
        ),
        (
            "the login page itself",
            navigate(Request::get("/auth/login")),
            Expected::anonymous(),
        ),
        (
            "too weak a cookie",
            navigate(Request::get("/acr/mfa")).cookie(tokens.good()),
            Expected::weak("acr_values=\"mfa\""),
        ),
    ] {
        rows.push(row(format!("login: {name}"), "FR-16", request, expected));
    }
    // The way back is a path of this origin and one value of the query: it can leave neither.
    for (path, back) in [
        ("/orders?x=1", "%2Forders"),
        ("/orders?return_to=https://evil.test", "%2Forders"),
        ("/orders?//evil.test", "%2Forders"),
        ("/a/b", "%2Fa%2Fb"),
        ("/a%20b", "%2Fa%2520b"),
        ("/a&return_to=b", "%2Fa%26return_to%3Db"),
        ("/a+b", "%2Fa%2Bb"),
        ("/https://evil.test", ""),
        ("/@evil.test", "%2F%40evil.test"),
        ("/:80", "%2F%3A80"),
        ("/a'b\"c<d>", "%2Fa%27b%22c%3Cd%3E"),
    ] {
        let expected = if back.is_empty() {
            Expected::ambiguous()
        } else {
            Expected::login(back)
        };
        let mut way = row(
            format!("login: the way back to {path}"),
            "FR-07 FR-16",
            navigate(Request::get(path)),
            expected,
        );
        if path.contains('<') {
            // Envoy encodes what may not stand in a path before the filter sees it.
            let encoded = Expected::login("%2Fa%27b%2522c%253Cd%253E");
            way = way.envoy(Own::Decides(encoded));
        }
        rows.push(way);
    }
    for path in [
        "//evil.test",
        "/\\evil.test",
        "/.//evil.test",
        "/%2f/evil.test",
        "https://evil.test/",
    ] {
        let mut way = row(
            format!("login: no way back to {path}"),
            "FR-07 FR-16",
            navigate(Request::get(path)),
            Expected::ambiguous(),
        );
        match path {
            "/%2f/evil.test" => way = way.envoy(Own::Status(400)),
            "https://evil.test/" => way = way.http1(Own::Status(403)).http2(Own::Reset),
            _ => {}
        }
        rows.push(way);
    }
    rows
}
