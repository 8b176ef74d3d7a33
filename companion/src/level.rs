//! How a session was authenticated. `acr`, `amr` and `auth_time` always describe one event (design section 3).

use std::time::Duration;

use token::UnixTime;

/// How strong an authentication was, rising: `acr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acr {
    /// By password.
    Password,
    /// A mailed code was confirmed. That is no second factor (OT-15).
    Otp,
    /// With the authenticator app.
    Mfa,
}

impl Acr {
    /// All levels.
    pub const ALL: [Self; 3] = [Self::Password, Self::Otp, Self::Mfa];

    /// The value of `acr`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Otp => "otp",
            Self::Mfa => "mfa",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|acr| acr.name() == name)
    }

    /// The value of `amr` (RFC 8176): `mfa` only with the app.
    pub const fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Password => &["pwd"],
            Self::Otp => &["pwd", "otp"],
            Self::Mfa => &["pwd", "otp", "mfa"],
        }
    }
}

/// One authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// How strong it was.
    pub acr: Acr,
    /// When it was complete: `auth_time`.
    pub auth_time: UnixTime,
}

/// For so long a step-up lifts the tokens that are minted.
pub const STEP_UP: Duration = Duration::from_secs(600);

/// For so long a challenge waits for the second factor (TO-07).
pub const FACTOR_CHALLENGE: Duration = Duration::from_secs(300);

/// What a token minted at `now` says: the step-up while it lasts, then the login again.
pub fn at(login: Level, step_up: Option<Level>, now: UnixTime) -> Level {
    step_up
        .filter(|step_up| now < step_up.auth_time.plus(STEP_UP))
        .unwrap_or(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(acr: Acr, auth_time: i64) -> Level {
        Level {
            acr,
            auth_time: UnixTime::from_seconds(auth_time),
        }
    }

    #[test]
    fn levels_rise_and_are_known_by_name() {
        assert!(Acr::Password < Acr::Otp && Acr::Otp < Acr::Mfa);
        for acr in Acr::ALL {
            assert_eq!(Acr::from_name(acr.name()), Some(acr));
        }
        assert_eq!(Acr::from_name("Mfa"), None);
    }

    /// OT-15: neither `acr` nor `amr` says `mfa` because of a mailed code.
    #[test]
    fn only_the_app_makes_several_factors() {
        assert!(!Acr::Otp.amr().contains(&"mfa"));
        assert!(Acr::Mfa.amr().contains(&"mfa"));
    }

    /// OT-13.
    #[test]
    fn a_step_up_lasts_ten_minutes() {
        let (login, step_up) = (level(Acr::Password, 100), level(Acr::Otp, 1_000));
        let at = |now| at(login, Some(step_up), UnixTime::from_seconds(now));
        assert_eq!(at(1_000), step_up);
        assert_eq!(at(1_599), step_up);
        assert_eq!(at(1_600), login);
        assert_eq!(super::at(login, None, UnixTime::from_seconds(1_000)), login);
    }
}
