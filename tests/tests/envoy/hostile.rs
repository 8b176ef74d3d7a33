use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tests::client::Client;
use tests::ports::Ports;
use tests::stack::Stack;
use tests::visitor::Tokens;
use tests::wire;
use tests::workers::{at_both_workers, connections, stats};

use crate::{setup, stack_with_alice};

/// Enough connections that both workers get some.
const REPEATS: usize = 12;

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A request for /orders with these bytes as the value of `Authorization`.
fn request(value: &[u8]) -> Vec<u8> {
    let mut request = b"GET /orders HTTP/1.1\r\nHost: localhost\r\nAuthorization: ".to_vec();
    request.extend(value);
    request.extend(b"\r\nConnection: close\r\n\r\n");
    request
}

fn bearer(token: &str) -> Vec<u8> {
    request(format!("Bearer {token}").as_bytes())
}

/// Envoy's counters of VMs that failed or were replaced.
fn failures(ports: Ports) -> u64 {
    let stats = stats(ports, "wasm").unwrap();
    let failed = |name: &str| {
        ["reload", "fail", "crash", "error"]
            .iter()
            .any(|word| name.contains(word))
    };
    let of_vms = stats
        .iter()
        .filter(|(name, _)| !name.starts_with("wasmcustom") && failed(name));
    of_vms.map(|(_, count)| count).sum()
}

/// Sends each request over many connections, and between them asks both workers whether they still serve.
fn attack(stack: &Stack, tokens: &Tokens, requests: &[(&str, Vec<u8>, &[u16])]) {
    let callers = at_both_workers(stack.ports(), 1).unwrap();
    let before = connections(stack.ports()).unwrap();
    for (attack, request, expected) in requests {
        for _ in 0..REPEATS {
            let answer = wire::exchange(stack.ports().gateway, request).unwrap();
            let status = wire::status(&answer);
            assert!(expected.contains(&status), "{attack}: {status}");
        }
        for caller in &callers {
            let answer = tokens.call(&caller.client).unwrap();
            assert_eq!(
                answer.status, 200,
                "after {attack} at worker {}",
                caller.worker
            );
        }
    }
    let after = connections(stack.ports()).unwrap();
    assert!(
        before.iter().all(|(worker, count)| after[worker] > *count),
        "{before:?} {after:?}"
    );
    assert_eq!(failures(stack.ports()), 0);
    assert!(!stack.envoy().unwrap().log().contains("panicked"));
}

/// FR-22, RL-08: Envoy's own limit, and what fits below it.
#[test]
fn a_header_of_64_kib_gets_a_4xx_and_the_worker_goes_on() {
    let (stack, alice) = stack_with_alice();
    let tokens = alice.login(&stack.client().unwrap()).unwrap();
    let long = |length: usize| "a".repeat(length);
    let mut other = b"GET /orders HTTP/1.1\r\nHost: localhost\r\nX-Other: ".to_vec();
    other.extend(long(64 * 1024).bytes());
    other.extend(b"\r\nConnection: close\r\n\r\n");
    attack(
        &stack,
        &tokens,
        &[
            (
                "a token of 64 KiB",
                bearer(&long(64 * 1024)),
                &[400, 401, 431],
            ),
            ("a token of 50 KiB", bearer(&long(50 * 1024)), &[400, 401]),
            (
                "dots of 50 KiB",
                bearer(&".".repeat(50 * 1024)),
                &[400, 401],
            ),
            ("another header of 64 KiB", other, &[400, 401, 431]),
        ],
    );
}

/// TV-17, KR-07: what the real companion signs besides access tokens is none.
#[test]
fn other_tokens_of_the_companion_get_401_and_the_worker_goes_on() {
    let (stack, alice) = stack_with_alice();
    let tokens = alice.login(&stack.client().unwrap()).unwrap();
    let page = feed_page(&stack);
    assert_eq!(
        decoded(page.split('.').next().unwrap())["typ"],
        "revocations+jwt"
    );
    attack(
        &stack,
        &tokens,
        &[
            ("a page of the feed, well signed", bearer(&page), &[401]),
            ("the refresh token", bearer(&tokens.refresh), &[401]),
        ],
    );
}

/// A page as the gateway gets it.
fn feed_page(stack: &Stack) -> String {
    let token = std::fs::read_to_string(stack.folder().join("gateway.token")).unwrap();
    let path = "/gateway/v1/revocations?v=1&gateway=00000000000000000000000000000001&after=0&hold=0&staleness=5";
    let request = Client::new(stack.ports().internal)
        .unwrap()
        .get(path)
        .bearer(token.trim());
    request
        .send()
        .unwrap()
        .expect(200, "a page")
        .unwrap()
        .text()
}

/// TV-*, KR-09: a token of another Latchkey, and one of the same keys under another name.
#[test]
fn tokens_of_another_issuer_get_401_though_they_are_well_signed() {
    let (mut stack, alice) = stack_with_alice();
    let client = stack.client().unwrap();
    let tokens = alice.login(&client).unwrap();

    let mut other = Stack::prepare(setup()).unwrap();
    other.start_companion().unwrap();
    let direct = Client::new(other.ports().companion).unwrap();
    alice.register(&direct, &other.mailbox()).unwrap();
    let foreign = alice.login(&direct).unwrap();
    attack(
        &stack,
        &tokens,
        &[("another issuer", bearer(&foreign.access), &[401])],
    );

    stack.stop_companion();
    stack.rename_companion("http://localhost:1");
    stack.start_companion().unwrap();
    let direct = Client::new(stack.ports().companion).unwrap();
    let renamed = alice.login(&direct).unwrap();
    let kid = |tokens: &Tokens| decoded(tokens.access.split('.').next().unwrap())["kid"].clone();
    assert_eq!(kid(&renamed), kid(&tokens));
    attack(
        &stack,
        &tokens,
        &[("another name", bearer(&renamed.access), &[401])],
    );
}
