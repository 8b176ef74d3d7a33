//! Requests that several checks apply to: the first in the order of the contract answers.

use serde_json::json;

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Row, State, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let (good, revoked) = (tokens.good(), tokens.revoked());
    let two = |request: Request| request.bearer(&good).bearer(&good);
    let preflight = |request: Request| {
        request
            .header("Origin", "https://evil.test")
            .header("Access-Control-Request-Method", "POST")
    };
    let unsafe_weak = tokens.with(&[("acr", json!("password")), ("roles", json!(["none"]))]);
    let revoked_weak = tokens.revoked_with(&[("acr", json!("password")), ("roles", json!(["x"]))]);
    let strong = tokens.with(&[("acr", json!("mfa")), ("roles", json!(["none"]))]);
    let transfer = || Request::post("/transfer");
    let demands = "acr_values=\"otp\", max_age=\"300\"";
    let mut rows = vec![
        row(
            "2 before 3: an ambiguous path below a public one",
            "FR-07 FR-26",
            Request::get("/public/a;b"),
            Expected::ambiguous(),
        ),
        row(
            "2 before 3: an ambiguous path of a preflight",
            "FR-07 FR-09",
            preflight(Request::new("OPTIONS", "/a;b")),
            Expected::ambiguous(),
        ),
        row(
            "2 before 4: an ambiguous path with two credentials",
            "FR-07 FR-02",
            two(Request::get("/a;b")),
            Expected::ambiguous(),
        ),
        row(
            "3 before 4: two credentials on a public path are not looked at",
            "FR-26 FR-18",
            two(Request::get("/public/a")),
            Expected::anonymous(),
        ),
        row(
            "3 before 4: two credentials on a preflight are not looked at",
            "FR-09 FR-18",
            two(preflight(Request::new("OPTIONS", "/orders"))),
            Expected::anonymous(),
        ),
        row(
            "3 before 7: a bad token on a public path is not looked at",
            "FR-26",
            Request::get("/public/a").bearer("bad"),
            Expected::anonymous(),
        ),
        row(
            "3 before 8: a revoked token on a public path is not looked at",
            "FR-26",
            Request::get("/public/a").bearer(&revoked),
            Expected::anonymous(),
        ),
        row(
            "3 before 9: a cross-site POST with the cookie to a public path goes there without it",
            "FR-26 CK-05",
            Request::post("/public/a").cookie(&good),
            Expected::anonymous(),
        ),
        row(
            "4 before 6: two credentials where none is needed",
            "FR-02 FR-26",
            two(Request::get("/news")),
            Expected::many(),
        ),
        row(
            "4 before 7: two bad tokens",
            "FR-02",
            Request::get("/orders").bearer("x").bearer("y"),
            Expected::many(),
        ),
        row(
            "4 before 8: a revoked token beside a good one",
            "FR-02 FR-03",
            Request::get("/orders").bearer(&good).cookie(&revoked),
            Expected::many(),
        ),
        row(
            "4 before 9: two credentials on a cross-site POST",
            "FR-03 CK-05",
            Request::post("/orders").bearer(&good).cookie(&good),
            Expected::many(),
        ),
        row(
            "6 before 9: a cross-site POST without credential",
            "FR-16",
            Request::post("/orders").header("Origin", "https://evil.test"),
            Expected::missing(),
        ),
        row(
            "6 before 10: no credential where much is demanded",
            "FR-16 FR-17",
            transfer(),
            Expected::missing(),
        ),
        row(
            "7 before 9: a bad cookie on a cross-site POST",
            "CK-05 FR-26",
            transfer().cookie("bad"),
            Expected::invalid(),
        ),
        row(
            "7 before 10: an expired token that is too weak",
            "FR-17 TV-20",
            transfer().bearer(tokens.expired()),
            Expected::invalid(),
        ),
        row(
            "8 before 9: a revoked cookie on a cross-site POST",
            "CK-05 FR-26 RV-01",
            transfer().cookie(&revoked),
            Expected::invalid(),
        ),
        row(
            "8 before 10 and 11: a revoked token learns nothing of what it lacks",
            "FR-26 RV-01",
            transfer().bearer(&revoked_weak),
            Expected::invalid(),
        ),
        row(
            "9 before 10: a cross-site POST with a cookie that is too weak",
            "CK-05 FR-17",
            transfer().cookie(&unsafe_weak),
            Expected::cross_origin(),
        ),
        row(
            "9 before 11: a cross-site POST with a cookie that lacks the role",
            "CK-05 FR-16",
            transfer().cookie(&strong),
            Expected::cross_origin(),
        ),
        row(
            "10 before 11: too weak and without role and scope",
            "FR-17 FR-16",
            transfer().bearer(&unsafe_weak),
            Expected::weak(demands),
        ),
        row(
            "11: strong, and without role and scope",
            "FR-16",
            transfer().bearer(&strong),
            Expected::scope("transfer"),
        ),
    ];
    for (name, request, expected) in [
        (
            "2 before 5: an ambiguous path",
            Request::get("/a;b").bearer(&good),
            Expected::ambiguous(),
        ),
        (
            "3 before 5: a public path",
            Request::get("/public/a").bearer(&good),
            Expected::anonymous(),
        ),
        (
            "3 before 5: a preflight",
            preflight(Request::new("OPTIONS", "/orders")),
            Expected::anonymous(),
        ),
        (
            "4 before 5: two credentials",
            two(Request::get("/orders")),
            Expected::many(),
        ),
        (
            "4 before 5: an optional path without credential",
            Request::get("/news"),
            Expected::anonymous(),
        ),
        (
            "5 before 6: no credential",
            Request::get("/orders"),
            Expected::not_ready(),
        ),
        (
            "5 before 6: a browser without credential",
            Request::get("/orders").header("Sec-Fetch-Mode", "navigate"),
            Expected::not_ready(),
        ),
        (
            "5 before 7: a bad token",
            Request::get("/orders").bearer("bad"),
            Expected::not_ready(),
        ),
        (
            "5 before 7: a bad token where none is needed",
            Request::get("/news").bearer("bad"),
            Expected::not_ready(),
        ),
        (
            "5 before 8: a revoked token",
            Request::get("/orders").bearer(&revoked),
            Expected::not_ready(),
        ),
        (
            "5 before 9: a cross-site POST with the cookie",
            Request::post("/orders").cookie(&good),
            Expected::not_ready(),
        ),
        (
            "5 before 10: too weak a token",
            transfer().bearer(&unsafe_weak),
            Expected::not_ready(),
        ),
    ] {
        rows.push(
            row(
                format!("unsynced, {name}"),
                "FR-14 FR-26",
                request,
                expected,
            )
            .when(State::Unsynced),
        );
    }
    rows
}
