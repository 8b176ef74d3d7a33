//! Who this subscription is to the companion, as it lies in shared data under `alive`.

use token::GatewayId;

/// `LKA` and the version of this layout. Without it any 16 bytes of another plugin would be an id, the same one in every Envoy.
const MAGIC: [u8; 4] = *b"LKA1";

pub(crate) fn encode(gateway: GatewayId) -> Vec<u8> {
    [MAGIC.as_slice(), gateway.as_bytes()].concat()
}

/// `None` unless magic, version and length fit.
pub(crate) fn decode(bytes: &[u8]) -> Option<GatewayId> {
    let id = bytes.strip_prefix(&MAGIC)?;
    Some(GatewayId::from_bytes(id.try_into().ok()?))
}
