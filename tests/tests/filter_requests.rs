//! What the filter does with any request, on the built filter: reserved headers, paths, preflights, readiness, odd shapes.

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

/// Every spelling that some server folds into one of ours, and names under the reserved prefix that nobody has thought of yet.
const SPOOFED: [&str; 16] = [
    "x-auth-subject",
    "X-Auth-Subject",
    "x_auth_subject",
    "x.auth.subject",
    "x-auth_subject",
    "X_AUTH-SUBJECT",
    "x-auth-session",
    "x-auth-roles",
    "x_auth_roles",
    "x-auth-gate",
    "x_auth.gate",
    "x-auth-stale",
    "x-auth-",
    "x-auth-email",
    "x.auth-anything",
    "x_auth_",
];

fn canonical(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name).to_lowercase();
    name.replace(['_', '.'], "-")
}

/// FR-01: on protected, public, optional, preflight and rejected requests, each spelling twice, named in `Connection` too.
#[test]
fn no_reserved_header_of_a_client_survives_in_any_spelling() {
    let mut envoy = envoy();
    let preflight = Request::new("OPTIONS", "/orders")
        .header("origin", "https://evil.test")
        .header("access-control-request-method", "PUT");
    for (request, is_protected) in [
        (get("/orders").bearer(token()), true),
        (get("/public"), false),
        (get("/news"), false),
        (get("/auth/v1/sessions"), false),
        (preflight, false),
    ] {
        let request = SPOOFED.iter().fold(request, |request, name| {
            request
                .header(name, "admin")
                .header(name, "root")
                .header("connection", name)
                .trailer(name, "admin")
        });
        let reply = send(&mut envoy, request.trailer("x-checksum", "1"));
        assert_eq!(reply.upstream("x-auth-gate"), [b"pass"]);
        let ours = [
            "x-auth-gate",
            "x-auth-subject",
            "x-auth-session",
            "x-auth-roles",
        ];
        for (name, value) in reply.headers().iter() {
            assert_ne!(value, b"admin");
            assert_ne!(value, b"root");
            if canonical(name).starts_with("x-auth-") {
                assert!(ours.map(str::as_bytes).contains(&name));
                assert!(is_protected || name == b"x-auth-gate");
            }
        }
        let trailers = reply.trailers().iter().collect::<Vec<_>>();
        assert_eq!(trailers, [(&b"x-checksum"[..], &b"1"[..])]);
    }
    let rejected = send(&mut envoy, get("/orders").header("x-auth-gate", "pass"));
    assert_eq!(rejected.status(), 401);
    assert!(rejected.headers().get("x-auth-gate").is_none());
    assert!(envoy.metric("latchkey_headers_sanitised") > 100);
}

/// FR-01: a header that the operator maps is reserved wherever its name begins.
#[test]
fn a_mapped_header_outside_the_prefix_is_reserved_too() {
    let mut mapped = config();
    mapped["identity_headers"] = json!({ "remote-user": "sub", "x.tenant_id": "client_id" });
    let mut envoy = Host::latchkey(&mapped).vms(1);
    envoy.sync();
    for name in [
        "remote-user",
        "Remote_User",
        "REMOTE.USER",
        "x-tenant-id",
        "x_tenant.id",
    ] {
        let reply = send(&mut envoy, get("/public").header(name, "admin"));
        assert!(reply.upstream(name).is_empty(), "{name}");
    }
    let kept = send(&mut envoy, get("/public").header("remote-user2", "x"));
    assert_eq!(kept.upstream("remote-user2"), [b"x"]);
    let reply = send(
        &mut envoy,
        get("/").bearer(token()).header("x-tenant-id", "admin"),
    );
    assert_eq!(reply.upstream("x.tenant_id"), [b"latchkey"]);
    assert!(reply.upstream("x-tenant-id").is_empty());
}

/// The interlock's mark is on what passes, and on nothing else.
#[test]
fn the_mark_of_the_interlock_is_only_on_what_passes() {
    let mut envoy = envoy();
    for request in [
        get("/orders").bearer(token()),
        get("/public"),
        get("/news"),
        get("/auth/v1/sessions"),
    ] {
        assert_eq!(send(&mut envoy, request).upstream("x-auth-gate"), [b"pass"]);
    }
    for request in [
        get("/orders"),
        get("/orders").bearer("bad"),
        get("/orders").bearer("a").bearer("b"),
        get("/a//b").bearer(token()),
        get("/-/latchkey/ready"),
    ] {
        let reply = send(&mut envoy, request);
        assert!(!reply.passed());
        assert!(reply.headers().get("x-auth-gate").is_none());
    }
}

/// FR-07: the decision is made on a path that has one reading, or not at all.
#[test]
fn a_path_with_two_readings_is_400() {
    let mut envoy = envoy();
    for path in [
        &b""[..],
        b"orders",
        b"*",
        b"http://www.example.com/orders",
        b"//public",
        b"/public//x",
        b"/public/../orders",
        b"/public/./x",
        b"/public/..",
        b"/public\\..\\orders",
        b"/public/..%2forders",
        b"/public%2f..%2forders",
        b"/public/%2e%2e/orders",
        b"/public/%2E%2e",
        b"/%70ublic",
        b"/public%00",
        b"/public%5c",
        b"/public;x=1",
        b"/public/a;b/c",
        b"/public%252f",
        b"/public%",
        b"/public%zz",
        b"/public/\xff",
        b"/public/\xc3\xa4",
        b"/public/a b",
    ] {
        let reply = send(&mut envoy, get(path).bearer(token()));
        assert_eq!(reply.status(), 400, "{}", String::from_utf8_lossy(path));
        let body: Value = serde_json::from_str(reply.body()).unwrap();
        assert_eq!(body["code"], "ambiguous_request");
    }
    assert_eq!(
        send(&mut envoy, get("/public").without(":path")).status(),
        400
    );
}

/// FR-07: headers that claim another path are never read.
#[test]
fn headers_that_rewrite_the_path_change_nothing() {
    let mut envoy = envoy();
    for name in [
        "x-envoy-original-path",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-uri",
        "x-http-method-override",
    ] {
        let request = get("/orders").header(name, "/public");
        assert_eq!(send(&mut envoy, request).status(), 401, "{name}");
    }
}

/// FR-08: the neighbours of a public path, and the public path inside a query.
#[test]
fn a_public_prefix_covers_whole_segments_only() {
    let mut envoy = envoy();
    for path in [
        "/public",
        "/public/",
        "/public/a/b",
        "/public?x=/orders",
        "/public#x",
    ] {
        assert!(send(&mut envoy, get(path)).passed(), "{path}");
    }
    for path in [
        "/",
        "/publi",
        "/publicx",
        "/public.json",
        "/public%20",
        "/Public",
        "/x/public",
        "/orders?x=/public",
        "/orders#/public",
        "/orders?/../public",
    ] {
        assert_eq!(send(&mut envoy, get(path)).status(), 401, "{path}");
    }
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

/// Without path rules a strange path cannot open anything: it needs a token like any other.
#[test]
fn without_rules_every_path_needs_a_token() {
    let mut bare = config();
    let members = bare.as_object_mut().unwrap();
    members.remove("rules");
    members.remove("ready_path");
    let mut envoy = Host::latchkey(&bare).vms(1);
    envoy.sync();
    for path in ["/", "/a//b", "/a/../b", "*"] {
        assert_eq!(send(&mut envoy, get(path)).status(), 401, "{path}");
        assert!(
            send(&mut envoy, get(path).bearer(token())).passed(),
            "{path}"
        );
    }
    assert_eq!(
        send(&mut envoy, get("/").without(":path").bearer(token())).status(),
        400
    );
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
