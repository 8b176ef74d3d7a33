//! Reserved headers and the mark of the interlock.

use super::*;

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
