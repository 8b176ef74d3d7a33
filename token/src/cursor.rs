//! Where a gateway stands in the feed.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::id::{InvalidId, parse_hex};
use crate::{MAX_NUMBER, Rejection};

/// 8 random bytes stored beside every feed number, written as 16 lower-case hex digits.
///
/// A number alone can be handed out twice, by a store that was rolled back; a number and its mark cannot.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark([u8; 8]);

impl Mark {
    /// Makes the mark from bits that the caller drew.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The bits.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mark({self})")
    }
}

impl FromStr for Mark {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse_hex(text.as_bytes()).map(Self).ok_or(InvalidId)
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The last feed number that was applied, with its mark: `<number>.<mark>`, or `0` at the very start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The number, at most 2^53 − 1.
    pub number: u64,
    /// Its mark; absent only at number 0.
    pub mark: Option<Mark>,
}

impl Cursor {
    /// Nothing has been applied yet.
    pub const START: Self = Self {
        number: 0,
        mark: None,
    };
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mark {
            Some(mark) => write!(f, "{}.{mark}", self.number),
            None => write!(f, "{}", self.number),
        }
    }
}

impl FromStr for Cursor {
    type Err = Rejection;

    fn from_str(text: &str) -> Result<Self, Rejection> {
        if text == "0" {
            return Ok(Self::START);
        }
        let (number, mark) = text.split_once('.').ok_or(Rejection::Malformed)?;
        let number = parse_number(number)
            .filter(|number| *number > 0)
            .ok_or(Rejection::Malformed)?;
        let mark = mark.parse().map_err(|_| Rejection::Malformed)?;
        Ok(Self {
            number,
            mark: Some(mark),
        })
    }
}

/// Reads a decimal number of at most 2^53 − 1 in its one spelling: digits only, no leading zero.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    let is_canonical = text == "0" || !text.starts_with('0');
    let is_digits = text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !(is_canonical && is_digits) {
        return None;
    }
    text.parse().ok().filter(|number| *number <= MAX_NUMBER)
}
