//! WebSocket, CONNECT and extended CONNECT (FR-10).

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Own, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let (good, revoked) = (tokens.good(), tokens.revoked());
    let websocket = || {
        Request::get("/chat")
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let extended = || {
        let mut request = Request::new("CONNECT", "/chat");
        request.protocol = Some("websocket");
        request
    };
    let connect = || {
        let mut request = Request::new("CONNECT", "").host("www.example.com:443");
        request.target = None;
        request
    };
    let known = || Expected::known(&tokens.alice);
    let ours = ("Sec-Fetch-Site", "same-origin");
    let mut rows = Vec::new();
    for (name, request) in [
        ("WebSocket", websocket as fn() -> Request),
        ("extended CONNECT", extended as fn() -> Request),
    ] {
        for (case, request, expected) in [
            ("without credential", request(), Expected::missing()),
            ("with a good token", request().bearer(&good), known()),
            (
                "with a bad token",
                request().bearer("bad"),
                Expected::invalid(),
            ),
            (
                "with a revoked token",
                request().bearer(&revoked),
                Expected::invalid(),
            ),
            (
                "with the cookie and no origin",
                request().cookie(&good),
                Expected::cross_origin(),
            ),
            (
                "with the cookie from another site",
                request()
                    .cookie(&good)
                    .header("Origin", "https://evil.test"),
                Expected::cross_origin(),
            ),
            (
                "with the cookie from an allowed origin",
                request()
                    .cookie(&good)
                    .header("Origin", "https://www.example.com"),
                known(),
            ),
            (
                "with the cookie from our own page",
                request().cookie(&good).header(ours.0, ours.1),
                known(),
            ),
            (
                "with a revoked cookie from our own page",
                request().cookie(&revoked).header(ours.0, ours.1),
                Expected::invalid(),
            ),
            (
                "as a navigation",
                request().header("Sec-Fetch-Mode", "navigate"),
                Expected::missing(),
            ),
        ] {
            let row = row(format!("{name} {case}"), "FR-10 CK-05", request, expected);
            // HTTP/1.1 has no extended CONNECT, and HTTP/2 no `Upgrade` (RFC 9113 section 8.2.2).
            rows.push(match name {
                "WebSocket" => row.http2(Own::Reset),
                _ => row.http1(Own::Status(400)),
            });
        }
    }
    for (case, request) in [
        ("without credential", connect()),
        ("with a good token", connect().bearer(&good)),
        ("with the cookie", connect().cookie(&good)),
    ] {
        let row = row(
            format!("CONNECT {case}"),
            "FR-10",
            request,
            Expected::ambiguous(),
        );
        rows.push(row);
    }
    rows
}
