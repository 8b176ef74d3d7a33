//! Which tokens are good where the issuer is another than that of the table.

use super::*;

/// TV-28, TV-11: Ed25519 under both names, checked in the guest because no host does.
#[test]
fn ed25519_is_read_under_both_names() {
    let issuer = issuer().with_eddsa();
    let mut envoy = Host::latchkey(&config()).vms(1);
    envoy.answer_feed(tests::gateway::NextPage::of(&issuer));
    let before = envoy.native_checks();
    for token in both_spellings_of_ed25519(&issuer, &session("alice"), START) {
        assert!(send(&mut envoy, get("/orders").bearer(&token)).passed());
        let (signed, _) = token.rsplit_once('.').unwrap();
        let small_order = format!("{signed}.{}", tests::forge::encode([0; 64]));
        assert_eq!(
            send(&mut envoy, get("/orders").bearer(small_order)).denied(),
            INVALID
        );
    }
    assert_eq!(envoy.native_checks(), before);
}

/// TV-18: two filters with different issuers and the same `kid`.
#[test]
fn a_key_of_the_same_name_belongs_to_its_issuer() {
    let mut elsewhere = config();
    elsewhere["issuer"] = json!("https://other.example.com");
    let other = Issuer::named("https://other.example.com", 7);
    assert_eq!(other.access_key().kid(), issuer().access_key().kid());
    let mut envoy = Host::latchkey(&elsewhere).vms(1);
    envoy.answer_feed(tests::gateway::NextPage::of(&other));
    let alice = session("alice");
    assert!(send(&mut envoy, get("/").bearer(other.access_token(&alice))).passed());
    assert_eq!(
        send(&mut envoy, get("/").bearer(issuer().access_token(&alice))).denied(),
        INVALID
    );
}
