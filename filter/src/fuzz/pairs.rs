//! The ABI's header map.

use crate::pairs;

/// FR-22: what is read is what stands there: written again it gives the same bytes.
#[test]
fn map() {
    bolero::check!()
        .with_iterations(512)
        .for_each(|bytes: &[u8]| {
            let Some(headers) = pairs::read(bytes) else {
                return;
            };
            let sizes = headers
                .iter()
                .flat_map(|(name, value)| [name.len(), value.len()]);
            let mut written = u32::try_from(headers.len()).unwrap().to_le_bytes().to_vec();
            written.extend(sizes.flat_map(|size| u32::try_from(size).unwrap().to_le_bytes()));
            for (name, value) in &headers {
                written.extend([name, &b"\0"[..], value, b"\0"].concat());
            }
            assert!(bytes.is_empty() || bytes.starts_with(&written));
        });
}
