//! The built module against its host: what it imports and exports, and whatever a host may answer or call.
//!
//! One measure for all attacks: no VM traps, every request is answered, and a request passes only where it passes on a healthy host,
//! with exactly the headers that it has there.

mod bytes;
mod callouts;
mod contexts;
mod list;
mod statuses;

use std::time::Duration;

use serde_json::{Value, json};
use tests::gateway::{config, page};
use tests::host::{Host, Reply, Request, Response, Returned, Starting, get, latchkey, post};
use tests::issuer::{START, issuer, session};

/// With every demand that a rule can make.
fn demanding() -> Value {
    let mut demanding = config();
    demanding["credentials"] = json!({ "header": true, "cookie": "__Host-access" });
    demanding["login_page"] = json!("/public/login");
    let rules = demanding["rules"].as_array_mut().unwrap();
    for (path, require) in [
        ("/teller", json!({ "roles": ["teller"] })),
        ("/admin", json!({ "roles": ["admin"] })),
        ("/transfer", json!({ "scopes": ["transfer"] })),
        ("/strong", json!({ "acr": "mfa" })),
    ] {
        rules.push(json!({ "match": { "prefix": path }, "require": require }));
    }
    demanding
}

/// The process that every attack begins with, before it starts.
fn starting() -> Starting {
    Host::latchkey(&demanding())
}

/// That many VMs, synced; the session of bob has ended.
fn envoy(vms: usize) -> Host {
    let mut envoy = starting().vms(vms);
    envoy.answer_feed(page().revoking(session("bob").id));
    envoy
}

/// A request for every kind of verdict, each with headers and trailers that nobody but the filter may set.
fn requests() -> Vec<Request> {
    let good = issuer().access_token(&session("alice"));
    let revoked = issuer().access_token(&session("bob"));
    let expired =
        issuer().access_token_at(&session("alice"), START.minus(Duration::from_secs(900)));
    let preflight = Request::new("OPTIONS", "/orders")
        .header("origin", "https://www.example.com")
        .header("access-control-request-method", "PUT");
    let navigation = get("/orders").header("sec-fetch-mode", "navigate");
    let ours = |request: Request| request.cookie("__Host-access", &good);
    let plain = [
        get("/orders").bearer(&good),
        get("/orders"),
        get("/orders").bearer("bad"),
        get("/orders").bearer(format!("{good}x")),
        get("/orders").bearer(&revoked),
        get("/orders").bearer(&expired),
        get("/orders").bearer(&good).bearer(&good),
        get("/orders//x").bearer(&good),
        get("/orders").without(":path").bearer(&good),
        get("/public"),
        get("/public").bearer("bad"),
        get("/news"),
        get("/news").bearer(&good),
        get("/news").bearer(&revoked),
        get("/auth/v1/sessions").bearer(&good),
        get("/-/latchkey/ready"),
        preflight,
        navigation,
        ours(get("/orders")),
        ours(get("/orders")).cookie("theme", "dark"),
        ours(get("/orders")).bearer(&good),
        ours(post("/orders")),
        ours(post("/orders")).header("sec-fetch-site", "same-origin"),
        ours(post("/orders")).header("sec-fetch-site", "cross-site"),
        get("/teller").bearer(&good),
        get("/admin").bearer(&good),
        get("/transfer").bearer(&good),
        get("/strong").bearer(&good),
    ];
    let spoofing = |request: Request| {
        let request = request.header("x-auth-roles", "admin");
        let request = request.header("X_Auth.Email", "admin@example.com");
        let request = request.trailer("x-auth-email", "admin@example.com");
        request.trailer("x-checksum", "1")
    };
    plain.map(spoofing).to_vec()
}

/// What a healthy host makes of them.
fn healthy() -> Vec<Reply> {
    let mut envoy = envoy(1);
    let replies = requests().into_iter();
    let replies: Vec<_> = replies
        .map(|request| envoy.vm(0).request(request))
        .collect();
    let passed = replies.iter().filter(|reply| reply.passed()).count();
    assert!(passed >= 10 && replies.len() - passed >= 15, "{passed}");
    replies
}

/// Sends all of them to a VM that is under attack, which must answer them all.
fn send_all(envoy: &mut Host, healthy: &[Reply], attack: &str) {
    for (at, (request, healthy)) in requests().into_iter().zip(healthy).enumerate() {
        let reply = envoy.vm(0).request(request);
        assert_eq!(reply.failure(), None, "{attack}: request {at}");
        if reply.passed() {
            assert!(healthy.passed(), "{attack}: request {at} passed");
            assert_eq!(reply.headers(), healthy.headers(), "{attack}: request {at}");
            assert_eq!(
                reply.trailers(),
                healthy.trailers(),
                "{attack}: request {at}"
            );
        } else if !attack.starts_with("proxy_send_local_response") {
            assert!(
                reply.status() >= 200,
                "{attack}: request {at} has an answer"
            );
        }
    }
}

/// Answers keys and pages to whoever asks, for a few seconds.
fn sync_if_it_polls(envoy: &mut Host) {
    for _ in 0..4 {
        envoy.advance(Duration::from_secs(1));
        if let Some(fetch) = envoy.waiting_key_fetch() {
            envoy.answer(fetch.id, Response::ok(issuer().key_document()));
        }
        if let Some(poll) = envoy.waiting_poll() {
            let now = token::UnixTime::from_seconds(envoy.now());
            let body = page().revoking(session("bob").id).sign(poll.after, now);
            envoy.answer(poll.callout.id, Response::ok(body));
        }
    }
}

fn imports() -> Vec<String> {
    let imports = latchkey().imports();
    imports.map(|import| import.name().to_owned()).collect()
}
