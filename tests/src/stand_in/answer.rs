//! How a call is answered.

use std::time::Duration;

use crate::next_page::NextPage;

/// How a call is answered.
pub enum Answer {
    /// As a companion would: 200 with page or keys, held as long as was asked; 401 without the gateway token.
    Right,
    /// 200 with what [`Answer::Right`] would have answered, altered.
    Altered(fn(Vec<u8>) -> Vec<u8>),
    /// 200 with this page, signed now, at once.
    Page(Box<NextPage>),
    /// 200 with these bytes as its body.
    Body(Vec<u8>),
    /// This status, without a body.
    Status(u16),
    /// These bytes in place of an HTTP answer, then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes in place of an HTTP answer, so many at a time with a pause after each time, then the connection is closed.
    Drip {
        /// All bytes, status line and headers too.
        bytes: Vec<u8>,
        /// How many at a time.
        piece: usize,
        /// After each time.
        pause: Duration,
    },
    /// The same later.
    After(Duration, Box<Self>),
    /// The connection stays open and silent.
    Never,
    /// The connection is closed without a word.
    Close,
}
