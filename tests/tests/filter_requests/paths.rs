//! On which path a request is decided.

use super::*;

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
