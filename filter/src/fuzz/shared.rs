//! Values of shared data, as any plugin under the same `vm_id` may leave them.

use token::SessionId;

use crate::shared::memory::Memory;
use crate::shared::{Found, Scope, SharedData as _};
use crate::state::State;
use crate::{alive, bucket, held_keys, lease};

/// FR-24: what is read as one of our values is, byte for byte, what we write; anything else is unreadable, and never "not revoked".
#[test]
fn value() {
    bolero::check!()
        .with_iterations(512)
        .for_each(|bytes: &[u8]| {
            match bucket::decode(bytes) {
                Ok(entries) => {
                    assert_eq!(bucket::encode(&entries), bytes);
                    for (session, _) in &entries {
                        assert_eq!(bucket::contains(bytes, *session), Ok(true));
                    }
                }
                Err(unreadable) => {
                    let session = SessionId::from_bytes([0; 16]);
                    assert_eq!(bucket::contains(bytes, session), Err(unreadable));
                }
            }
            if let Some(state) = State::decode(bytes) {
                assert_eq!(State::decode(&state.encode()), Some(state));
            }
            if let Some(gateway) = alive::decode(bytes) {
                assert_eq!(alive::encode(gateway), bytes);
            }
            if let Some(keys) = held_keys::decode(bytes) {
                let again = held_keys::decode(&held_keys::encode(&keys.to_json())).unwrap();
                assert_eq!(again.to_json(), keys.to_json());
            }
            lease_is_taken_in_the_end(bytes);
        });
}

/// RV-16: whatever stands there, nobody waits for longer than a lease lasts.
fn lease_is_taken_in_the_end(bytes: &[u8]) {
    let (shared, scope, now) = (Memory::default(), Scope::new("n"), 1_000_000);
    shared.put(&scope.key("lease"), bytes);
    if !lease::hold(&shared, &scope, &[1; 16], now) {
        let Found::Value(held, _) = shared.read(&scope.key("lease")) else {
            panic!("the lease is gone");
        };
        assert_eq!(held, bytes);
        let end = now + 2 * lease::LEASE_MILLISECONDS;
        assert!(lease::hold(&shared, &scope, &[1; 16], end));
    }
    assert!(lease::is_held(&shared, &scope, &[1; 16], now));
}
