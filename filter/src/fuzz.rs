//! Fuzz targets: what the filter reads of requests, of its configuration and of shared data. `make fuzz` runs them guided by coverage;
//! as tests they run over their seeds and over some random inputs. The one of the feed is beside the tests of `subscription`.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "test code: an overflow is a failed test"
)]

mod authority;
mod config;
mod identity;
mod pairs;
mod path;
mod request;
mod shared;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use token::{Es256Check, VerifyingKey};

use crate::fixture::key;

/// The most memory that may be held at one moment while at most 8 KiB are read (security.md D4).
const MOST_BYTES: u64 = 64 * 1024;

/// Runs `read` and demands that it stayed within [`MOST_BYTES`]; its result counts too.
fn light<T>(read: impl FnOnce() -> T) -> T {
    let mut result = None;
    let held = allocation_counter::measure(|| result = Some(read()));
    assert!(
        held.bytes_max <= MOST_BYTES,
        "{} bytes were held at once",
        held.bytes_max
    );
    result.unwrap()
}

/// Takes every signature, so that an engine reaches what lies behind it.
struct AnySignature;

impl Es256Check for AnySignature {
    fn es256(&self, _: &VerifyingKey, _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

/// A token of this payload for [`AnySignature`], under the access key of secret 7.
fn token(payload: impl AsRef<[u8]>) -> String {
    let header =
        serde_json::json!({ "alg": "ES256", "typ": "at+jwt", "kid": key(7).kid() }).to_string();
    let parts = [header.as_bytes(), payload.as_ref(), [1; 64].as_slice()];
    parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}
