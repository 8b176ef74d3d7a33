//! Feed pages.

use token::{Algorithm, KeySet, Page, SigningKey, SoftwareCheck};

use crate::differential::ISSUER;
use crate::draft::{Draft, keys};

/// RV-09, RV-18: what is read as a page can be signed again and reads equal, and stays within its bounds.
#[test]
fn signed() {
    let keys = keys();
    let again = SigningKey::from_secret(Algorithm::EdDsa, &[9; 32]).unwrap();
    let again_keys = KeySet::new(vec![again.verifying_key().clone()]).unwrap();
    bolero::check!().with_iterations(256).for_each(|text| {
        let raw = Draft::read(text).sign();
        let Ok(page) = Page::verify(raw.as_bytes(), &keys, &SoftwareCheck, ISSUER) else {
            return;
        };
        assert!(page.after <= page.seq && page.seq <= token::MAX_NUMBER);
        assert_eq!(page.mark.is_some(), page.seq > 0);
        assert!(page.revoked.len() <= Page::MAX_ENTRIES);
        let signed = page.sign(&again);
        let read = Page::verify(signed.as_bytes(), &again_keys, &SoftwareCheck, ISSUER);
        assert_eq!(read.as_ref(), Ok(&page));
    });
}
