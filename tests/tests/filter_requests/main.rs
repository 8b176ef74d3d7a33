//! What the filter does with any request, on the built filter: reserved headers, paths, preflights, readiness, odd shapes.

mod headers;
mod paths;

use serde_json::{Value, json};
use tests::gateway::{config, page};
use tests::host::{Host, Reply, Request, get};
use tests::issuer::{issuer, session};

fn envoy() -> Host {
    let mut envoy = Host::latchkey(&config()).vms(1);
    envoy.sync();
    envoy
}

fn send(envoy: &mut Host, request: Request) -> Reply {
    envoy.vm(0).request(request)
}

fn token() -> String {
    issuer().access_token(&session("alice"))
}

/// FR-09: only the true shape of a CORS preflight passes.
#[test]
fn only_a_true_preflight_passes_without_a_token() {
    let mut envoy = envoy();
    let options = || Request::new("OPTIONS", "/orders");
    let asks = |request: Request| request.header("access-control-request-method", "PUT");
    let from = |request: Request| request.header("origin", "https://www.example.com");
    assert!(send(&mut envoy, asks(from(options()))).passed());
    for request in [
        options(),
        asks(options()),
        from(options()),
        asks(from(get("/orders"))),
        asks(from(Request::new("options", "/orders"))),
        asks(from(Request::new("CONNECT", "/orders"))),
    ] {
        assert_eq!(send(&mut envoy, request).status(), 401);
    }
    let ambiguous = asks(from(Request::new("OPTIONS", "/a//b")));
    assert_eq!(send(&mut envoy, ambiguous).status(), 400);
}

/// FR-10: other kinds of requests are decided alike: without, with, and with a revoked token.
#[test]
fn upgrades_connect_and_grpc_are_covered() {
    let mut envoy = envoy();
    let bob = session("bob");
    let revoked = issuer().access_token(&bob);
    envoy.answer_feed(page().revoking(bob.id));
    for request in [
        get("/chat")
            .header("upgrade", "websocket")
            .header("connection", "upgrade"),
        Request::new("CONNECT", "/chat").with(":protocol", "websocket"),
        Request::new("POST", "/bank.v1.Bank/Transfer")
            .header("content-type", "application/grpc")
            .header("te", "trailers"),
        Request::new("HEAD", "/orders"),
        Request::new("TRACE", "/orders"),
        Request::new("DELETE", "/orders"),
        Request::new("", "/orders"),
    ] {
        assert_eq!(send(&mut envoy, request.clone()).status(), 401);
        assert_eq!(
            send(&mut envoy, request.clone().bearer(&revoked)).status(),
            401
        );
        assert!(send(&mut envoy, request.bearer(token())).passed());
    }
    let plain_connect = Request::new("CONNECT", "/")
        .without(":path")
        .bearer(token());
    assert_eq!(send(&mut envoy, plain_connect).status(), 400);
}

/// `ready_path`: 200 when synced and fresh, else 503; it needs no token and never reaches the app.
#[test]
fn the_ready_path_tells_whether_the_gate_can_answer() {
    let mut envoy = Host::latchkey(&config()).vms(1);
    let ready = || get("/-/latchkey/ready");
    assert_eq!(send(&mut envoy, ready()).local().status, 503);
    envoy.sync();
    assert_eq!(send(&mut envoy, ready()).local().status, 200);
    assert_eq!(send(&mut envoy, ready().bearer("bad")).local().status, 200);
    assert_eq!(send(&mut envoy, get("/-/latchkey/ready/x")).status(), 401);
    envoy.advance(std::time::Duration::from_secs(61));
    assert_eq!(send(&mut envoy, ready()).local().status, 503);
    envoy.answer_feed(page());
    assert_eq!(send(&mut envoy, ready()).local().status, 200);
}

/// The 503 before the first page: problem+json with `Retry-After` and no challenge (FR-14, FR-15).
#[test]
fn not_ready_is_503_with_retry_after() {
    let mut envoy = Host::latchkey(&config()).vms(1);
    let reply = send(&mut envoy, get("/orders").bearer(token()));
    assert_eq!(reply.denied(), (503, ""));
    assert!(
        reply
            .answer_header("retry-after")
            .unwrap()
            .parse::<u32>()
            .unwrap()
            >= 1
    );
    let body: Value = serde_json::from_str(reply.body()).unwrap();
    assert_eq!(body["code"], "not_ready");
    assert_eq!(body["status"], 503);
}
