//! gRPC: refusals arrive as `grpc-status`, with the challenge (FR-10).

use serde_json::json;

use super::Tokens;
use crate::request::Request;
use crate::row::{Expected, Row, State, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let call = |path: &str, kind: &str| {
        let mut call = Request::post(path)
            .header("Content-Type", kind)
            .header("TE", "trailers");
        call.body = vec![0; 5];
        call
    };
    let method = "/bank.v1.Bank/Transfer";
    let mut rows = Vec::new();
    for kind in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc-web",
        "application/grpc-web+proto",
    ] {
        let request = || call(method, kind);
        for (name, request, expected) in [
            ("without credential", request(), Expected::missing()),
            (
                "with a good token",
                request().bearer(tokens.good()),
                Expected::known(&tokens.alice),
            ),
            (
                "with a bad token",
                request().bearer("bad"),
                Expected::invalid(),
            ),
            (
                "with a revoked token",
                request().bearer(tokens.revoked()),
                Expected::invalid(),
            ),
            (
                "with two credentials",
                request().bearer("x").bearer("y"),
                Expected::many(),
            ),
            (
                "with the cookie of another site",
                request().cookie(tokens.good()),
                Expected::cross_origin(),
            ),
            (
                "as a browser's navigation",
                request().header("Sec-Fetch-Mode", "navigate"),
                Expected::missing(),
            ),
            (
                "at an ambiguous path",
                call("/bank.v1.Bank;/Transfer", kind),
                Expected::ambiguous(),
            ),
            (
                "too weak",
                call("/acr/mfa", kind).bearer(tokens.good()),
                Expected::weak("acr_values=\"mfa\""),
            ),
            (
                "without the role",
                call("/roles", kind).bearer(tokens.with(&[("roles", json!(["x"]))])),
                Expected::scope(""),
            ),
        ] {
            rows.push(row(format!("{kind} {name}"), "FR-10", request, expected));
        }
        rows.push(
            row(
                format!("{kind} before the first page"),
                "FR-10 FR-14",
                request().bearer(tokens.good()),
                Expected::not_ready(),
            )
            .when(State::Unsynced),
        );
    }
    rows
}
