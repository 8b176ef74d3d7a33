use serde_json::Value;
use tests::stack::Stack;
use tests::wire;

use crate::stack_with_alice;

/// Names that mean the same to some app behind some proxy.
const SPELLINGS: [&str; 10] = [
    "x-auth-subject",
    "X-Auth-Subject",
    "X-AUTH-SUBJECT",
    "x_auth_subject",
    "X_Auth_Subject",
    "x-auth_subject",
    "x.auth.subject",
    "x-auth-session",
    "x-auth-roles",
    "x-auth-of-tomorrow",
];

/// What the app got under any spelling of a reserved name, when these header lines were sent to that path.
fn identity_at_the_app(stack: &Stack, path: &str, lines: &str) -> Vec<(String, String)> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n");
    let answer = wire::exchange(stack.ports().gateway, request.as_bytes()).unwrap();
    assert_eq!(wire::status(&answer), 200, "{lines}");
    let text = String::from_utf8(answer).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    // The app's answer may come in chunks; its JSON has no line breaks.
    let body = body.lines().find(|line| line.starts_with('{')).unwrap();
    let json: Value = serde_json::from_str(body).unwrap();
    let pairs = json["headers"].as_array().unwrap().iter().map(|pair| {
        let text = |index: usize| pair[index].as_str().unwrap().to_owned();
        (text(0), text(1))
    });
    let reserved = |name: &str| {
        name.to_ascii_lowercase()
            .replace(['_', '.'], "-")
            .starts_with("x-auth-")
    };
    pairs.filter(|(name, _)| reserved(name)).collect()
}

/// FR-01, FR-23: in every spelling, once, twice, among others, and named in `Connection`, with a token and on public paths.
#[test]
fn no_identity_that_a_client_made_up_reaches_the_app_under_any_spelling() {
    let (stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let tokens = alice.login(&client).unwrap();
    let verified = tokens.call(&client).unwrap();
    let subject = verified.echoed("x-auth-subject").concat();
    assert_eq!(subject.len(), 32);
    let expected = vec![
        ("x-auth-session".to_owned(), tokens.session.clone()),
        ("x-auth-subject".to_owned(), subject),
    ];
    let credential = format!("Authorization: Bearer {}\r\n", tokens.access);
    let all_at_once: String = SPELLINGS.map(|name| format!("{name}: admin\r\n")).concat();
    let lines = SPELLINGS.iter().flat_map(|name| {
        [
            format!("{name}: admin\r\n"),
            format!("{name}: admin\r\n{name}: root\r\n"),
            format!("{name}:\r\n"),
            format!("Connection: {name}\r\n{name}: admin\r\n"),
        ]
    });
    for lines in lines.chain([all_at_once, "x-auth-gate: pass\r\n".to_owned()]) {
        let mut protected = identity_at_the_app(&stack, "/orders", &format!("{lines}{credential}"));
        protected.sort();
        assert_eq!(protected, expected, "{lines}");
        let public = identity_at_the_app(&stack, "/public/page", &lines);
        assert_eq!(public, [], "{lines}");
        let with_token =
            identity_at_the_app(&stack, "/public/page", &format!("{lines}{credential}"));
        assert_eq!(with_token, [], "{lines}");
    }
}

/// FR-18: neither on protected nor on public paths, nor in what Envoy or the companion wrote.
#[test]
fn the_token_stays_at_the_gateway_and_out_of_all_logs() {
    let (stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let tokens = alice.login(&client).unwrap();
    for path in ["/orders", "/public/page"] {
        let answer = client.get(path).bearer(&tokens.access).send().unwrap();
        let answer = answer.expect(200, path).unwrap();
        assert!(answer.echoed("authorization").is_empty(), "{path}");
        assert!(!answer.text().contains(&tokens.access), "{path}");
    }
    let tokens = tokens.refresh(&client).unwrap();
    tokens
        .log_out(&client)
        .unwrap()
        .expect(200, "logout")
        .unwrap();
    let logs = stack.envoy().unwrap().log() + &stack.companion().unwrap().log();
    assert!(!logs.is_empty());
    for secret in [&tokens.access, &tokens.refresh, &alice.password] {
        assert!(!logs.contains(secret.as_str()));
    }
    let signature = tokens.access.rsplit('.').next().unwrap();
    assert!(!logs.contains(signature));
}
