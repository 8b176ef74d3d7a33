//! Feed pages.

use serde_json::{Value, json};
use token::{Mark, Page, Rejection, SessionId, SoftwareCheck, UnixTime, issue};

use crate::forge::{ISSUER, NOW, claims, es256, es256_key, key_set};

fn page() -> Page {
    Page {
        iss: ISSUER.into(),
        iat: NOW,
        after: 3,
        seq: 5,
        mark: Some(Mark::from_bytes([0xab; 8])),
        more: false,
        keys: 1,
        revoked: vec![
            (SessionId::from_bytes([1; 16]), NOW),
            (SessionId::from_bytes([2; 16]), UnixTime::from_seconds(0)),
        ],
    }
}

fn payload() -> Value {
    json!({
        "v": 1, "iss": ISSUER, "iat": NOW.seconds(), "after": 3, "seq": 5, "mark": "abababababababab", "more": false, "keys": 1,
        "revoked": [["01010101010101010101010101010101", NOW.seconds()], ["02020202020202020202020202020202", 0]],
    })
}

fn verify(raw: &str) -> Result<Page, Rejection> {
    Page::verify(raw.as_bytes(), &key_set(), &SoftwareCheck, ISSUER)
}

fn signed(payload: &Value) -> String {
    let header = json!({ "alg": "ES256", "typ": "revocations+jwt", "kid": es256_key().kid() });
    es256(&header.to_string(), &payload.to_string())
}

#[test]
fn a_signed_page_reads_back() {
    assert_eq!(verify(&page().sign(&es256_key())), Ok(page()));
    let start = Page {
        after: 0,
        seq: 0,
        mark: None,
        revoked: vec![],
        ..page()
    };
    assert_eq!(verify(&start.sign(&es256_key())), Ok(start));
}

/// The form that is fixed for every reader, member by member; members that are not known are ignored.
#[test]
fn the_form_of_a_page_is_fixed() {
    let mut with_extra = payload();
    with_extra["later"] = json!("x");
    assert_eq!(verify(&signed(&payload())), Ok(page()));
    assert_eq!(verify(&signed(&with_extra)), Ok(page()));
}

/// RV-09, TV-17: neither kind passes as the other.
#[test]
fn a_token_is_no_page_and_a_page_no_token() {
    assert_eq!(
        verify(&issue(&claims(), &es256_key())),
        Err(Rejection::WrongType)
    );
    assert_eq!(
        crate::forge::verify(page().sign(&es256_key())).map(|_| ()),
        Err(Rejection::WrongType)
    );
}

/// RV-09: a class of defects per member.
#[test]
fn a_page_with_a_defect_is_refused_whole() {
    let cases = [
        ("v", json!(2)),
        ("v", json!("1")),
        ("iat", json!("now")),
        ("iat", json!(1.5)),
        ("after", json!(6)),
        ("after", json!(-1)),
        ("seq", json!(1_u64 << 53)),
        ("seq", json!(null)),
        ("mark", json!("")),
        ("mark", json!("ABABABABABABABAB")),
        ("mark", json!("abab")),
        ("more", json!(0)),
        ("keys", json!("1")),
        ("revoked", json!({})),
        ("revoked", json!([["01010101010101010101010101010101"]])),
        ("revoked", json!([["0101", 1]])),
        (
            "revoked",
            json!([["01010101010101010101010101010101", "1"]]),
        ),
        (
            "revoked",
            json!([["01010101010101010101010101010101", 1, 2]]),
        ),
    ];
    for (name, value) in cases {
        let mut bad = payload();
        bad[name] = value;
        assert_eq!(verify(&signed(&bad)), Err(Rejection::Malformed), "{bad}");
        bad.as_object_mut().unwrap().remove(name);
        assert_eq!(
            verify(&signed(&bad)),
            Err(Rejection::Malformed),
            "without {name}"
        );
    }
    let mut other = payload();
    other["iss"] = json!("https://other.example");
    assert_eq!(verify(&signed(&other)), Err(Rejection::WrongIssuer));
}

/// RV-18.
#[test]
fn a_page_is_capped_in_entries_and_bytes() {
    let entries = |count: usize| Page {
        revoked: vec![(SessionId::from_bytes([1; 16]), NOW); count],
        ..page()
    };
    let largest = entries(Page::MAX_ENTRIES).sign(&es256_key());
    assert!(largest.len() <= Page::MAX_BYTES);
    assert!(verify(&largest).is_ok());
    assert_eq!(
        verify(&entries(Page::MAX_ENTRIES + 1).sign(&es256_key())),
        Err(Rejection::Malformed)
    );
    assert_eq!(
        verify(&"a".repeat(Page::MAX_BYTES + 1)),
        Err(Rejection::TooLong)
    );
}
