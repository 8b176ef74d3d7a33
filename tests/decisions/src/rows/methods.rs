//! Every method, and the CORS preflight as the one that needs no token (FR-09).

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Own, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let (good, revoked) = (tokens.good(), tokens.revoked());
    let mut rows = Vec::new();
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE",
    ] {
        let request = || Request::new(method, "/orders");
        let cases = [
            ("without credential", request(), Expected::missing()),
            (
                "with a good token",
                request().bearer(&good),
                Expected::known(&tokens.alice),
            ),
            (
                "with a revoked token",
                request().bearer(&revoked),
                Expected::invalid(),
            ),
            (
                "at a public path",
                Request::new(method, "/public"),
                Expected::anonymous(),
            ),
        ];
        for (name, request, expected) in cases {
            rows.push(row(
                format!("{method} {name}"),
                "FR-09 FR-10",
                request,
                expected,
            ));
        }
    }
    let options = || Request::new("OPTIONS", "/orders");
    let origin = |request: Request| request.header("Origin", "https://evil.test");
    let asks = |request: Request| request.header("Access-Control-Request-Method", "PUT");
    let full = || asks(origin(options()));
    for (name, request, expected) in [
        ("any origin", full(), Expected::anonymous()),
        (
            "the origin null",
            asks(options().header("Origin", "null")),
            Expected::anonymous(),
        ),
        (
            "with a good token, which ends here",
            full().bearer(&good),
            Expected::anonymous(),
        ),
        (
            "with a bad token, which ends here",
            full().bearer("bad"),
            Expected::anonymous(),
        ),
        (
            "with a revoked cookie, which ends here",
            full().cookie(&revoked),
            Expected::anonymous(),
        ),
        (
            "with another scheme",
            full().header("Authorization", "Basic YTpi"),
            Expected::anonymous().with_authorization("Basic YTpi"),
        ),
        (
            "where much is demanded",
            asks(origin(Request::new("OPTIONS", "/transfer"))),
            Expected::anonymous(),
        ),
        (
            "at a public path",
            asks(origin(Request::new("OPTIONS", "/public"))),
            Expected::anonymous(),
        ),
        (
            "with made-up identity",
            full().header("x-auth-subject", "admin"),
            Expected::anonymous(),
        ),
        ("without origin", asks(options()), Expected::missing()),
        (
            "without a method asked for",
            origin(options()),
            Expected::missing(),
        ),
        ("with neither", options(), Expected::missing()),
        (
            "with headers asked for alone",
            origin(options()).header("Access-Control-Request-Headers", "x"),
            Expected::missing(),
        ),
        (
            "as a GET",
            asks(origin(Request::get("/orders"))),
            Expected::missing(),
        ),
        (
            "as a POST",
            asks(origin(Request::post("/orders"))),
            Expected::missing(),
        ),
        (
            "without origin, with a good token",
            asks(options()).bearer(&good),
            Expected::known(&tokens.alice),
        ),
    ] {
        rows.push(row(
            format!("preflight: {name}"),
            "FR-09",
            request,
            expected,
        ));
    }
    let whole_server = asks(origin(Request::new("OPTIONS", "*")));
    let whole_server = row(
        "preflight: of the whole server",
        "FR-09 FR-07",
        whole_server,
        Expected::ambiguous(),
    );
    rows.push(whole_server.envoy(Own::Status(404)));
    rows
}
