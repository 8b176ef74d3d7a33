//! What is known of the feed: unsynced, synced, aged.

use super::Tokens;
use crate::configuration::{Configuration, READY_PATH};
use crate::request::Request;
use crate::row::{Expected, Row, State, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let (good, revoked) = (tokens.good(), tokens.revoked());
    let known = || Expected::known(&tokens.alice);
    let ready = || Request::get(READY_PATH);
    let orders = |token: &str| Request::get("/orders").bearer(token);
    let mut rows = vec![
        row("ready when synced", "FR-14", ready(), Expected::ready()),
        row(
            "ready, whatever the credential",
            "FR-14",
            ready().bearer("bad"),
            Expected::ready(),
        ),
        row(
            "ready, whatever the query",
            "FR-14",
            ready().host("www.example.com"),
            Expected::ready(),
        ),
        row(
            "a neighbour of the ready path",
            "FR-08 FR-14",
            Request::get(format!("{READY_PATH}/x")),
            Expected::missing(),
        ),
        row(
            "a POST to the ready path",
            "FR-14",
            Request::post(READY_PATH),
            Expected::ready(),
        ),
        row(
            "a good token of a live session",
            "RV-10",
            orders(&good),
            known(),
        ),
        row(
            "a good token of a session that ended",
            "RV-01 RV-10",
            orders(&revoked),
            Expected::invalid(),
        ),
        row(
            "the cookie of a session that ended",
            "RV-01 RV-10",
            Request::get("/orders").cookie(&revoked),
            Expected::invalid(),
        ),
        row(
            "a session that ended, where a token is optional",
            "RV-01 FR-26",
            Request::get("/news").bearer(&revoked),
            Expected::invalid(),
        ),
        row(
            "a session that ended, forwarded",
            "RV-01",
            Request::get("/forwarded/a").bearer(&revoked),
            Expected::invalid(),
        ),
        row(
            "not ready before the first page",
            "FR-14",
            ready(),
            Expected::not_ready(),
        )
        .when(State::Unsynced),
        row(
            "a forwarded token before the first page",
            "FR-14",
            Request::get("/forwarded/a").bearer(&good),
            Expected::not_ready(),
        )
        .when(State::Unsynced),
        row(
            "before the first page no staleness is allowed",
            "FR-14 FR-11",
            orders(&good),
            Expected::not_ready(),
        )
        .on(Configuration::Lenient)
        .when(State::Unsynced),
    ];
    let of_a_rule = [
        (
            "aged, a rule that demands fresher",
            "/fresh",
            Expected::not_ready(),
        ),
        ("aged, another rule", "/orders", known()),
        (
            "aged, a rule that demands more of the token",
            "/roles",
            known(),
        ),
    ];
    for (name, path, expected) in of_a_rule {
        let request = Request::get(path).bearer(&good);
        rows.push(row(name, "FR-15", request, expected).when(State::Aged));
    }
    rows.push(
        row(
            "aged, revoked all the same",
            "FR-15 RV-06",
            orders(&revoked),
            Expected::invalid(),
        )
        .when(State::Aged),
    );
    rows.push(
        row(
            "aged, ready by the configuration's staleness",
            "FR-15",
            ready(),
            Expected::ready(),
        )
        .when(State::Aged),
    );
    // What each gets where a stale state denies, and where it lets pass and says so.
    for (name, request, denied, allowed) in [
        (
            "a good token",
            orders(&good),
            Expected::not_ready(),
            known().stale(),
        ),
        (
            "a made-up age",
            orders(&good).header("x-auth-stale", "0"),
            Expected::not_ready(),
            known().stale(),
        ),
        (
            "a revoked token",
            orders(&revoked),
            Expected::not_ready(),
            Expected::invalid(),
        ),
        (
            "a bad token",
            orders("bad"),
            Expected::not_ready(),
            Expected::invalid(),
        ),
        (
            "no credential",
            Request::get("/orders"),
            Expected::not_ready(),
            Expected::missing(),
        ),
        (
            "readiness",
            ready(),
            Expected::not_ready(),
            Expected::not_ready(),
        ),
        (
            "a public path",
            Request::get("/public"),
            Expected::anonymous(),
            Expected::anonymous(),
        ),
        (
            "an optional path without credential",
            Request::get("/news"),
            Expected::anonymous(),
            Expected::anonymous(),
        ),
        (
            "an optional path with a good token",
            Request::get("/news").bearer(&good),
            Expected::not_ready(),
            known().stale(),
        ),
        (
            "a rule that puts up with more",
            Request::get("/slow").bearer(&good),
            known(),
            known(),
        ),
    ] {
        for (what, configuration, expected) in [
            ("denied", Configuration::Impatient, denied),
            ("allowed", Configuration::Lenient, allowed),
        ] {
            let stale = row(
                format!("stale and {what}, {name}"),
                "FR-15",
                request.clone(),
                expected,
            );
            rows.push(stale.on(configuration).when(State::Aged));
        }
    }
    rows
}
