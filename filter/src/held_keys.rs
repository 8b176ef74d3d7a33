//! The key document as it lies in shared data under `keys`.

use token::GatewayKeys;

/// `LKK` and the version of this layout.
const MAGIC: [u8; 4] = *b"LKK1";

/// Magic, length, document.
pub(crate) fn encode(document: &str) -> Vec<u8> {
    let length = u32::try_from(document.len()).unwrap_or(u32::MAX);
    [MAGIC.as_slice(), &length.to_be_bytes(), document.as_bytes()].concat()
}

/// `None` unless magic, version and length fit and the document holds good keys.
pub(crate) fn decode(bytes: &[u8]) -> Option<GatewayKeys> {
    let (head, document) = bytes.split_first_chunk::<8>()?;
    let (magic, length) = head.split_at(4);
    let is_whole = u32::try_from(document.len()).is_ok_and(|len| len.to_be_bytes() == length);
    (magic == MAGIC && is_whole)
        .then(|| GatewayKeys::parse(document).ok())
        .flatten()
}
