//! What the subscription knows of itself, as it lies in shared data under `state`.

use std::time::Duration;

use token::{Cursor, GatewayId, Mark, UnixTime};

/// `LKS` and the version of this layout.
const MAGIC: [u8; 4] = *b"LKS1";
const BYTES: usize = 4 + 16 + 8 + 8 + 1 + 8 + 8 + 8 + 8 + 1;

/// The subscription's progress. Written by compare-and-swap only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// Who this subscription is to the companion; another value in `alive` makes this state void.
    pub(crate) gateway: GatewayId,
    /// Drawn anew whenever the subscription starts from nothing: a page asked for before that is not applied after it.
    pub(crate) pass: [u8; 8],
    /// The last number that was applied.
    pub(crate) cursor: Cursor,
    /// The feed number of the key set held; 0 for none.
    pub(crate) keys: u64,
    /// When the poll behind the last proof of freshness was sent, in monotonic milliseconds; 0 for never.
    pub(crate) fresh_at: u64,
    /// `iat` of the page that proved it.
    pub(crate) last_iat: UnixTime,
    /// Whether a full pass from number 0 has ended.
    pub(crate) is_synced: bool,
}

impl State {
    /// Nothing is known.
    pub(crate) const fn unsynced(gateway: GatewayId, pass: [u8; 8]) -> Self {
        Self {
            gateway,
            pass,
            cursor: Cursor::START,
            keys: 0,
            fresh_at: 0,
            last_iat: UnixTime::from_seconds(i64::MIN),
            is_synced: false,
        }
    }

    /// How long ago freshness was last proven, and whether that is too long (design: "What a page proves").
    ///
    /// Counted from the moment the poll was *sent*, by the monotonic clock; and by the page's `iat` against the wall clock, which
    /// catches replayed pages and machines that were suspended.
    pub(crate) fn staleness(
        &self,
        now: Now,
        max_staleness: Duration,
        clock_skew: Duration,
    ) -> Staleness {
        let age = Duration::from_millis(now.monotonic.saturating_sub(self.fresh_at));
        Staleness {
            age: age.max(now.wall.since(self.last_iat)),
            is_stale: self.counted_age(now, clock_skew) > max_staleness,
        }
    }

    /// The age that is held against `max_staleness`, by whichever clock it is larger.
    pub(crate) fn counted_age(&self, now: Now, clock_skew: Duration) -> Duration {
        let by_poll = Duration::from_millis(now.monotonic.saturating_sub(self.fresh_at));
        by_poll.max(now.wall.since(self.last_iat.plus(clock_skew)))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(self.gateway.as_bytes());
        bytes.extend_from_slice(&self.pass);
        bytes.extend_from_slice(&self.cursor.number.to_be_bytes());
        bytes.push(u8::from(self.cursor.mark.is_some()));
        let mark = self.cursor.mark.unwrap_or(Mark::from_bytes([0; 8]));
        bytes.extend_from_slice(mark.as_bytes());
        bytes.extend_from_slice(&self.keys.to_be_bytes());
        bytes.extend_from_slice(&self.fresh_at.to_be_bytes());
        bytes.extend_from_slice(&self.last_iat.seconds().to_be_bytes());
        bytes.push(u8::from(self.is_synced));
        bytes
    }

    /// `None` unless magic, version, length and every field fit.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields { rest: bytes };
        if fields.take::<4>()? != MAGIC {
            return None;
        }
        let gateway = GatewayId::from_bytes(fields.take()?);
        let pass = fields.take()?;
        let number = u64::from_be_bytes(fields.take()?);
        let has_mark = fields.flag()?;
        let mark = Mark::from_bytes(fields.take()?);
        let state = Self {
            gateway,
            pass,
            cursor: Cursor {
                number,
                mark: has_mark.then_some(mark),
            },
            keys: u64::from_be_bytes(fields.take()?),
            fresh_at: u64::from_be_bytes(fields.take()?),
            last_iat: UnixTime::from_seconds(i64::from_be_bytes(fields.take()?)),
            is_synced: fields.flag()?,
        };
        fields.rest.is_empty().then_some(state)
    }
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Milliseconds of the clock that all VMs of the process share and nobody sets.
    pub(crate) monotonic: u64,
    /// The wall clock.
    pub(crate) wall: UnixTime,
}

impl Now {
    /// What stands in for clocks that cannot be read: a moment at which every state is stale and every token has expired. Only to
    /// decide with; written down as a moment of freshness it would last for ever.
    pub(crate) const UNKNOWN: Self = Self {
        monotonic: u64::MAX,
        wall: UnixTime::from_seconds(i64::MAX),
    };
}

/// How old the proof of freshness is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Staleness {
    pub(crate) age: Duration,
    pub(crate) is_stale: bool,
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*field)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.take::<1>()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state() -> State {
        State {
            cursor: Cursor {
                number: 7,
                mark: Some(Mark::from_bytes([5; 8])),
            },
            keys: 1,
            fresh_at: 10_000,
            last_iat: UnixTime::from_seconds(1_000),
            is_synced: true,
            ..State::unsynced(GatewayId::from_bytes([1; 16]), [2; 8])
        }
    }

    #[test]
    fn a_state_reads_back_and_nothing_else_does() {
        let bytes = state().encode();
        assert_eq!(State::decode(&bytes), Some(state()));
        let fresh = State::unsynced(GatewayId::from_bytes([1; 16]), [2; 8]);
        assert_eq!(State::decode(&fresh.encode()), Some(fresh));
        for cut in 0..bytes.len() {
            assert_eq!(State::decode(&bytes[..cut]), None);
        }
        assert_eq!(State::decode(&[bytes.as_slice(), &[0]].concat()), None);
    }

    /// FR-15, RV-15: both clocks count, each by itself.
    #[test]
    fn a_state_is_stale_by_either_clock() {
        let (max, skew) = (Duration::from_secs(60), Duration::from_secs(30));
        let at = |monotonic, wall| {
            state()
                .staleness(
                    Now {
                        monotonic,
                        wall: UnixTime::from_seconds(wall),
                    },
                    max,
                    skew,
                )
                .is_stale
        };
        assert!(!at(70_000, 1_090));
        assert!(at(70_001, 1_000));
        assert!(at(10_000, 1_091));
        let never = State::unsynced(GatewayId::from_bytes([1; 16]), [2; 8]);
        assert!(
            never
                .staleness(
                    Now {
                        monotonic: 0,
                        wall: UnixTime::from_seconds(0)
                    },
                    max,
                    skew
                )
                .is_stale
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = State::decode(&bytes);
        }
    }
}
