//! The owner of an account, and what a companion asks of its store for one.

use std::time::Duration;

use companion::delivery::Delivery;
use companion::email::Email;
use companion::entropy;
use companion::level::Acr;
use companion::store::{Client, Lifetimes, Login, Minted, Refresh, Rotation};
use token::{SessionId, Subject};

/// For how long the parent of a refresh token works.
pub const GRACE: Duration = Duration::from_secs(10);
/// The most sessions, where a case is about something else.
const MANY: u32 = 100;

pub const LIFETIMES: Lifetimes = Lifetimes {
    access: Duration::from_secs(300),
    idle: Duration::from_secs(3_600),
    absolute: Duration::from_secs(12 * 3_600),
};

pub struct Person {
    pub id: Subject,
    pub email: Email,
    /// When the account was read.
    pub login_epoch: u64,
}

impl Person {
    pub fn login(&self) -> Login {
        Login {
            session: entropy::session_id(),
            account: self.id,
            login_epoch: self.login_epoch,
            mac_key_version: 1,
            acr: Acr::Password,
            delivery: Delivery::Body,
            label: None,
            by: Client::default(),
            lifetimes: LIFETIMES,
            most: MANY,
        }
    }
}

/// The refresh token of that generation is presented.
pub fn refresh(session: SessionId, generation: u64) -> Refresh {
    Refresh {
        session,
        generation,
        mac_key_version: 1,
        grace: GRACE,
        lifetimes: LIFETIMES,
        by: Client::default(),
    }
}

/// What became of a refresh, as far as the caller learns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Rotated,
    Repeated,
    Reused,
    Ahead,
    Over,
}

pub fn verdict(rotation: &Rotation) -> Verdict {
    match rotation {
        Rotation::Rotated(_) => Verdict::Rotated,
        Rotation::Repeated(_) => Verdict::Repeated,
        Rotation::Reused { is_ahead: false } => Verdict::Reused,
        Rotation::Reused { is_ahead: true } => Verdict::Ahead,
        Rotation::Over => Verdict::Over,
    }
}

/// The successor that a refresh gave.
pub fn successor(rotation: Rotation) -> Minted {
    match rotation {
        Rotation::Rotated(minted) | Rotation::Repeated(minted) => minted,
        Rotation::Reused { .. } | Rotation::Over => panic!("{:?}", verdict(&rotation)),
    }
}
