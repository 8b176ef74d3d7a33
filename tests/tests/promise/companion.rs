//! The simulated companion: the product's own rules over the store in memory, with time for commits and a life that ends.

use companion::clock::Moment;
use companion::feed::page;
use companion::gateways::{Registration, Registry};
use companion::receipt::{Progress, Revocation, progress};
use companion::store::{CursorFound, GatewaysRead, History, RegisteredGateway};
use tests::host::{Callout, Response};
use tests::issuer::{Issuer, issuer};
use token::{Cursor, GatewayId, SessionId, UnixTime};

use crate::store::{Marks, Store};
use crate::world::seconds;

/// A poll.
#[derive(Clone, Copy)]
pub struct Poll {
    pub gateway: GatewayId,
    pub after: Cursor,
    pub hold: u64,
    pub staleness: u64,
}

pub struct Companion {
    pub store: Store,
    copy: Option<Store>,
    marks: Marks,
    /// Of both files: putting back the one does not forget what the other holds.
    registered: Vec<RegisteredGateway>,
    registry: Registry,
    issuer: Issuer,
    /// What arrived in an earlier life is never answered.
    pub life: u32,
    pub rollbacks_noticed: u64,
}

impl Companion {
    pub fn start() -> Self {
        let mut marks = Marks::default();
        let store = Store::new(&mut marks);
        Self {
            store,
            copy: None,
            marks,
            registered: Vec::new(),
            registry: Registry::default(),
            issuer: issuer(),
            life: 0,
            rollbacks_noticed: 0,
        }
    }

    pub fn restart(&mut self, now: Moment) {
        self.life += 1;
        let stored = GatewaysRead {
            at: now.wall,
            history: History::default(),
            gateways: self.registered.clone(),
        };
        self.registry = Registry::new(stored, now);
    }

    pub fn make_copy(&mut self) {
        self.copy = Some(self.store.clone());
    }

    /// Puts the copy back; the key set goes back with it. False: there is none.
    pub fn restore(&mut self, now: Moment) -> bool {
        let Some(copy) = &self.copy else { return false };
        self.store = copy.clone();
        self.issuer = issuer_of(self.store.keys);
        self.restart(now);
        true
    }

    pub fn change_keys(&mut self) {
        self.store.change_keys(&mut self.marks);
        self.issuer = issuer_of(self.store.keys);
    }

    pub fn revoke(&mut self, session: SessionId, exp: UnixTime, now: Moment) -> Revocation {
        self.store.revoke(&mut self.marks, session, exp, now.wall)
    }

    /// What must be committed before the read, if anything.
    pub fn arrive(&mut self, poll: &Poll, now: Moment) -> Option<Registration> {
        self.registry
            .arrive(poll.gateway, Some(seconds(poll.staleness)), now)
            .expect("few gateways")
    }

    pub fn commit(&mut self, registration: Registration) {
        self.registered.push(registration.gateway);
        self.registry.committed(registration);
    }

    /// The first read for a poll, or one after the feed has moved or its time is up. `None`: it goes on waiting.
    pub fn read(
        &mut self,
        poll: &Poll,
        is_first: bool,
        is_due: bool,
        now: Moment,
    ) -> Option<String> {
        let read = self.store.read(poll.after, now);
        if is_first {
            self.registry
                .read(poll.gateway, poll.after, read.cursor, read.history);
            self.rollbacks_noticed += u64::from(read.cursor == CursorFound::RolledBack);
        }
        let has_news = read.has_rows || read.cursor != CursorFound::Known;
        (has_news || is_due)
            .then(|| page(poll.after, read, self.issuer.name()).sign(self.issuer.feed_key()))
    }

    pub fn keys(&self) -> Response {
        Response::ok(self.issuer.key_document())
    }

    pub fn progress(&self, revocation: &Revocation, now: Moment) -> Progress {
        progress(revocation, &self.registry.list(), now)
    }
}

/// Access keys stay; each number has its own feed key, so that a rolled-back number has another one too.
fn issuer_of(version: u64) -> Issuer {
    let secret = u8::try_from(100 + version % 27).expect("small");
    if version == 1 {
        issuer()
    } else {
        issuer().with_feed_key(version, secret)
    }
}

impl Poll {
    pub fn parse(callout: &Callout) -> Self {
        let number = |name: &str| callout.parameter(name).parse().expect("a number");
        Self {
            gateway: callout.parameter("gateway").parse().expect("an id"),
            after: callout.parameter("after").parse().expect("a cursor"),
            hold: number("hold"),
            staleness: number("staleness"),
        }
    }
}
