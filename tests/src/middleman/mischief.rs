//! What a middleman can do to connections.

use std::time::Duration;

/// What he does to every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// As if he were not there.
    Pass,
    /// New connections are accepted and reset, or closed when the client sends nothing. Open ones are reset.
    Refuse,
    /// Bytes and hang-ups are swallowed in both directions. Connections stay open, and new ones are accepted.
    BlackHole,
    /// Bytes reach the server, and none come back.
    HalfOpen,
    /// Each piece of at most 64 KiB is held back for that long, in both directions; pieces behind it wait.
    Delay(Duration),
    /// Answers come `size` bytes at a time, with this pause between.
    Trickle {
        /// Bytes; 0 counts as 1.
        size: usize,
        /// From one piece to the next.
        pause: Duration,
    },
    /// The server does what was asked and answers, but of one answer in so many the client gets no byte: its connection is reset.
    /// Each answer's fate hangs on the seed and on how many answers came since this was set.
    CutReplies {
        /// 1 for every answer, 0 for none.
        one_in: u32,
        /// The same seed has the same answers cut.
        seed: u64,
    },
    /// A request for that path (up to `?`) closes its connection, and the server does not hear of it.
    RefusePath(&'static str),
    /// The client gets half of the first piece of an answer, and the connection closes.
    Truncate,
    /// The newest recorded answer to the same method and path (up to `?`) instead of asking the server; without one the server is asked.
    /// Answers with a `Content-Length` are recorded whenever they pass; replays are not.
    Replay,
    /// The same with the oldest.
    ReplayOldest,
    /// When the server has begun to answer a request it gets the request again on another connection. The client gets the first answer.
    Duplicate,
    /// An answer is held back until one to another connection has overtaken it.
    Reorder {
        /// When none overtakes it within that time it goes on its way.
        patience: Duration,
    },
}
