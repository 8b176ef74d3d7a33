//! When a mail that failed is tried again, and when it is given up. Pure: time and chance are arguments.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What becomes of a mail that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Once more after that time.
    Again(Duration),
    /// Never: it has been tried too often, or what it says would have expired by then.
    GiveUp,
}

/// After that many failures, this one included: twice as long each time, up to 15 minutes, less up to a quarter by `chance`, so that
/// the mails of one outage do not all come back in one moment. `left` is the time in which the mail is still of use.
pub fn after(failures: u32, most: u32, left: Duration, chance: u8) -> Next {
    let doublings = failures.saturating_sub(1).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let wait = full.saturating_sub(full / 4 * u32::from(chance) / u32::from(u8::MAX));
    if failures >= most || wait >= left {
        Next::GiveUp
    } else {
        Next::Again(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_wait_doubles_up_to_fifteen_minutes() {
        for (failures, seconds) in [
            (1, 5),
            (2, 10),
            (3, 20),
            (7, 320),
            (8, 640),
            (9, 900),
            (60, 900),
        ] {
            let wait = Duration::from_secs(seconds);
            assert_eq!(
                after(failures, 100, DAY, 0),
                Next::Again(wait),
                "{failures}"
            );
        }
    }

    #[test]
    fn chance_takes_a_quarter_at_most() {
        let waits: Vec<_> = (0..=u8::MAX)
            .map(|chance| after(1, 9, DAY, chance))
            .collect();
        assert_eq!(waits[255], Next::Again(Duration::from_millis(3_750)));
        assert!(waits.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn it_is_given_up_after_the_last_try_and_when_it_would_come_too_late() {
        assert_eq!(after(20, 20, DAY, 0), Next::GiveUp);
        assert_ne!(after(19, 20, DAY, 0), Next::GiveUp);
        assert_eq!(after(1, 20, Duration::from_secs(5), 0), Next::GiveUp);
        assert_ne!(after(1, 20, Duration::from_secs(6), 0), Next::GiveUp);
        assert_eq!(after(1, 20, Duration::ZERO, 255), Next::GiveUp);
    }
}
