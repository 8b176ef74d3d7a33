//! The ABI's header map: the number of pairs, the sizes of each name and value, then the bytes, each ended by NUL; little-endian.

/// Writes a map.
pub(crate) fn write(headers: &[(&str, &str)]) -> Vec<u8> {
    let size = |text: &str| u32::try_from(text.len()).unwrap_or(0).to_le_bytes();
    let mut bytes = u32::try_from(headers.len())
        .unwrap_or(0)
        .to_le_bytes()
        .to_vec();
    for (name, value) in headers {
        bytes.extend_from_slice(&size(name));
        bytes.extend_from_slice(&size(value));
    }
    for (name, value) in headers {
        for text in [name, value] {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
    }
    bytes
}

/// Reads a map in place; `None` when it is cut short.
pub(crate) fn read(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
    let (sizes, mut rest) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut text = |size: [u8; 4]| {
        let size = usize::try_from(u32::from_le_bytes(size)).ok()?;
        let (text, after) = rest.split_at_checked(size)?;
        rest = after.strip_prefix(&[0])?;
        Some(text)
    };
    let (sizes, _) = sizes.as_chunks::<8>();
    sizes
        .iter()
        .map(|[a, b, c, d, e, f, g, h]| Some((text([*a, *b, *c, *d])?, text([*e, *f, *g, *h])?)))
        .collect()
}
