//! Vectors of the standards.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use token::{Algorithm, Es256Check as _, KeySet, SigningKey, SoftwareCheck, es256_to_der};

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// RFC 7515 appendix A.3.
#[test]
fn the_es256_example_of_rfc_7515_verifies() {
    let keys = json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "kid": "A.3",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }] });
    let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
    let key = keys.find("A.3").unwrap();
    let signed = "eyJhbGciOiJFUzI1NiJ9.\
        eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = decode(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
    let signature: [u8; 64] = signature.try_into().unwrap();
    assert!(SoftwareCheck.es256(key, signed.as_bytes(), &signature));
    assert!(!SoftwareCheck.es256(key, &signed.as_bytes()[1..], &signature));
    assert_eq!(key.spki_der().unwrap().len(), 91);
}

/// RFC 8037 appendices A.1 to A.3: public key and thumbprint (RFC 7638) of a private key.
#[test]
fn the_ed25519_key_of_rfc_8037_has_its_thumbprint() {
    let secret = decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let key = SigningKey::from_secret(Algorithm::EdDsa, &secret.try_into().unwrap()).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(
        key.verifying_key().to_value()["x"],
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    );
}

/// X.690 section 8.3: fewest octets, positive; zero is no signature.
#[test]
fn a_signature_becomes_der() {
    let mut signature = [0; 64];
    assert_eq!(es256_to_der(&signature), None);
    signature[31] = 1;
    assert_eq!(es256_to_der(&signature), None);
    signature[63] = 0x80;
    assert_eq!(
        es256_to_der(&signature),
        Some(vec![0x30, 7, 2, 1, 1, 2, 2, 0, 0x80])
    );
    assert_eq!(es256_to_der(&[0xff; 64]).map(|der| der.len()), Some(72));
}

/// A P-256 scalar must lie in 1..n−1 (FIPS 186-5 appendix A.2.2); others are drawn again.
#[test]
fn a_secret_out_of_range_makes_no_key() {
    assert!(SigningKey::from_secret(Algorithm::Es256, &[0; 32]).is_none());
    assert!(SigningKey::from_secret(Algorithm::Es256, &[0xff; 32]).is_none());
    assert!(SigningKey::from_secret(Algorithm::EdDsa, &[0xff; 32]).is_some());
}
