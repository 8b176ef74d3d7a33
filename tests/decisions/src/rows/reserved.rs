//! Identity that a client made up (FR-01, FR-23): every spelling, copies, `Connection`, trailers.

use serde_json::{Value, json};

use super::Tokens;
use crate::configuration::Configuration;
use crate::request::Request;
use crate::row::{Expected, Own, Row, row};

const SPELLINGS: [&str; 22] = [
    "x-auth-subject",
    "X-Auth-Subject",
    "X-AUTH-SUBJECT",
    "x_auth_subject",
    "X_Auth_Subject",
    "x-auth_subject",
    "x_auth-subject",
    "x.auth.subject",
    "x-auth.subject",
    "X.Auth-Subject",
    "x-auth-session",
    "x-auth-roles",
    "x_auth_roles",
    "x-auth-gate",
    "x_auth_gate",
    "x.auth.gate",
    "x-auth-stale",
    "x_auth_stale",
    "x-auth-",
    "x_auth_",
    "x-auth-of-tomorrow",
    "x-auth-\u{fc}",
];

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let good = tokens.good();
    let mut rows = Vec::new();
    for name in SPELLINGS {
        let protected = || Request::get("/orders").bearer(&good);
        let known = || Expected::known(&tokens.alice);
        let cases = [
            ("with a token", protected().header(name, "admin"), known()),
            (
                "twice",
                protected().header(name, "admin").header(name, "root"),
                known(),
            ),
            ("empty", protected().header(name, ""), known()),
            ("high bytes", protected().header(name, b"\xff\xfe"), known()),
            (
                "at a public path",
                Request::get("/public").header(name, "admin"),
                Expected::anonymous(),
            ),
            (
                "at an optional path",
                Request::get("/news").header(name, "admin"),
                Expected::anonymous(),
            ),
            (
                "forwarded to the companion",
                Request::get("/auth/x").header(name, "admin"),
                Expected::anonymous(),
            ),
            (
                "without a token",
                Request::get("/orders").header(name, "admin"),
                Expected::missing(),
            ),
            (
                "in a trailer",
                {
                    let mut post = Request::post("/orders")
                        .bearer(&good)
                        .trailer(name, "admin");
                    post.body = b"x".to_vec();
                    post
                },
                known(),
            ),
        ];
        for (case, request, expected) in cases {
            if case == "in a trailer" && !name.is_ascii() {
                continue;
            }
            let mut made_up = row(
                format!("made-up {name}, {case}"),
                "FR-01 FR-23",
                request,
                expected,
            );
            if !name.is_ascii() {
                made_up = made_up.http1(Own::Status(400)).http2(Own::Reset);
            }
            rows.push(made_up);
        }
    }
    let all = |request: Request| {
        let names = SPELLINGS.iter().filter(|name| name.is_ascii());
        names.fold(request, |request, name| request.header(name, "admin"))
    };
    let known = || Expected::known(&tokens.alice);
    rows.push(row(
        "all made-up names at once",
        "FR-01",
        all(Request::get("/orders").bearer(&good)),
        known(),
    ));
    rows.push(row(
        "all made-up names at once, public",
        "FR-01",
        all(Request::get("/public")),
        Expected::anonymous(),
    ));
    for name in [
        "x-auth-subject",
        "x-auth-gate",
        "authorization",
        "x-auth-subject, x-auth-session, x-auth-roles",
    ] {
        let request = Request::get("/orders")
            .bearer(&good)
            .header("Connection", format!("close, {name}"));
        // HTTP/2 has no such header (RFC 9113 section 8.2.2).
        let mut named = row(
            format!("{name} named in Connection"),
            "FR-01",
            request,
            known(),
        )
        .http2(Own::Reset);
        if name == "authorization" {
            // Envoy takes away what is named there, before the filter.
            named = named.http1(Own::Decides(Expected::missing()));
        }
        rows.push(named);
    }
    for name in ["x-auth", "x-authority", "xx-auth-subject", "x-user"] {
        let request = Request::get("/public").header(name, "kept");
        let name_of_row = format!("{name} is not ours");
        let expected = Expected::anonymous().with_header(name, &["kept"]);
        rows.push(row(name_of_row, "FR-01", request, expected));
    }
    let mut trailers = Request::post("/public")
        .trailer("x-auth-subject", "admin")
        .trailer("x-checksum", "1");
    trailers.body = b"x".to_vec();
    let expected = Expected::anonymous().with_trailer("x-checksum", "1");
    rows.push(row(
        "a reserved trailer goes, another stays",
        "FR-01",
        trailers,
        expected,
    ));
    absent_claims(tokens, &mut rows);
    mapped(tokens, &mut rows);
    rows
}

/// FR-23: an absent claim is an absent header, whatever the client sends.
fn absent_claims(tokens: &Tokens, rows: &mut Vec<Row>) {
    for (name, roles) in [("absent", Value::Null), ("empty", json!([]))] {
        let token = tokens.with(&[("roles", roles)]);
        let request = Request::get("/orders")
            .bearer(token)
            .header("x-auth-roles", "admin");
        let expected = Expected::identified(&[
            ("x-auth-session", &tokens.alice.id.to_string()),
            ("x-auth-subject", &tokens.alice.subject.to_string()),
        ]);
        rows.push(row(
            format!("made-up roles beside {name} ones"),
            "FR-23",
            request,
            expected,
        ));
    }
}

/// FR-01: a mapped header is reserved wherever its name begins.
fn mapped(tokens: &Tokens, rows: &mut Vec<Row>) {
    let good = tokens.good();
    let bearer = format!("Bearer {good}");
    for name in [
        "remote-user",
        "Remote_User",
        "REMOTE.USER",
        "remote_user",
        "x-client-id",
        "x.client_id",
        "x_client_id",
        "X.Client.ID",
        "x-auth-subject",
    ] {
        let public = Request::get("/public").header(name, "admin");
        let public = row(
            format!("made-up {name}, mapped, public"),
            "FR-01",
            public,
            Expected::anonymous(),
        );
        let protected = Request::get("/orders")
            .header("Authorization", &bearer)
            .header(name, "admin")
            .header(name, "root");
        let expected = Expected::identified(&[
            ("remote-user", &tokens.alice.subject.to_string()),
            ("x.client_id", "latchkey"),
        ]);
        let protected = row(
            format!("made-up {name}, mapped"),
            "FR-01 FR-23",
            protected,
            expected.with_authorization(&bearer),
        );
        rows.extend([public, protected].map(|row| row.on(Configuration::Forwarding)));
    }
}
