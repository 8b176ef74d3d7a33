//! What happened to the subscription, in words that tell an operator what it means and what to do.

use std::fmt;

use token::{KeySetError, Rejection};

/// From this difference of clocks on a line says so, in seconds: no network is that slow, and no `clock_skew` is used up yet.
const WORTH_TELLING: u64 = 5;

/// One event of the subscription; carries no byte of a page or a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    PageApplied {
        entries: usize,
    },
    /// A round over all buckets has ended: so many entries are live.
    Counted(u64),
    /// The seconds between this host's clock and the one of a page that was just made.
    ClocksDiffer(u64),
    /// This root context polls from now on.
    LeaseTaken,
    /// The state has become too old, with this age in seconds.
    Stale(u64),
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
    /// Whether a page was refused.
    pub(crate) const fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::PageRefused(_) | Self::FromTheFuture(_) | Self::DoesNotContinue
        )
    }

    /// Whether a call brought no answer, or one that says nothing.
    pub(crate) const fn is_silence(self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::NoAnswer | Self::NotSent)
    }

    /// Whether the feed was not read because of it.
    pub(crate) const fn is_failure(self) -> bool {
        self.is_refusal()
            || self.is_silence()
            || matches!(
                self,
                Self::KeysRefused(_)
                    | Self::KeysTooOld
                    | Self::Unreadable
                    | Self::BucketFull
                    | Self::Stale(_)
            )
    }

    pub(crate) const fn weight(self) -> Weight {
        match self {
            Self::PageApplied { .. } | Self::Counted(_) => Weight::Quiet,
            Self::ClocksDiffer(seconds) if seconds < WORTH_TELLING => Weight::Quiet,
            Self::LeaseTaken | Self::KeysTaken(_) | Self::StateMoved => Weight::Info,
            _ => Weight::Warning,
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What follows from every failure to read the feed.
        const UNTIL: &str = "The last state stays in force until `max_staleness`";
        match self {
            Self::PageApplied { entries } => write!(f, "applied a page with {entries} entries"),
            Self::Counted(live) => write!(f, "{live} revocations are live"),
            Self::ClocksDiffer(seconds) => write!(f, "the clocks of this host and of the companion differ by {seconds} s. Beyond `clock_skew` pages and tokens are refused: set both by NTP"),
            Self::LeaseTaken => f.write_str("this VM polls the companion from now on"),
            Self::Stale(age) => write!(f, "the state is {age} s old, more than the smallest `max_staleness`: requests under it that need a token get 503 (with `on_stale: allow` they pass, and new revocations are not seen). The lines before say why: the companion must be reached again"),
            Self::PageRefused(rejection) => write!(f, "refused a page of the feed ({rejection}). {UNTIL}. Check that `issuer` is the `base_url` of the companion that `companion.cluster` leads to, and the feed keys where `jwks.feed` pins them"),
            Self::FromTheFuture(seconds) => write!(f, "refused a page from {seconds} s in the future. {UNTIL}. Set the clocks of this host and of the companion by NTP"),
            Self::DoesNotContinue => write!(f, "refused a page that does not continue what was asked. {UNTIL}. If it does not stop: something between this Envoy and the companion answers with pages that were kept; no cache may lie there"),
            Self::StartedOver(number) => write!(f, "the companion does not know feed number {number} as it was read here; reading from the beginning, all known revocations stay. Its store was restored, or this Envoy was cut off for long. After a restore run `latchkey sessions end --all`"),
            Self::Unreachable(None) => write!(f, "the companion's answer was cut off. {UNTIL}. Look at the companion and at what lies between"),
            Self::Unreachable(Some(401 | 403)) => write!(f, "the companion refuses the gateway token. {UNTIL}. Give this Envoy the token of the companion's `gateway_token_files` in the variable that `companion.token_env` names, and restart it"),
            Self::Unreachable(Some(status)) => write!(f, "the companion answered {status}. {UNTIL}. Is it running and ready (`/readyz`), and does `companion.cluster` lead to its internal listener?"),
            Self::NoAnswer => write!(f, "a poll got no answer in time. {UNTIL}. Is the companion frozen, or the network between?"),
            Self::NotSent => write!(f, "a poll could not be sent. {UNTIL}. Does the cluster that `companion.cluster` names exist, and has it a host?"),
            Self::KeysTaken(version) => write!(f, "took key set {version}: tokens of keys that it does not hold are refused from now on"),
            Self::KeysRefused(error) => write!(f, "refused the key set ({error}): the last one stays in force, without one requests get 503. Does `companion.cluster` lead to a Latchkey companion of a version that fits?"),
            Self::KeysTooOld => write!(f, "the key set is older than the one that the feed names. {UNTIL}. If it does not stop: a replica lags behind its database"),
            Self::StateMoved => f.write_str("shared data changed while a page was applied; asking again. Nothing to do, unless it does not stop: then another plugin writes under this `vm_id`"),
            Self::Unreadable => f.write_str("a value in shared data cannot be read: requests get 503 until the feed was read from the beginning. Another plugin writes under this `vm_id`: give Latchkey its own"),
            Self::BucketFull => write!(f, "there are more live revocations than there is room for: no page is taken until some have expired. {UNTIL}. Find out who ends so many sessions; shorten `tokens.access_lifetime`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AU-03: every line is one line of plain text, and a warning says what to do.
    #[test]
    fn every_line_is_one_line_and_a_warning_says_what_to_do() {
        let notes = [
            Note::ClocksDiffer(7),
            Note::Stale(61),
            Note::PageRefused(Rejection::UnknownKey),
            Note::FromTheFuture(31),
            Note::DoesNotContinue,
            Note::StartedOver(7),
            Note::Unreachable(None),
            Note::Unreachable(Some(401)),
            Note::Unreachable(Some(503)),
            Note::NoAnswer,
            Note::NotSent,
            Note::KeysTooOld,
            Note::Unreadable,
            Note::BucketFull,
        ];
        for note in notes {
            let text = note.to_string();
            assert_eq!(note.weight(), Weight::Warning, "{text}");
            assert!(
                text.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                "{text}"
            );
            let advises = [
                "Set ",
                "set ",
                "Check ",
                "Look ",
                "Give ",
                "give ",
                "run ",
                "Find ",
                "must be",
                "If it does not stop",
                "?",
            ];
            assert!(advises.iter().any(|word| text.contains(word)), "{text}");
        }
        assert_eq!(Note::ClocksDiffer(4).weight(), Weight::Quiet);
    }
}
