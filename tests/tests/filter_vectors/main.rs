//! Signatures at the edges of what their standards allow, inside wasm: published vectors on a program built like the filter, and on the
//! built filter tokens whose keys are made to fit such signatures.

mod ecdsa;
mod ed25519;
mod program;

use serde_json::{Value, json};
use tests::forge::{encode, header, payload, with};
use tests::gateway::config;
use tests::host::{Host, get};
use tests::issuer::{START, issuer, session};

/// TV-10, TV-11: Wycheproof's sets and the edges of Ed25519, on the code that the filter is made of, for its target and in its profile.
#[test]
fn the_signature_vectors_hold_in_wasm() {
    let output = program::run(&program::vectors());
    let has_passed = |name: &str| output.contains(&format!("{name} ... ok"));
    assert!(has_passed("ecdsa_on_p256_in_the_form_of_jws"), "{output}");
    assert!(has_passed("ed25519_signatures"), "{output}");
    assert!(
        output.contains("test result: ok. 7 passed; 0 failed; 0 ignored"),
        "{output}"
    );
}

/// A token with a key of its own and a signature that need not have been made with any.
struct Case {
    class: String,
    key: Value,
    token: String,
    is_good: bool,
}

/// What is signed for the key of that name.
fn signed(alg: &str, kid: &str) -> String {
    let header = with(header(&issuer()), "alg", Some(json!(alg)));
    let header = serde_json::from_str(&header).expect("an object");
    let header = with(header, "kid", Some(json!(kid)));
    let payload = payload(&issuer(), &session("alice"), START).to_string();
    format!("{}.{}", encode(header), encode(payload))
}

/// A configuration that takes these keys and no others, and asks no companion.
fn configuration(keys: &[Value]) -> Value {
    let mut configuration = config();
    configuration
        .as_object_mut()
        .expect("an object")
        .remove("companion");
    configuration["on_stale"] = json!("allow");
    configuration["jwks"] = json!({ "inline": { "keys": keys } });
    configuration
}

/// Sends every case to the filter, once with the host's own verification and once without.
fn check(cases: &[Case]) {
    let mut keys: Vec<Value> = cases.iter().map(|case| case.key.clone()).collect();
    keys.dedup();
    for keys in keys.chunks(64) {
        let is_here = |case: &&Case| keys.contains(&case.key);
        for has_native in [true, false] {
            let mut envoy = Host::latchkey(&configuration(keys)).vms(1);
            envoy.set_native_verification(has_native);
            for case in cases.iter().filter(is_here) {
                let reply = envoy.vm(0).request(get("/orders").bearer(&case.token));
                assert_eq!(reply.failure(), None, "{}", case.class);
                assert_eq!(
                    reply.passed(),
                    case.is_good,
                    "{} {}",
                    case.class,
                    case.token
                );
                assert!(case.is_good || reply.denied().0 == 401, "{}", case.class);
            }
        }
    }
}
