//! The arithmetic of limits; knows neither where the counts lie nor what is limited.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::Millis;

/// `burst+refill/period`: so many at once, then `refill` more in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    burst: u32,
    refill: u32,
    period: Duration,
}

/// The text is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLimit;

impl fmt::Display for InvalidLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be burst+refill/period, such as \"5+5/1h\", each at least 1, the period at most 24h, and refill/period at most 1000000 a second")
    }
}

impl Limit {
    /// A limit of these parts, each at least 1.
    pub const fn new(burst: u32, refill: u32, period: Duration) -> Self {
        Self {
            burst,
            refill,
            period,
        }
    }

    /// How many at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// How long it takes to fill from nothing.
    pub fn window(self) -> Duration {
        let micros = self.interval().saturating_mul(i64::from(self.burst));
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    /// No bucket is full later than that. One that says so was written before the clock was set back: who refuses because of it writes
    /// this instead, or else it would stay empty until the clock has come there again.
    pub fn latest(self, now: Millis) -> Micros {
        let capacity = self.interval().saturating_mul(i64::from(self.burst));
        Micros(Micros::from(now).0.saturating_add(capacity))
    }

    /// Microseconds until there is one more.
    fn interval(self) -> i64 {
        let period = i64::try_from(self.period.as_micros()).unwrap_or(i64::MAX);
        period / i64::from(self.refill)
    }

    /// Takes one, given the moment at which the bucket was or will be full again (`None`: it is full).
    ///
    /// # Errors
    /// How long to wait until there is one; nothing is taken.
    pub fn take(self, full_at: Option<Micros>, now: Millis) -> Result<Micros, Duration> {
        let (now, latest) = (Micros::from(now).0, self.latest(now).0);
        let before = full_at.map_or(now, |Micros(full_at)| full_at.clamp(now, latest));
        let full_at = before.saturating_add(self.interval());
        match u64::try_from(full_at.saturating_sub(latest)) {
            Ok(missing) if missing > 0 => Err(Duration::from_micros(missing)),
            _ => Ok(Micros(full_at)),
        }
    }
}

/// A limit that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedUp {
    /// Which.
    pub limit: Limit,
    /// Its place among those that were to be taken.
    pub at: usize,
    /// How long until it gives one more.
    pub wait: Duration,
}

/// A moment in microseconds since 1970: a limit may give one more every few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub i64);

impl From<Millis> for Micros {
    fn from(moment: Millis) -> Self {
        Self(moment.0.saturating_mul(1_000))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}+{}/{}s",
            self.burst,
            self.refill,
            self.period.as_secs()
        )
    }
}

impl FromStr for Limit {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let (burst, rest) = text.split_once('+').ok_or(InvalidLimit)?;
        let (refill, period) = rest.split_once('/').ok_or(InvalidLimit)?;
        let number = |text: &str| {
            text.parse::<u32>()
                .ok()
                .filter(|number| *number > 0)
                .ok_or(InvalidLimit)
        };
        let period = crate::span::parse(period).ok_or(InvalidLimit)?;
        if period.is_zero() || period > Duration::from_secs(86_400) {
            return Err(InvalidLimit);
        }
        let limit = Self::new(number(burst)?, number(refill)?, period);
        // Finer than the clock of the counters it would never refuse: no limit can be switched off.
        if limit.interval() == 0 {
            Err(InvalidLimit)
        } else {
            Ok(limit)
        }
    }
}

/// Failed attempts at a password, of one account or of one of its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How many since the last quiet while, the attempt that is under way included: what the delay grows by.
    pub count: u32,
    /// When the last of them was.
    pub last_at: Millis,
    /// How many since the last success, however long ago.
    pub in_a_row: u32,
}

/// Why an attempt is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// For so long.
    For(Duration),
    /// Too many failures in a row: until somebody proves that the account is his (RL-01).
    UntilRecovery,
}

const FREE_FAILURES: u32 = 4;
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);

impl Failures {
    /// Quiet for so long, failures delay nothing any more.
    pub const FORGOTTEN_AFTER: Duration = LONGEST_DELAY;
    /// For each failure in a row, that long a silence is needed until they are forgotten: who waits for that makes one attempt a day.
    pub const KEPT_FOR_EACH: Duration = Duration::from_secs(86_400);
    /// But never for longer.
    pub const KEPT_AT_MOST: Duration = Duration::from_secs(400 * 86_400);

    /// The same where the last of them was no later than `now`: a failure in the future comes from a clock that was set back, and would
    /// close the password until the clock has come there again.
    #[must_use]
    pub fn as_of(self, now: Millis) -> Self {
        Self {
            last_at: self.last_at.min(now),
            ..self
        }
    }

    /// How long the account's password is closed after these failures: 2^(n−5) s from the fifth on, at most 15 minutes.
    fn delay(self) -> Duration {
        let Some(exponent) = self.count.checked_sub(FREE_FAILURES + 1) else {
            return Duration::ZERO;
        };
        Duration::from_secs(1 << exponent.min(10)).min(LONGEST_DELAY)
    }

    /// Counts an attempt before it is made, so that a burst cannot outrun the count (RL-06). Success takes it back. After `most` in a
    /// row there is no further one.
    ///
    /// # Errors
    /// Why it is not made; such attempts count for nothing. The caller then writes [`Failures::as_of`], where that is another moment.
    pub fn attempt(before: Option<Self>, now: Millis, most: u32) -> Result<Self, Closed> {
        let in_a_row = before.map_or(0, |failures| failures.in_a_row);
        if in_a_row >= most {
            return Err(Closed::UntilRecovery);
        }
        let next = |count: u32| Self {
            count: count.saturating_add(1),
            last_at: now,
            in_a_row: in_a_row.saturating_add(1),
        };
        let before = before.map(|failures| failures.as_of(now));
        let before = before.filter(|failures| now.since(failures.last_at) < Self::FORGOTTEN_AFTER);
        let Some(before) = before else {
            return Ok(next(0));
        };
        let wait = before.last_at.plus(before.delay()).since(now);
        if wait.is_zero() {
            Ok(next(before.count))
        } else {
            Err(Closed::For(wait))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_000_000);

    fn at(seconds: u64) -> Millis {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_limit_gives_its_burst_and_then_its_refill() {
        let limit: Limit = "3+2/10s".parse().unwrap();
        let mut full_at = None;
        for _ in 0..3 {
            full_at = Some(limit.take(full_at, NOW).unwrap());
        }
        assert_eq!(limit.take(full_at, NOW), Err(Duration::from_secs(5)));
        assert_eq!(limit.take(full_at, at(4)), Err(Duration::from_secs(1)));
        assert!(limit.take(full_at, at(5)).is_ok());
        // A clock stepped back gives nothing (D5).
        assert!(
            limit
                .take(full_at, NOW.minus(Duration::from_secs(60)))
                .is_err()
        );
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in [
            "",
            "5",
            "5+5",
            "0+5/1h",
            "5+0/1h",
            "5+5/0s",
            "5+5/25h",
            "-1+5/1h",
            "5+1000001/1s",
            "5+5/1x",
            "a+b/1h",
        ] {
            assert!(text.parse::<Limit>().is_err(), "{text}");
        }
    }

    /// After so many failures, of which none is too many.
    fn attempt(count: u32, now: Millis) -> Result<Failures, Closed> {
        let before = Failures {
            count,
            last_at: NOW,
            in_a_row: count,
        };
        Failures::attempt(Some(before), now, u32::MAX)
    }

    /// RL-01.
    #[test]
    fn from_the_fifth_failure_on_the_delay_doubles_up_to_fifteen_minutes() {
        for (count, delay) in [
            (1, 0),
            (4, 0),
            (5, 1),
            (6, 2),
            (10, 32),
            (14, 512),
            (15, 900),
            (99, 900),
        ] {
            if delay > 0 {
                assert_eq!(
                    attempt(count, NOW),
                    Err(Closed::For(Duration::from_secs(delay))),
                    "{count}"
                );
            }
            let next = attempt(count, at(delay)).unwrap();
            let expected = if delay == 900 { 1 } else { count + 1 };
            assert_eq!((next.count, next.in_a_row), (expected, count + 1));
        }
        assert_eq!(attempt(8, at(900)).unwrap().count, 1);
    }

    /// RL-01: quiet minutes, or a year of them, take nothing off the count of failures in a row.
    #[test]
    fn after_a_hundred_failures_in_a_row_there_is_no_further_attempt() {
        let (mut failures, mut now, mut made) = (None, NOW, 0);
        while let Ok(next) = Failures::attempt(failures, now, 100) {
            failures = Some(next);
            now = now.plus(Failures::FORGOTTEN_AFTER);
            made += 1;
        }
        assert_eq!(made, 100);
        for wait in [0, 900, 366 * 86_400] {
            let now = now.plus(Duration::from_secs(wait));
            let closed = Failures::attempt(failures, now, 100);
            assert_eq!(closed, Err(Closed::UntilRecovery));
        }
    }

    /// D5: a clock that is set back gives no attempt and takes none.
    #[test]
    fn a_clock_set_back_neither_opens_nor_closes() {
        let earlier = NOW.minus(Duration::from_secs(3_600));
        assert_eq!(
            attempt(6, earlier),
            Err(Closed::For(Duration::from_secs(2)))
        );
    }
}
