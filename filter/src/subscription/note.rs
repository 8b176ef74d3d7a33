//! What happened to the subscription, in words that tell an operator what to do.

use std::fmt;

use token::{KeySetError, Rejection};

/// One event of the subscription; carries no byte of a page or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    PageApplied {
        entries: usize,
    },
    PageRefused(Rejection),
    /// By how many seconds the page's `iat` lies ahead.
    FromTheFuture(u64),
    DoesNotContinue,
    /// The companion did not know our cursor of this number.
    StartedOver(u64),
    /// The status, if there was a response.
    Unreachable(Option<u16>),
    NoAnswer,
    NotSent,
    KeysTaken(u64),
    KeysRefused(KeySetError),
    KeysTooOld,
    /// Another VM, or another plugin, changed shared data meanwhile.
    StateMoved,
    Unreadable,
    /// A page would have made a bucket larger than it may be.
    BucketFull,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Quiet,
    Info,
    Warning,
}

impl Note {
    /// Whether a page was refused, for the counter.
    pub(crate) const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::PageRefused(_) | Self::FromTheFuture(_) | Self::DoesNotContinue
        )
    }

    pub(crate) const fn weight(self) -> Weight {
        match self {
            Self::PageApplied { .. } => Weight::Quiet,
            Self::KeysTaken(_) | Self::StateMoved => Weight::Info,
            _ => Weight::Warning,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PageApplied { entries } => write!(f, "applied a page with {entries} entries"),
            Self::PageRefused(rejection) => write!(f, "refused a page of the feed ({rejection}); check issuer and keys of the companion"),
            Self::FromTheFuture(seconds) => write!(f, "refused a page from {seconds} s in the future; set the clocks of this host and the companion"),
            Self::DoesNotContinue => f.write_str("refused a page that does not continue what was asked"),
            Self::StartedOver(number) => {
                write!(f, "the companion does not know feed number {number} as we do: its store was restored or we were away for long; reading from the beginning")
            }
            Self::Unreachable(None) => f.write_str("the companion's answer was cut off"),
            Self::Unreachable(Some(401 | 403)) => f.write_str("the companion refuses our gateway token; check the token variable"),
            Self::Unreachable(Some(status)) => write!(f, "the companion answered {status}; is it running, and does its cluster point to the internal listener?"),
            Self::NoAnswer => f.write_str("a poll got no answer in time"),
            Self::NotSent => f.write_str("a poll could not be sent; does the cluster of `companion.cluster` exist?"),
            Self::KeysTaken(version) => write!(f, "took key set {version}"),
            Self::KeysRefused(error) => write!(f, "refused the key set: {error}"),
            Self::KeysTooOld => f.write_str("the key set is older than the one that the feed names"),
            Self::StateMoved => f.write_str("shared data changed while a page was applied; asking again"),
            Self::Unreadable => f.write_str("a value in shared data cannot be read: another plugin under this vm_id? Denying until a full pass has ended"),
            Self::BucketFull => f.write_str("more live revocations than there is room for: no page is taken until some have expired, and the state grows stale; shorten the lifetime of access tokens"),
        }
    }
}
