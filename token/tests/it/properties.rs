//! Whatever the bytes.

use proptest::prelude::*;
use token::{
    AccessToken, Cursor, GatewayKeys, KeySet, MacKey, Page, RefreshToken, SoftwareCheck, UnixTime,
    issue, strict_json,
};

use crate::forge::{
    ISSUER, claims, eddsa_key, es256, es256_key, header, key_set, payload, verify, verify_at,
};

fn read_with_everything(raw: &[u8]) {
    let _ = verify(raw).map(|token: AccessToken| token.subject().len());
    let _ = Page::verify(raw, &key_set(), &SoftwareCheck, ISSUER);
    let _ = KeySet::parse(raw);
    let _ = GatewayKeys::parse(raw);
    let _ = strict_json(raw);
    if let Ok(text) = std::str::from_utf8(raw) {
        let _ = RefreshToken::verify(text, &[MacKey::new(1, [1; 32])]);
        let _ = text.parse::<Cursor>();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(raw in prop::collection::vec(any::<u8>(), 0..400)) {
        read_with_everything(&raw);
    }

    /// TV-30: well signed, so that the claims are reached.
    #[test]
    fn arbitrary_signed_payloads_never_panic(raw in "\\PC{0,200}", name in "[a-z_]{1,9}", number in any::<f64>()) {
        read_with_everything(es256(&header().to_string(), &raw).as_bytes());
        let mut payload = payload();
        payload[&name] = serde_json::json!(number);
        read_with_everything(es256(&header().to_string(), &payload.to_string()).as_bytes());
    }

    /// TV-09.
    #[test]
    fn any_flipped_bit_of_a_valid_token_is_refused(at in any::<prop::sample::Index>(), bit in 0..8_u32, is_eddsa in any::<bool>()) {
        let key = if is_eddsa { eddsa_key() } else { es256_key() };
        let mut raw = issue(&claims(), &key).into_bytes();
        prop_assert!(verify(&raw).is_ok());
        let at = at.index(raw.len());
        raw[at] ^= 1 << bit;
        prop_assert!(verify(&raw).is_err());
    }

    #[test]
    fn any_flipped_bit_of_a_refresh_token_is_refused(at in any::<prop::sample::Index>(), bit in 0..7_u32) {
        let key = [MacKey::new(1, [1; 32])];
        let mut raw = RefreshToken::issue(claims().sid, 7, &key[0]).into_bytes();
        let at = at.index(raw.len());
        raw[at] ^= 1 << bit;
        prop_assert!(RefreshToken::verify(std::str::from_utf8(&raw).unwrap(), &key).is_err());
    }

    /// TV-23: no clock and no claim makes the arithmetic overflow.
    #[test]
    fn all_times_are_harmless(iat in any::<i64>(), exp in any::<i64>(), nbf in any::<i64>(), now in any::<i64>()) {
        let mut payload = payload();
        payload["iat"] = iat.into();
        payload["exp"] = exp.into();
        payload["nbf"] = nbf.into();
        let raw = es256(&header().to_string(), &payload.to_string());
        if verify_at(raw, UnixTime::from_seconds(now)).is_ok() {
            prop_assert!(now < exp.saturating_add(30) && iat <= now.saturating_add(30) && nbf <= now.saturating_add(30));
            prop_assert!(exp.saturating_sub(iat) <= 900);
        }
    }
}
