//! Strict JSON: UTF-8, nothing behind the value, no member twice in any object, nesting of at most 128.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

use crate::Rejection;

/// Reads one JSON value, refusing repeated members at every level (RFC 8259 section 4 leaves their meaning open, so two readers
/// could see two different documents).
///
/// # Errors
/// The reader's error, which names a line and column and may quote a member's name.
pub fn strict_json(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Strict>(text).map(|strict| strict.0)
}

/// The largest estimate that [`is_light`] takes, in units of 32 bytes.
const MOST_UNITS: usize = 1536;

/// Whether reading `text` as values takes little memory: about 48 KiB at most (TV-26).
///
/// A few bytes of text can become a hundred times as many in memory. So what separates values is counted first: a member or an item
/// with its share of a growing vector, the least that a list takes, the first node of an object's tree. An access token of 450 roles
/// is light.
pub(crate) fn is_light(text: &[u8]) -> bool {
    let (mut units, mut is_in_string, mut is_escaped) = (0_usize, false, false);
    for byte in text {
        if is_in_string {
            is_in_string = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            continue;
        }
        units = units.saturating_add(match byte {
            b',' => 3,
            b'[' => 4,
            b'{' => 20,
            _ => 0,
        });
        is_in_string = *byte == b'"';
    }
    units <= MOST_UNITS
}

/// Reads one JSON object.
pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, Rejection> {
    match strict_json(text) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Rejection::Malformed),
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StrictValue.deserialize(deserializer).map(Self)
    }
}

struct StrictValue;

impl<'de> DeserializeSeed<'de> for StrictValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(StrictValue)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "member `{name}` is repeated"
                )));
            }
            let value = members.next_value_seed(StrictValue)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}
