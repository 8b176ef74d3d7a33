//! Tokens that were verified before.

use super::*;

/// TV-20: a live token flips at `exp` + `clock_skew`, in the cache too.
#[test]
fn a_cached_token_ends_with_the_second() {
    let mut envoy = envoy();
    let token = issuer().access_token(&session("alice"));
    assert!(send(&mut envoy, get("/orders").bearer(&token)).passed());
    envoy.advance_in_touch(Duration::from_secs(329));
    assert_eq!(envoy.now(), START.seconds() + 329);
    assert!(send(&mut envoy, get("/orders").bearer(&token)).passed());
    envoy.advance_in_touch(Duration::from_secs(1));
    assert_eq!(
        send(&mut envoy, get("/orders").bearer(&token)).denied(),
        INVALID
    );
}

/// TV-27: a twin under the same prefix or the same signature is another token.
#[test]
fn the_cache_answers_for_exactly_the_token_that_was_verified() {
    let mut envoy = envoy();
    let token = issuer().access_token(&session("alice"));
    assert!(send(&mut envoy, get("/").bearer(&token)).passed());
    let hits = envoy.metric("latchkey_token_cache_hits");
    assert!(send(&mut envoy, get("/").bearer(&token)).passed());
    assert_eq!(envoy.metric("latchkey_token_cache_hits"), hits + 1);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let mut other = payload(&issuer(), &session("alice"), START);
    other["roles"] = json!(["admin"]);
    let other = tests::forge::encode(other.to_string());
    for twin in [
        format!("{header}.{other}.{signature}"),
        format!("{signed}.{}", tests::forge::encode([1; 64])),
        token[..token.len() - 1].to_owned(),
        format!("{token}A"),
    ] {
        assert_eq!(send(&mut envoy, get("/").bearer(twin)).denied(), INVALID);
    }
}

/// TV-27: more tokens than the cache holds.
#[test]
fn a_flood_of_tokens_keeps_the_cache_bounded_and_right() {
    let mut small = config();
    small["token_cache_size"] = json!(4);
    let mut envoy = Host::latchkey(&small).vms(1);
    envoy.sync();
    let tokens = (0..40).map(|number| issuer().access_token(&session(&number.to_string())));
    let tokens = tokens.collect::<Vec<_>>();
    for token in tokens.iter().chain(&tokens) {
        assert!(send(&mut envoy, get("/").bearer(token)).passed());
    }
    assert_eq!(envoy.metric("latchkey_token_cache_hits"), 0);
}
