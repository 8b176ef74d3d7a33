//! Refresh tokens.

use token::{MacKey, RefreshToken, Rejection, SessionId};

fn key(version: u32) -> MacKey {
    MacKey::new(version, [u8::try_from(version).unwrap(); 32])
}

fn session() -> SessionId {
    SessionId::from_bytes([0x5a; 16])
}

#[test]
fn an_issued_refresh_token_reads_back() {
    let raw = RefreshToken::issue(session(), 41, &key(1));
    assert!(raw.starts_with("lkr_5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a.41."));
    let token = RefreshToken::verify(&raw, &[key(1)]).unwrap();
    assert_eq!(
        (token.session(), token.generation(), token.key_version()),
        (session(), 41, 1)
    );
}

/// The MAC input that the contract fixes, computed by another implementation (Python's `hmac`).
#[test]
fn the_mac_is_the_one_of_the_contract() {
    let raw = RefreshToken::issue(SessionId::from_bytes([0; 16]), 1, &MacKey::new(1, [0; 32]));
    assert_eq!(
        raw,
        "lkr_00000000000000000000000000000000.1.EAHR277LWaB1bE-nvn-vqUSyoPTE8RS4xz21q0MUYQQ"
    );
}

/// RR-16: the few live versions are tried, at most three, and a removed one kills its tokens.
#[test]
fn the_live_key_versions_are_tried_and_no_other() {
    let raw = RefreshToken::issue(session(), 1, &key(1));
    assert_eq!(
        RefreshToken::verify(&raw, &[key(3), key(2), key(1)])
            .unwrap()
            .key_version(),
        1
    );
    assert_eq!(
        RefreshToken::verify(&raw, &[key(3), key(2)]),
        Err(Rejection::BadSignature)
    );
    assert_eq!(
        RefreshToken::verify(&raw, &[key(4), key(3), key(2), key(1)]),
        Err(Rejection::BadSignature)
    );
    assert_eq!(
        RefreshToken::verify(&raw, &[]),
        Err(Rejection::BadSignature)
    );
}

/// RR-08, RR-15: the version is under the MAC although the token does not name it.
#[test]
fn the_same_secret_under_another_version_is_another_key() {
    let raw = RefreshToken::issue(session(), 1, &MacKey::new(1, [1; 32]));
    assert_eq!(
        RefreshToken::verify(&raw, &[MacKey::new(2, [1; 32])]),
        Err(Rejection::BadSignature)
    );
}

#[test]
fn any_other_spelling_is_refused() {
    let raw = RefreshToken::issue(session(), 41, &key(1));
    let mac = raw.rsplit_once('.').unwrap().1;
    for bad in [
        String::new(),
        "lkr_".into(),
        raw.to_uppercase(),
        format!("{raw}="),
        format!(" {raw}"),
        raw.replacen("lkr_", "lkr-", 1),
        raw.replacen(".41.", ".041.", 1),
        raw.replacen(".41.", ".+41.", 1),
        raw.replacen(".41.", "..", 1),
        raw.replacen(".41.", ".9007199254740992.", 1),
        raw.replacen(mac, &mac[1..], 1),
        raw.replacen(".41.", ".42.", 1),
        raw.replacen("5a5a", "5a5b", 1),
        "l".repeat(10_000),
    ] {
        assert!(RefreshToken::verify(&bad, &[key(1)]).is_err(), "{bad}");
    }
}
