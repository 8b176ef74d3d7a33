//! The simulated companions: one on a store of its own, or two that share one. What they decide is the product's own rules.

use std::collections::VecDeque;

use companion::clock::{Millis, Moment};
use companion::gateways::Registration;
use companion::receipt::{Progress, Revocation};
use companion::store::RegisteredGateway;
use tests::host::{Callout, Response};
use tests::issuer::{Issuer, issuer};
use token::{Cursor, GatewayId, SessionId, UnixTime};

use crate::replica::Replica;
use crate::store::{Marks, Store};

/// A poll.
#[derive(Clone, Copy)]
pub struct Poll {
    pub gateway: GatewayId,
    pub after: Cursor,
    pub hold: u64,
    pub staleness: u64,
}

/// In steps.
const LONGEST_LAG: usize = 200;

/// Whose store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One companion; gateways lie in a second file too.
    Alone,
    /// Two companions on one database.
    Shared,
}

pub struct Companions {
    kind: Kind,
    pub store: Store,
    copy: Option<Store>,
    /// The states of the last steps, the newest at the end.
    past: VecDeque<Store>,
    marks: Marks,
    pub replicas: Vec<Replica>,
    issuer: Issuer,
    /// Registrations that were put back with the store: a companion that has not heard of one before does not learn of it until another
    /// has registered it again.
    lost: Vec<RegisteredGateway>,
    servers: u32,
    pub cursors_refused: u64,
}

impl Companions {
    pub fn start(kind: Kind, now: Moment) -> Self {
        let mut marks = Marks::default();
        let store = Store::new(&mut marks);
        let count = if kind == Kind::Shared { 2 } else { 1 };
        let replicas = (0..count)
            .map(|_| Replica::start(&store, kind == Kind::Shared, 0, now))
            .collect();
        Self {
            kind,
            store,
            copy: None,
            past: VecDeque::new(),
            marks,
            replicas,
            issuer: issuer(),
            lost: Vec::new(),
            servers: 0,
            cursors_refused: 0,
        }
    }

    pub fn restart(&mut self, replica: usize, now: Moment) {
        self.replicas[replica].restart(&self.store, now);
    }

    pub fn make_copy(&mut self) {
        self.copy = Some(self.store.clone());
    }

    /// The copy is the state of so many steps ago.
    pub fn follow(&mut self, lag: u32) {
        let lag = usize::try_from(lag).unwrap_or(0);
        let place = self.past.len().checked_sub(lag);
        self.copy = place.and_then(|place| self.past.get(place).cloned());
    }

    /// Puts the copy back; the key set goes back with it. One companion alone is stopped for it; those that share the store go on, and
    /// gateways that registered since are lost. False: there is no copy.
    pub fn restore(&mut self, is_other_server: bool, now: Moment) -> bool {
        let Some(copy) = &self.copy else { return false };
        let before = std::mem::replace(&mut self.store, copy.clone());
        self.issuer = issuer_of(self.store.keys);
        if self.kind == Kind::Alone {
            self.store.keep_gateways_of(&before);
            self.restart(0, now);
            return true;
        }
        self.store.server = before.server;
        if is_other_server {
            self.servers += 1;
            self.store.server = self.servers;
        }
        let kept = self.store.gateways(Millis(0));
        let is_kept = |lost: &RegisteredGateway| {
            kept.iter()
                .any(|kept| kept.id == lost.id && kept.live_until >= lost.live_until)
        };
        let lost = before.gateways(Millis(0)).into_iter();
        self.lost.extend(lost.filter(|lost| !is_kept(lost)));
        true
    }

    pub fn change_keys(&mut self) {
        self.store.change_keys(&mut self.marks);
        self.issuer = issuer_of(self.store.keys);
    }

    pub fn revoke(&mut self, session: SessionId, exp: UnixTime, now: Moment) -> Revocation {
        self.store.revoke(&mut self.marks, session, exp, now.wall)
    }

    /// A registration is in the store; the companion is not told yet.
    pub fn register(&mut self, registration: &Registration, began: Moment) {
        self.store.register(registration.gateway, began.wall);
        self.find(&registration.gateway);
    }

    pub fn read(
        &mut self,
        replica: usize,
        what: (&Poll, bool, bool),
        when: (u32, Moment),
    ) -> Option<String> {
        let replica = &mut self.replicas[replica];
        let (page, is_refused) = replica.read(&self.store, &self.issuer, what, when);
        self.cursors_refused += u64::from(is_refused);
        page
    }

    /// One step of what the companions do unasked.
    pub fn step(&mut self, step: u32, commit_steps: u32, now: Moment) {
        self.past.push_back(self.store.clone());
        if self.past.len() > LONGEST_LAG {
            self.past.pop_front();
        }
        for place in 0..self.replicas.len() {
            let when = (step, commit_steps);
            for again in self.replicas[place].step(&mut self.store, when, now) {
                self.find(&again);
            }
        }
    }

    pub fn keys(&self) -> Response {
        Response::ok(self.issuer.key_document())
    }

    pub fn progress(&mut self, replica: usize, revocation: &Revocation, now: Moment) -> Progress {
        self.replicas[replica].progress(&self.store, revocation, now)
    }

    /// Whether the store has lost a gateway that this companion never heard of: then its receipts promise nothing (THREATS.md).
    pub fn misses_a_gateway(&self, replica: usize, now: Moment) -> bool {
        let misses = |lost: &RegisteredGateway| {
            lost.live_until >= now.wall && !self.replicas[replica].counts(lost.id)
        };
        self.lost.iter().any(misses)
    }

    /// By companions that run.
    pub fn rollbacks_noticed(&self) -> u64 {
        self.replicas
            .iter()
            .map(|replica| replica.histories_begun)
            .sum()
    }

    fn find(&mut self, again: &RegisteredGateway) {
        self.lost.retain(|lost| lost.id != again.id);
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
