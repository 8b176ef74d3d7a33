//! The cookie of a device from which its account has logged in before: `<sub>.<expiry>.<mac>`. It opens nothing. Whoever shows it has
//! failures of his own at that account's password, so that an attacker who burns everybody's cannot keep the owner out (RL-03).
//!
//! A stolen one gives the thief a few guesses more, as many as anybody else has; so nothing that happens to the account takes it back.

use std::time::Duration;

use token::{Subject, UnixTime};

use crate::app::App;
use crate::cookie::Kind;
use crate::vault::Vault;

/// The cookie.
pub const COOKIE: Kind = Kind {
    name: "__Secure-device",
    path: "/auth",
    same_site: "Strict",
};

/// For so long a device is known after a login from it.
pub const LIFETIME: Duration = Duration::from_secs(180 * 86_400);

/// A device that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Whose it is.
    pub account: Subject,
    expiry: UnixTime,
}

impl Device {
    /// The one from which that account has just logged in.
    pub fn of(account: Subject, now: UnixTime) -> Self {
        Self {
            account,
            expiry: now.plus(LIFETIME),
        }
    }

    /// The one that a cookie names; `None` when its MAC does not hold, or when its time is over.
    pub fn read(text: &str, vault: &Vault, now: UnixTime) -> Option<Self> {
        let (name, mac) = text.rsplit_once('.')?;
        let (account, expiry) = name.split_once('.')?;
        let device = Self {
            account: account.parse().ok()?,
            expiry: UnixTime::from_seconds(expiry.parse().ok()?),
        };
        // One spelling: the MAC is over what was read.
        let is_genuine = device.name() == name && vault.is_device_mac(name, mac);
        (is_genuine && now < device.expiry).then_some(device)
    }

    /// What the cookie holds.
    pub fn write(self, vault: &Vault) -> String {
        let name = self.name();
        let mac = vault.device_mac(&name);
        format!("{name}.{mac}")
    }

    /// What its failures count for: two devices that logged in at different moments are two.
    pub fn name(self) -> String {
        format!("{}.{}", self.account, self.expiry.seconds())
    }

    /// The `Set-Cookie` field that makes it known.
    pub fn cookie(self, app: &App) -> String {
        COOKIE.set(&self.write(&app.vault), LIFETIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RL-03: of this account, of this vault, for its time.
    #[test]
    fn a_device_is_what_the_companion_said_of_it_and_nothing_else() {
        let (vault, other) = (Vault::new([7; 32]), Vault::new([8; 32]));
        let now = UnixTime::from_seconds(1_800_000_000);
        let device = Device::of(Subject::from_bytes([1; 16]), now);
        let text = device.write(&vault);
        assert_eq!(Device::read(&text, &vault, now), Some(device));
        let last = now.plus(LIFETIME).minus(Duration::from_secs(1));
        assert_eq!(Device::read(&text, &vault, last), Some(device));
        assert_eq!(Device::read(&text, &vault, now.plus(LIFETIME)), None);
        assert_eq!(Device::read(&text, &other, now), None);
        let (name, mac) = text.rsplit_once('.').unwrap();
        let (account, expiry) = name.split_once('.').unwrap();
        let someone = Subject::from_bytes([2; 16]);
        for forged in [
            format!("{someone}.{expiry}.{mac}"),
            format!("{account}.{}.{mac}", i64::MAX),
            format!("{account}.0{expiry}.{mac}"),
            format!("{account}.+{expiry}.{mac}"),
            format!("{account}.{expiry}."),
            format!("{account}.{expiry}.{}", &mac[1..]),
            format!("{account}.{expiry}"),
            format!(" {text}"),
            format!("{text}."),
            String::new(),
            "..".to_owned(),
        ] {
            assert_eq!(Device::read(&forged, &vault, now), None, "{forged}");
        }
    }
}
