//! Any bytes.

use token::{Page, SoftwareCheck};

use crate::differential::{ISSUER, agree, verify};
use crate::draft::keys;
use crate::weight::light;

/// FR-22, TV-30: any bytes as a token and as a page.
#[test]
fn bytes() {
    let keys = keys();
    bolero::check!().with_iterations(512).for_each(|raw| {
        let verdict = light(|| verify(raw, &keys));
        agree(raw, verdict);
        let _ = Page::verify(raw, &keys, &SoftwareCheck, ISSUER);
    });
}
