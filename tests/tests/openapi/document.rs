//! The documents themselves, and what they say of methods.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tests::companion::Companion;

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
];

/// The document of the public listener, or of the internal one.
pub(crate) fn document(companion: &Companion, name: &str) -> Value {
    let answer = companion.internal().unwrap().get(name).send().unwrap();
    answer.expect(200, name).unwrap().json()
}

/// Every path with the methods that the document has for it.
fn offered(document: &Value) -> Vec<(String, &Map<String, Value>)> {
    let paths = document["paths"].as_object().unwrap();
    let filled = |path: &String| path.replace("{id}", "0123456789abcdef0123456789abcdef");
    paths
        .iter()
        .map(|(path, item)| (filled(path), item.as_object().unwrap()))
        .collect()
}

/// Every operation of a document, with its name.
pub(crate) fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().values();
    paths
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| {
            (
                operation["operationId"].as_str().unwrap().to_owned(),
                operation,
            )
        })
        .collect()
}

/// ER-06: what is offered is told on the internal listener alone.
#[test]
fn the_documents_are_on_the_internal_listener_alone() {
    let companion = Companion::start().unwrap();
    for name in ["/openapi.json", "/openapi-internal.json"] {
        assert_eq!(document(&companion, name)["openapi"], "3.1.0");
        for prefix in ["", "/auth", "/auth/v1", "/.well-known"] {
            let path = format!("{prefix}{name}");
            let answer = companion.client().unwrap().get(&path).send().unwrap();
            assert_eq!(answer.status, 404, "{path}");
        }
    }
}

/// ER-06 (TRACE), and the word of the document: a path takes the methods that it has there, and HEAD where GET is; all others get 405
/// with exactly these in `Allow`.
#[test]
fn a_path_takes_the_methods_of_the_document_and_no_other() {
    let companion = Companion::start().unwrap();
    for (name, client) in [
        ("/openapi.json", companion.client().unwrap()),
        ("/openapi-internal.json", companion.internal().unwrap()),
    ] {
        let document = document(&companion, name);
        for (path, item) in offered(&document) {
            let mut expected: BTreeSet<_> =
                item.keys().map(|method| method.to_uppercase()).collect();
            if expected.contains("GET") {
                expected.insert("HEAD".to_owned());
            }
            for method in METHODS {
                let answer = client.request(method, &path).send().unwrap();
                let is_refused = answer.status == 405;
                assert_eq!(is_refused, !expected.contains(method), "{method} {path}");
                if is_refused {
                    let allowed = answer.header("allow").unwrap().split(',');
                    let allowed: BTreeSet<_> =
                        allowed.map(|method| method.trim().to_owned()).collect();
                    assert_eq!(allowed, expected, "{method} {path}");
                }
            }
        }
    }
}

/// ER-01: refusals have one shape, with a stable code; and what has a body refuses it in all the ways that there are.
#[test]
fn every_operation_says_how_it_refuses() {
    let companion = Companion::start().unwrap();
    for name in ["/openapi.json", "/openapi-internal.json"] {
        let document = document(&companion, name);
        let codes = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
        let codes = codes.as_array().unwrap();
        let mut names = BTreeSet::new();
        for (id, operation) in operations(&document) {
            assert!(names.insert(id.clone()), "{id} twice");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{id}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.keys().any(|status| status.starts_with('2')),
                "{id}"
            );
            let mut expected = vec!["408", "500", "503"];
            if operation["requestBody"].is_object() {
                expected.extend(["400", "413", "415"]);
            }
            let is_secured = operation["security"].as_array().unwrap();
            if !is_secured.is_empty() {
                expected.extend(["400", "401"]);
            }
            for status in expected {
                assert!(responses.contains_key(status), "{id} {status}");
            }
            for (status, response) in responses
                .iter()
                .filter(|(status, _)| *status >= &"400".to_owned())
            {
                let content = &response["content"];
                let problem = &content["application/problem+json"]["schema"]["allOf"];
                let own = &problem[1]["properties"]["code"]["enum"];
                let in_oauth =
                    &content["application/json"]["schema"]["properties"]["error"]["enum"];
                if id.starts_with("oauth_") && own.is_null() {
                    assert!(in_oauth.is_array(), "{id} {status}");
                    continue;
                }
                assert_eq!(
                    problem[0]["$ref"], "#/components/schemas/Problem",
                    "{id} {status}"
                );
                let own = own.as_array().unwrap();
                let are_known = own.iter().all(|code| codes.contains(code));
                assert!(!own.is_empty() && are_known, "{id} {status}");
                if ["429", "503"].contains(&status.as_str()) {
                    assert_eq!(
                        response["headers"]["Retry-After"]["required"], true,
                        "{id} {status}"
                    );
                }
            }
        }
    }
}

/// ER-04: a body with a member that the document does not have is refused everywhere, and so is a query that says something twice.
#[test]
fn what_the_document_does_not_have_is_refused() {
    let companion = Companion::start().unwrap();
    let client = companion.client().unwrap();
    let alice = companion.account("alice").unwrap();
    let tokens = alice.login(&client).unwrap();
    let document = document(&companion, "/openapi.json");
    let mut tried = 0;
    for (path, item) in offered(&document) {
        for (method, operation) in item {
            let call = |query: &str| {
                let path = format!("{path}{query}");
                client
                    .request(&method.to_uppercase(), &path)
                    .bearer(&tokens.access)
            };
            let takes = |kind: &str| operation["requestBody"]["content"][kind].is_object();
            if takes("application/json") {
                for body in [json!({ "role": "admin" }), json!([]), json!("text")] {
                    let answer = call("").json(&body).send().unwrap();
                    assert_eq!(
                        answer.string("/code"),
                        "invalid_request",
                        "{method} {path} {body}"
                    );
                    tried += 1;
                }
            }
            // RFC 6749 section 3.1: the unknown is ignored, and what stands there twice is refused.
            if takes("application/x-www-form-urlencoded") {
                let form = "application/x-www-form-urlencoded";
                let answer = call("").body(form, "role=admin&role=admin").send().unwrap();
                assert_eq!(
                    answer.string("/error"),
                    "invalid_request",
                    "{method} {path}"
                );
                tried += 1;
            }
            let parameters = operation["parameters"].as_array().unwrap();
            for parameter in parameters
                .iter()
                .filter(|parameter| parameter["in"] == "query")
            {
                let name = parameter["name"].as_str().unwrap();
                let value = parameter["schema"]["enum"][0].as_str().unwrap_or("1");
                for query in [
                    format!("?{name}={value}&{name}={value}"),
                    format!("?{name}={value}&role=admin"),
                ] {
                    let answer = call(&query).send().unwrap();
                    assert_eq!(
                        answer.string("/code"),
                        "invalid_request",
                        "{method} {path}{query}"
                    );
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 20, "{tried}");
    // None of them did what it asked for.
    tokens.refresh(&client).unwrap();
}
