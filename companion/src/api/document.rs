//! The OpenAPI 3.1 document of a table of routes.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Api, Credential, Parameter, Route, Success, schemas};
use crate::error::{ApiError, Problem};
use crate::oauth_error::OauthError;

/// The document.
pub(super) fn of(api: &Api, base_url: &str) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut known = BTreeMap::new();
    let mut groups = Vec::new();
    let mut credentials: Vec<Credential> = Vec::new();
    for route in &api.routes {
        let method = route.method.as_str().to_ascii_lowercase();
        let path = paths.entry(route.path).or_default();
        path.insert(method, operation(route));
        known.extend(route.schemas.clone());
        if !groups.contains(&route.group) {
            groups.push(route.group);
        }
        credentials.extend(&route.credentials);
    }
    let codes = api
        .routes
        .iter()
        .flat_map(|route| &route.refusals)
        .map(ApiError::code)
        .collect();
    known.insert("Problem".to_owned(), problem(&codes));
    let tags: Vec<_> = groups.iter().map(|name| json!({ "name": name })).collect();
    let schemes: Map<_, _> = credentials
        .into_iter()
        .filter_map(|credential| Some((credential.name()?.to_owned(), credential.scheme())))
        .collect();
    json!({
        "openapi": "3.1.0",
        // The document's version, not the program's: what a caller has no need of is not told (ER-01).
        "info": { "title": "Latchkey", "version": "1", "description": api.about },
        "servers": [{ "url": base_url }],
        "tags": tags,
        "paths": paths,
        "components": { "schemas": known, "securitySchemes": schemes },
    })
}

impl Credential {
    /// Under which the document knows it.
    const fn name(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::AccessToken => Some("access_token"),
            Self::GatewayToken => Some("gateway_token"),
            Self::AdminToken => Some("admin_token"),
            Self::ClientSecret => Some("client_secret"),
        }
    }

    fn scheme(self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::AccessToken => {
                json!({ "type": "http", "scheme": "bearer", "bearerFormat": "at+jwt" })
            }
            Self::GatewayToken | Self::AdminToken => json!({ "type": "http", "scheme": "bearer" }),
            Self::ClientSecret => json!({ "type": "http", "scheme": "basic" }),
        }
    }
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<_> = in_path(route.path).collect();
    parameters.extend(route.parameters.iter().map(parameter));
    let security: Vec<_> = route
        .credentials
        .iter()
        .map(|credential| {
            let scheme = credential.name().map(|name| (name.to_owned(), json!([])));
            Value::Object(scheme.into_iter().collect())
        })
        .collect();
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "tags": [route.group],
        "parameters": parameters,
        "security": security,
        "responses": responses(route),
    });
    if let (Some(body), Some(members)) = (&route.body, operation.as_object_mut()) {
        let body = json!({
            "required": body.is_required,
            "content": { body.media_type: { "schema": body.schema } },
        });
        members.insert("requestBody".to_owned(), body);
    }
    operation
}

/// The variable segments: ids, but for those whose names say otherwise.
fn in_path(path: &str) -> impl Iterator<Item = Value> {
    let is_receipt = path.contains("/revocations/");
    let names = path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names.map(move |name| {
        let pattern = match name {
            "kid" => schemas::KID,
            "number" => schemas::NUMBER,
            _ if is_receipt => schemas::RECEIPT_ID,
            _ => schemas::ID,
        };
        json!({ "in": "path", "name": name, "required": true, "schema": schemas::matching(pattern) })
    })
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "in": parameter.place,
        "name": parameter.name,
        "required": parameter.is_required,
        "schema": parameter.schema,
        "description": parameter.about,
    })
}

/// By status.
fn responses(route: &Route) -> BTreeMap<String, Value> {
    let mut responses: BTreeMap<_, _> = route.answers.iter().map(success).collect();
    let statuses: BTreeSet<_> = route.refusals.iter().map(ApiError::status).collect();
    responses.extend(statuses.into_iter().map(|status| {
        let refusals = route
            .refusals
            .iter()
            .filter(|refusal| refusal.status() == status);
        (
            status.as_str().to_owned(),
            refusal(status.as_u16(), &refusals.collect::<Vec<_>>()),
        )
    }));
    for (status, refusal) in oauth_refusals(route) {
        let response = responses
            .entry(status)
            .or_insert_with(|| json!({ "content": {} }));
        merge(response, refusal);
    }
    responses
}

/// By status, in the shape of RFC 6749 section 5.2.
fn oauth_refusals(route: &Route) -> BTreeMap<String, Value> {
    let refusals = &route.oauth_refusals;
    let statuses: BTreeSet<_> = refusals.iter().map(OauthError::status).collect();
    let of = |status: StatusCode| {
        let refusals = refusals.iter().filter(|refusal| refusal.status() == status);
        let texts: BTreeMap<_, _> = refusals
            .map(|refusal| (refusal.code(), refusal.description()))
            .collect();
        let codes: Vec<_> = texts.keys().collect();
        let lines: Vec<_> = texts
            .iter()
            .map(|(code, description)| format!("`{code}`: {description}"))
            .collect();
        let headers = match status.as_u16() {
            401 => {
                json!({ "WWW-Authenticate": { "required": true, "schema": { "type": "string" } } })
            }
            429 | 503 => {
                json!({ "Retry-After": { "required": true, "schema": { "type": "integer", "minimum": 1 } } })
            }
            _ => json!({}),
        };
        json!({
            "description": lines.join("\n\n"),
            "headers": headers,
            "content": { "application/json": { "schema": {
                "type": "object",
                "required": ["error", "error_description"],
                "properties": { "error": { "type": "string", "enum": codes }, "error_description": { "type": "string" } },
            } } },
        })
    };
    statuses
        .into_iter()
        .map(|status| (status.as_str().to_owned(), of(status)))
        .collect()
}

/// What the parts before the handler refuse keeps its own media type.
fn merge(response: &mut Value, refusal: Value) {
    let Value::Object(members) = refusal else {
        return;
    };
    for (name, value) in members {
        match (response.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
            (Some(_), _) => {}
            (None, value) => {
                if let Some(response) = response.as_object_mut() {
                    response.insert(name, value);
                }
            }
        }
    }
}

fn success(answer: &Success) -> (String, Value) {
    let mut response = json!({ "description": answer.about });
    // What is no JSON has no schema that would say anything.
    let content = match (answer.media_type, &answer.schema) {
        ("", _) => None,
        (media_type, Value::Null) => Some(json!({ media_type: {} })),
        (media_type, schema) => Some(json!({ media_type: { "schema": schema } })),
    };
    if let (Some(content), Some(members)) = (content, response.as_object_mut()) {
        members.insert("content".to_owned(), content);
    }
    (answer.status.as_str().to_owned(), response)
}

/// All refusals of one status.
fn refusal(status: u16, refusals: &[&ApiError]) -> Value {
    // Several with one code (RFC 9110: each has its own words) stand once.
    let texts: BTreeMap<_, _> = refusals
        .iter()
        .map(|refusal| (refusal.code(), refusal.detail()))
        .collect();
    let codes: Vec<_> = texts.keys().collect();
    let lines: Vec<_> = texts
        .iter()
        .map(|(code, detail)| format!("`{code}`: {detail}"))
        .collect();
    let header = |name: &str, about: &str, schema: Value, has: &dyn Fn(&ApiError) -> bool| {
        let count = refusals.iter().filter(|refusal| has(refusal)).count();
        let header =
            json!({ "required": count == refusals.len(), "schema": schema, "description": about });
        (count > 0).then(|| (name.to_owned(), header))
    };
    let headers: Map<_, _> = [
        header(
            "WWW-Authenticate",
            "RFC 6750 section 3, RFC 9470 section 3.",
            json!({ "type": "string" }),
            &|refusal| refusal.challenge().is_some(),
        ),
        header(
            "Retry-After",
            "Seconds.",
            json!({ "type": "integer", "minimum": 1 }),
            &|refusal| refusal.retry_after().is_some(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    json!({
        "description": lines.join("\n\n"),
        "headers": headers,
        "content": { "application/problem+json": { "schema": {
            "allOf": [
                { "$ref": "#/components/schemas/Problem" },
                { "properties": { "status": { "const": status }, "code": { "enum": codes } } },
            ],
        } } },
    })
}

/// The one shape of refusals, with all codes that there are.
fn problem(codes: &BTreeSet<&str>) -> Value {
    let mut schema = json!(<Problem as utoipa::PartialSchema>::schema());
    if let Some(code) = schema.pointer_mut("/properties/code") {
        *code = json!({ "type": "string", "enum": codes });
    }
    schema
}
