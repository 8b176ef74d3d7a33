//! A gateway by hand: polls the feed, verifies each page as the filter does, and remembers what was revoked.

use std::collections::BTreeMap;
use std::fs;

use token::{Cursor, GatewayKeys, Page, SoftwareCheck, UnixTime};

use super::Companion;
use crate::client::{Answer, Client};
use crate::fault::Fault;

/// One subscription of an Envoy that is not there.
pub struct Gateway {
    id: String,
    staleness: String,
    token: String,
    client: Client,
    keys: GatewayKeys,
    issuer: String,
    cursor: Cursor,
    revoked: BTreeMap<String, UnixTime>,
}

impl Gateway {
    /// Fetches the keys. It is known to the companion from its first poll on.
    ///
    /// # Errors
    /// When the companion does not answer as it must.
    pub fn new(companion: &Companion, name: u8, staleness: &str) -> Result<Self, Fault> {
        Ok(Self {
            id: format!("{name:032x}"),
            staleness: staleness.to_owned(),
            token: token(companion)?,
            client: companion.internal()?,
            keys: keys_of(companion)?,
            issuer: companion.settings().issuer().to_owned(),
            cursor: Cursor::START,
            revoked: BTreeMap::new(),
        })
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// One that has made its first full pass.
    ///
    /// # Errors
    /// As [`Gateway::new`] and [`Gateway::catch_up`].
    pub fn synced(companion: &Companion, name: u8, staleness: &str) -> Result<Self, Fault> {
        let mut gateway = Self::new(companion, name, staleness)?;
        gateway.catch_up()?;
        Ok(gateway)
    }

    /// Finds a companion that was restarted, on its new port.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn reconnect(&mut self, companion: &Companion) -> Result<(), Fault> {
        self.client = companion.internal()?;
        Ok(())
    }

    /// Fetches the keys anew, as a gateway does when a page names another change of them.
    ///
    /// # Errors
    /// As [`keys_of`].
    pub fn fetch_keys(&mut self, companion: &Companion) -> Result<(), Fault> {
        self.keys = keys_of(companion)?;
        Ok(())
    }

    /// One poll from `after`, whatever this gateway holds.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ask(&self, after: &str, hold: u64) -> Result<Answer, Fault> {
        let (id, staleness) = (&self.id, &self.staleness);
        let path = format!(
            "/gateway/v1/revocations?v=1&gateway={id}&after={after}&hold={hold}&staleness={staleness}"
        );
        self.client.get(&path).bearer(&self.token).send()
    }

    /// The page in an answer.
    ///
    /// # Errors
    /// When it does not verify.
    pub fn read(&self, answer: &Answer) -> Result<Page, Fault> {
        let raw = answer.clone().expect(200, "a page")?.text();
        Page::verify(
            raw.as_bytes(),
            &self.keys.feed,
            &SoftwareCheck,
            &self.issuer,
        )
        .map_err(|rejection| Fault::new(format!("the page does not verify: {rejection:?}")))
    }

    /// One poll from where this gateway stands, which acknowledges all up to there. The page is applied.
    ///
    /// # Errors
    /// When it does not verify, or does not continue what was asked.
    pub fn poll(&mut self, hold: u64) -> Result<Page, Fault> {
        let page = self.read(&self.ask(&self.cursor.to_string(), hold)?)?;
        if page.after != self.cursor.number && page.after != 0 {
            return Err(Fault::new(format!("{page:?} does not continue")));
        }
        for (session, exp) in &page.revoked {
            self.revoked.insert(session.to_string(), *exp);
        }
        self.cursor = Cursor {
            number: page.seq,
            mark: page.mark,
        };
        Ok(page)
    }

    /// Polls until it holds everything and has said so.
    ///
    /// # Errors
    /// As [`Gateway::poll`].
    pub fn catch_up(&mut self) -> Result<(), Fault> {
        loop {
            let before = self.cursor;
            if !self.poll(0)?.more && self.cursor == before {
                return Ok(());
            }
        }
    }

    /// Where it stands.
    pub const fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The keys that it fetched.
    pub const fn keys(&self) -> &GatewayKeys {
        &self.keys
    }

    /// Until when it keeps the revocation of that session, if it knows of one.
    pub fn revoked(&self, session: &str) -> Option<UnixTime> {
        self.revoked.get(session).copied()
    }

    /// How many revoked sessions it knows.
    pub fn known(&self) -> usize {
        self.revoked.len()
    }
}

/// The key document, as a gateway fetches it.
///
/// # Errors
/// When it is none.
pub fn keys_of(companion: &Companion) -> Result<GatewayKeys, Fault> {
    let document = companion
        .internal()?
        .get("/gateway/v1/keys")
        .bearer(&token(companion)?)
        .send()?
        .expect(200, "the key document")?;
    GatewayKeys::parse(document.text().as_bytes()).map_err(Fault::while_doing("the key document"))
}

fn token(companion: &Companion) -> Result<String, Fault> {
    let path = companion.state().join("gateway.token");
    let token = fs::read_to_string(&path).map_err(Fault::while_doing(path.display()))?;
    Ok(token.trim().to_owned())
}
