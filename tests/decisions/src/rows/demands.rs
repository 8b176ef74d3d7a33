//! What a rule asks of a good token: roles, scopes, `acr`, `max_auth_age`, audiences.

use serde_json::{Value, json};

use super::Tokens;
use crate::configuration::PARTNERS;
use crate::issuer::AUDIENCE;
use crate::request::Request;
use crate::row::{Expected, Row, row};

pub(super) fn rows(tokens: &Tokens) -> Vec<Row> {
    let mut rows = Vec::new();
    roles(tokens, &mut rows);
    scopes(tokens, &mut rows);
    levels(tokens, &mut rows);
    ages(tokens, &mut rows);
    audiences(tokens, &mut rows);
    together(tokens, &mut rows);
    rows
}

/// Alice with other roles.
fn known_as(tokens: &Tokens, roles: &str) -> Expected {
    Expected::identified(&[
        ("x-auth-roles", roles),
        ("x-auth-session", &tokens.alice.id.to_string()),
        ("x-auth-subject", &tokens.alice.subject.to_string()),
    ])
}

fn roles(tokens: &Tokens, rows: &mut Vec<Row>) {
    for (name, roles, told) in [
        ("the first of two", json!(["auditor"]), Some("auditor")),
        ("the second of two", json!(["teller"]), Some("teller")),
        ("both", json!(["teller", "auditor"]), Some("teller,auditor")),
        ("one among others", json!(["x", "teller"]), Some("x,teller")),
        ("none", Value::Null, None),
        ("an empty list", json!([]), None),
        ("another", json!(["admin"]), None),
        ("another case", json!(["Teller"]), None),
        ("a longer one", json!(["teller2"]), None),
        ("a shorter one", json!(["telle"]), None),
    ] {
        let token = tokens.with(&[("roles", roles)]);
        let expected = told.map_or_else(|| Expected::scope(""), |told| known_as(tokens, told));
        let request = Request::get("/roles/a").bearer(token);
        rows.push(row(format!("roles: {name}"), "FR-16", request, expected));
    }
    let by_scope = tokens.with(&[("roles", Value::Null), ("scope", json!("teller auditor"))]);
    let request = Request::get("/roles").bearer(by_scope);
    rows.push(row(
        "roles: as scopes",
        "FR-16",
        request,
        Expected::scope(""),
    ));
    let one_text = tokens.with(&[("roles", json!("teller"))]);
    let request = Request::get("/roles").bearer(one_text);
    rows.push(row(
        "roles: a text in place of a list",
        "TV-22",
        request,
        Expected::invalid(),
    ));
}

fn scopes(tokens: &Tokens, rows: &mut Vec<Row>) {
    for (name, scope, is_enough) in [
        ("both", json!("read write"), true),
        ("in the other order", json!("write read"), true),
        ("among others", json!("a read b write c"), true),
        ("one of two", json!("read"), false),
        ("the other of two", json!("write"), false),
        ("none", Value::Null, false),
        ("an empty text", json!(""), false),
        ("one longer", json!("read write2"), false),
        ("another case", json!("read Write"), false),
        ("joined with a comma", json!("read,write"), false),
        ("joined with a tab", json!("read\twrite"), false),
    ] {
        let token = tokens.with(&[("scope", scope)]);
        let expected = if is_enough {
            Expected::known(&tokens.alice)
        } else {
            Expected::scope("read write")
        };
        let request = Request::get("/scopes/a").bearer(token);
        rows.push(row(format!("scopes: {name}"), "FR-16", request, expected));
    }
    let by_role = tokens.with(&[("roles", json!(["read", "write"]))]);
    let request = Request::get("/scopes").bearer(by_role);
    rows.push(row(
        "scopes: as roles",
        "FR-16",
        request,
        Expected::scope("read write"),
    ));
}

fn levels(tokens: &Tokens, rows: &mut Vec<Row>) {
    let levels = ["password", "otp", "mfa"];
    for (least, demanded) in levels.iter().enumerate() {
        let path = format!("/acr/{demanded}");
        let weak = || Expected::weak(&format!("acr_values=\"{demanded}\""));
        for (level, held) in levels.iter().enumerate() {
            let expected = if level >= least {
                Expected::known(&tokens.alice)
            } else {
                weak()
            };
            let request = Request::get(&path).bearer(tokens.with(&[("acr", json!(held))]));
            rows.push(row(
                format!("acr: {held} where {demanded} is demanded"),
                "FR-17",
                request,
                expected,
            ));
        }
        for (name, held) in [
            ("none", Value::Null),
            ("an empty one", json!("")),
            ("an unknown one", json!("urn:mace:incommon:iap:gold")),
            ("a number", json!("9")),
            ("another case", json!("MFA")),
        ] {
            let request = Request::get(&path).bearer(tokens.with(&[("acr", held)]));
            rows.push(row(
                format!("acr: {name} where {demanded} is demanded"),
                "FR-17",
                request,
                weak(),
            ));
        }
        let by_means = tokens.with(&[("acr", Value::Null), ("amr", json!(["pwd", "mfa"]))]);
        let request = Request::get(&path).bearer(by_means);
        rows.push(row(
            format!("acr: only amr where {demanded} is demanded"),
            "FR-17",
            request,
            weak(),
        ));
    }
}

fn ages(tokens: &Tokens, rows: &mut Vec<Row>) {
    for (name, auth_time, is_enough) in [
        ("just now", tokens.at(0), true),
        ("nearly too long ago", tokens.at(-280), true),
        ("too long ago", tokens.at(-301), false),
        ("too long ago by less than the skew", tokens.at(-310), false),
        ("years ago", json!(0), false),
        ("before 1970", json!(-1), false),
        ("at the beginning of time", json!(i64::MIN), false),
        ("at the end of time", json!(i64::MAX), false),
        ("further ahead than clocks may differ", tokens.at(60), false),
        ("none", Value::Null, false),
    ] {
        let token = tokens.with(&[("auth_time", auth_time)]);
        let expected = if is_enough {
            Expected::known(&tokens.alice)
        } else {
            Expected::weak("max_age=\"300\"")
        };
        let request = Request::get("/recent").bearer(token);
        rows.push(row(
            format!("auth_time: {name}"),
            "FR-17",
            request,
            expected,
        ));
    }
}

fn audiences(tokens: &Tokens, rows: &mut Vec<Row>) {
    let known = || Expected::known(&tokens.alice);
    for (name, aud, at_partners, elsewhere) in [
        ("of the configuration", json!([AUDIENCE]), false, true),
        ("of the rule", json!([PARTNERS]), true, false),
        ("of both", json!([AUDIENCE, PARTNERS]), true, true),
        ("of the rule, as a text", json!(PARTNERS), true, false),
        (
            "of neither",
            json!(["https://other.example.com"]),
            false,
            false,
        ),
    ] {
        let token = tokens.with(&[("aud", aud)]);
        for (path, is_enough) in [
            ("/partners/a", at_partners),
            ("/orders", elsewhere),
            ("/news", elsewhere),
        ] {
            let expected = if is_enough {
                known()
            } else {
                Expected::invalid()
            };
            let request = Request::get(path).bearer(&token);
            rows.push(row(
                format!("audience: {name} at {path}"),
                "TV-19",
                request,
                expected,
            ));
        }
    }
}

fn together(tokens: &Tokens, rows: &mut Vec<Row>) {
    let good = [
        ("acr", json!("otp")),
        ("auth_time", tokens.at(-10)),
        ("roles", json!(["teller"])),
        ("scope", json!("transfer")),
    ];
    let without = |name: &str| {
        let claims = good.clone().map(|(claim, value)| {
            let value = if claim == name { Value::Null } else { value };
            (claim, value)
        });
        Request::post("/transfer").bearer(tokens.with(&claims))
    };
    let demands = "acr_values=\"otp\", max_age=\"300\"";
    for (lacks, expected) in [
        ("", Expected::known(&tokens.alice)),
        ("acr", Expected::weak(demands)),
        ("auth_time", Expected::weak(demands)),
        ("roles", Expected::scope("transfer")),
        ("scope", Expected::scope("transfer")),
    ] {
        let name = format!("all demands at once, lacking {lacks:?}");
        rows.push(row(name, "FR-16 FR-17", without(lacks), expected));
    }
    let other_method = Request::get("/transfer").bearer(tokens.good());
    rows.push(row(
        "the rule is for POST: a GET needs a token alone",
        "FR-26",
        other_method,
        Expected::known(&tokens.alice),
    ));
}
