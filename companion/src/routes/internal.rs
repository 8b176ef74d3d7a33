//! What gateways and the operator's own probes call; never routed from outside.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::api::{Api, Credential, Route, get, schemas};
use crate::config::Settings;
use crate::gateway;

const ABOUT: &str = "The internal listener: for gateways and operators, never routed from outside.";

/// The table.
pub fn api() -> Api {
    Api::new(ABOUT)
        .group("Gateways", gateways())
        .group("Administration", super::admin::routes())
        .group("Operation", operation())
}

/// The OpenAPI document.
pub fn document(settings: &Settings) -> Value {
    api().document(&format!("http://{}", settings.internal_listen))
}

fn gateways() -> Vec<Route> {
    let cursor = r"^(0|[1-9][0-9]*\.[0-9a-f]{16})$";
    let staleness = r"^(none|[0-9]+)$";
    vec![
        get("/gateway/v1/revocations", gateway::revocations)
            .does(
                "poll",
                "The next page of the feed. `after` acknowledges all up to it.",
            )
            .credentials(&[Credential::GatewayToken])
            .query(
                "v",
                schemas::one_of(&["1"]),
                "The version of the form of pages.",
            )
            .query(
                "gateway",
                schemas::matching(schemas::ID),
                "Which gateway polls.",
            )
            .query(
                "after",
                schemas::matching(cursor),
                "The cursor: number and mark of the last row that it has.",
            )
            .query(
                "hold",
                schemas::between(0, 30),
                "How many seconds to wait when there is nothing new.",
            )
            .query(
                "staleness",
                schemas::matching(staleness),
                "After how many seconds without a page it denies, 3600 at most.",
            )
            .answers_with(
                StatusCode::OK,
                "application/jwt",
                Value::Null,
                "A page: a JWS, `typ` `revocations+jwt`.",
            ),
        get("/gateway/v1/keys", gateway::keys)
            .does("gateway_keys", "All keys that a gateway verifies with.")
            .credentials(&[Credential::GatewayToken])
            .answers_with(
                StatusCode::OK,
                "application/json",
                key_sets(),
                "Access keys and feed keys.",
            ),
    ]
}

fn key_sets() -> Value {
    let set = json!({
        "type": "object",
        "required": ["keys"],
        "properties": { "keys": { "type": "array", "items": { "type": "object" } } },
    });
    json!({
        "type": "object",
        "required": ["v", "version", "access", "feed"],
        "properties": { "v": { "const": 1 }, "version": { "type": "integer", "minimum": 1 }, "access": set, "feed": set },
    })
}

fn operation() -> Vec<Route> {
    vec![
        get("/healthz", async || "ok\n")
            .does("health", "The process lives.")
            .answers_with(StatusCode::OK, "text/plain", text(), "It does."),
        get("/readyz", super::ready)
            .does("readiness", "The store answers, and the keys are there.")
            .answers_with(StatusCode::OK, "text/plain", text(), "They do."),
        get("/metrics", super::figures)
            .does("metrics", "What Prometheus is told.")
            .answers_with(StatusCode::OK, "text/plain", text(), "Text format 0.0.4."),
        get("/openapi.json", super::public_document)
            .does("public_document", "The document of the public listener.")
            .answers_with(StatusCode::OK, "application/json", object(), "OpenAPI 3.1."),
        get("/openapi-internal.json", super::internal_document)
            .does("internal_document", "This document.")
            .answers_with(StatusCode::OK, "application/json", object(), "OpenAPI 3.1."),
    ]
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn object() -> Value {
    json!({ "type": "object" })
}
