//! Schemas of what is written the same way everywhere.

use serde_json::{Value, json};
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{
    ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type,
};

/// An id as the API writes it: 128 bits.
pub const ID: &str = "^[0-9a-f]{32}$";
/// The id of a receipt.
pub const RECEIPT_ID: &str = r"^[1-9][0-9]*\.[A-Za-z0-9_-]{22}$";

/// The name of a key: an RFC 7638 thumbprint.
pub const KID: &str = "^[A-Za-z0-9_-]{43}$";
/// A number in a path.
pub const NUMBER: &str = "^(0|[1-9][0-9]*)$";

/// Text of that form.
pub fn matching(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// One of these words.
pub fn one_of(words: &[&str]) -> Value {
    json!({ "type": "string", "enum": words })
}

/// A whole number between these, both included.
pub fn between(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// Session, challenge, gateway and subject ids.
pub fn id() -> Schema {
    text().pattern(Some(ID)).into()
}

/// A receipt's id.
pub fn receipt_id() -> Schema {
    text().pattern(Some(RECEIPT_ID)).into()
}

/// RFC 3339, UTC, whole seconds.
pub fn moment() -> Schema {
    text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .into()
}

/// A session's name, or none.
pub fn label() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .max_length(Some(64))
        .pattern(Some(
            r"^(?=.*\S)[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$",
        ))
        .into()
}

/// The roles of an account, as [`crate::roles::check`] takes them.
pub fn roles() -> Schema {
    let role = text().pattern(Some("^[A-Za-z0-9._:/-]{1,64}$"));
    // 15 of the longest stay below the bytes that they may have together.
    ArrayBuilder::new()
        .items(role)
        .max_items(Some(15))
        .unique_items(true)
        .into()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
