//! Contexts in an order that no host should come up with.

use super::*;

const CONTINUE: i32 = 0;
const STRANGE: [u32; 4] = [0, 77, i32::MAX as u32, u32::MAX];

/// FR-11: a request on a context that nobody created is held and answered, never passed on.
#[test]
fn a_request_on_an_unknown_context_is_refused() {
    let mut envoy = envoy(1);
    for context in STRANGE {
        for export in ["proxy_on_request_headers", "proxy_on_request_trailers"] {
            let count = [context, 3, 1];
            let arguments = if export == "proxy_on_request_headers" {
                &count[..]
            } else {
                &count[..2]
            };
            let action = envoy.vm(0).call(export, arguments);
            assert!(
                action.is_some_and(|action| action != CONTINUE),
                "{export} {context}"
            );
        }
    }
    assert_eq!(envoy.vm(0).failure(), None);
}

/// A root context is no request, though it exists.
#[test]
fn a_request_under_the_number_of_a_configuration_is_refused() {
    let mut envoy = envoy(1);
    let action = envoy.vm(0).call("proxy_on_request_headers", &[1, 3, 1]);
    assert!(action.is_some_and(|action| action != CONTINUE));
    send_all(&mut envoy, &healthy(), "afterwards");
}

/// Envoy has the request, the filter was never told of it: 503 by the filter, on public paths too.
#[test]
fn a_request_whose_creation_was_not_told_is_503() {
    let mut envoy = starting()
        .without_capability("proxy_on_context_create")
        .vms(1);
    envoy.answer_feed(page());
    for request in requests() {
        assert_eq!(envoy.vm(0).request(request).local().status, 503);
    }
}

/// Unknown, deleted and repeated: every callback under every strange number is dropped, and the gate goes on.
#[test]
fn callbacks_under_strange_numbers_do_no_harm() {
    let healthy = healthy();
    let mut envoy = envoy(1);
    for context in STRANGE {
        for (export, rest) in [
            ("proxy_on_tick", &[][..]),
            ("proxy_on_http_call_response", &[1, 1, 5, 0]),
            ("proxy_on_http_call_response", &[u32::MAX, 0, u32::MAX, 9]),
            ("proxy_on_context_create", &[78]),
            ("proxy_on_context_create", &[u32::MAX]),
            ("proxy_on_vm_start", &[u32::MAX]),
            ("proxy_on_delete", &[]),
            ("proxy_on_delete", &[]),
        ] {
            envoy.vm(0).call(export, &[&[context], rest].concat());
            assert_eq!(envoy.vm(0).failure(), None, "{export} {context} {rest:?}");
        }
    }
    send_all(&mut envoy, &healthy, "afterwards");
    envoy.answer_feed(page().revoking(session("alice").id));
    let token = issuer().access_token(&session("alice"));
    assert_eq!(
        envoy.vm(0).request(get("/orders").bearer(token)).status(),
        401
    );
}

/// A number that is used again belongs to the configuration named last; under one that is gone nothing passes.
#[test]
fn a_stream_belongs_to_the_configuration_it_was_created_under() {
    let mut envoy = envoy(1);
    envoy.vm(0).call("proxy_on_context_create", &[500, 1]);
    envoy.vm(0).call("proxy_on_context_create", &[500, 999]);
    let action = envoy.vm(0).call("proxy_on_request_headers", &[500, 3, 1]);
    assert!(action.is_some_and(|action| action != CONTINUE));
}

/// Old and new configuration in one VM: each request by its own, until the old one is deleted, and afterwards.
#[test]
fn configurations_of_one_vm_do_not_mix() {
    let mut envoy = envoy(1);
    let mut open = demanding();
    open["rules"] = json!([{ "match": { "prefix": "/" }, "require": "none" }]);
    assert!(envoy.update(&open));
    assert!(envoy.vm(0).request(get("/orders")).passed());
    envoy.drain();
    assert!(envoy.vm(0).request(get("/orders")).passed());
    assert!(envoy.update(demanding()));
    assert_eq!(envoy.vm(0).request(get("/orders")).status(), 401);
    envoy.drain();
    assert_eq!(envoy.vm(0).request(get("/orders")).status(), 401);
    // Ticks and answers of the drained ones come late.
    for root in 1..4 {
        envoy.vm(0).call("proxy_on_tick", &[root]);
    }
    assert_eq!(envoy.vm(0).failure(), None);
}

/// FR-21: a configuration that the host does not give is no reason to answer false, after which Envoy would skip the filter.
#[test]
fn a_configuration_that_is_not_given_closes_the_gate() {
    let short = br#"{"issuer":"https://www.example.com"}"#.to_vec();
    for data in [
        Returned::Bytes(Vec::new()),
        Returned::Bytes(short),
        Returned::Bytes([demanding().to_string().as_bytes(), b" "].concat()),
        Returned::NoPointer,
        Returned::NoSize,
    ] {
        let attack = format!("{data:?}");
        let mut envoy = starting().returning("proxy_get_buffer_bytes", data).vms(1);
        envoy.stop_forcing();
        envoy.advance(Duration::from_secs(2));
        assert!(envoy.vm(0).is_configured(), "{attack}");
        for request in requests() {
            assert_eq!(envoy.vm(0).request(request).local().status, 503, "{attack}");
        }
        assert!(
            envoy
                .logs()
                .iter()
                .any(|line| line.contains("did not give the configuration"))
        );
    }
}
