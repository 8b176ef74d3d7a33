//! One simulated companion of those that share a store: its memory, what it has still to tell the others, and how it follows them.

use std::collections::BTreeMap;

use companion::clock::{Clock, Moment};
use companion::feed::page;
use companion::gateways::{Registration, Registry};
use companion::receipt::{Progress, Revocation, progress};
use companion::store::{Acknowledged, CursorFound, GatewaysRead, History, RegisteredGateway};
use companion::witness::{Testimony, Witness};
use tests::issuer::Issuer;
use token::{Cursor, GatewayId};

use crate::companion::Poll;
use crate::store::Store;
use crate::world::{STEPS_PER_SECOND, seconds};

pub struct Replica {
    registry: Registry,
    witness: Witness,
    is_shared: bool,
    /// What arrived in an earlier life is never answered.
    pub life: u32,
    pub down_until: u32,
    /// The way to the store is cut until this step.
    pub away_until: u32,
    /// The word of what others have committed comes at every so many steps.
    pub hears: u32,
    /// What is acknowledged here is told to the others after so many steps.
    pub tells: u32,
    untold: BTreeMap<GatewayId, (u32, Acknowledged)>,
    /// The head and its history when it looked last.
    seen: (Cursor, History),
    /// The feed has moved, as far as was heard at this step.
    pub has_moved: bool,
    /// A read of the gateways that has begun, and when it ends.
    reading: Option<(u32, Snapshot)>,
    /// Registrations of what the store has lost: when each is committed.
    registering: Vec<(u32, Registration)>,
    newest_history: History,
    /// In all its lives.
    pub histories_begun: u64,
}

/// What a read saw at its beginning.
struct Snapshot {
    asked: Testimony,
    is_known: bool,
    head: Cursor,
    read: GatewaysRead,
}

impl Replica {
    pub fn start(store: &Store, is_shared: bool, life: u32, now: Moment) -> Self {
        let clock = Clock::settable(now.wall.seconds());
        let mut replica = Self {
            registry: Registry::default(),
            witness: Witness::new(clock, seconds(300)),
            is_shared,
            life,
            down_until: 0,
            away_until: 0,
            hears: 1,
            tells: 1,
            untold: BTreeMap::new(),
            seen: (Cursor::START, History::default()),
            has_moved: false,
            reading: None,
            registering: Vec::new(),
            newest_history: History::default(),
            histories_begun: 0,
        };
        replica.refresh(store, now);
        replica
    }

    /// Ends, with all that it has not told; begins again with what the store knows.
    pub fn restart(&mut self, store: &Store, now: Moment) {
        *self = Self {
            down_until: self.down_until,
            away_until: self.away_until,
            hears: self.hears,
            tells: self.tells,
            histories_begun: self.histories_begun,
            ..Self::start(store, self.is_shared, self.life + 1, now)
        };
    }

    pub fn reaches_the_store(&self, step: u32) -> bool {
        step >= self.down_until.max(self.away_until)
    }

    /// What must be committed before the read, if anything.
    pub fn arrive(&mut self, poll: &Poll, now: Moment) -> Option<Registration> {
        self.registry
            .arrive(poll.gateway, Some(seconds(poll.staleness)), now)
            .expect("few gateways")
    }

    pub fn committed(&mut self, registration: Registration) {
        self.registry.committed(registration);
    }

    /// The first read for a poll, or one after the feed has moved or its time is up. `None`: it goes on waiting. Whether the cursor was
    /// refused is the second.
    pub fn read(
        &mut self,
        store: &Store,
        issuer: &Issuer,
        (poll, is_first, is_due): (&Poll, bool, bool),
        (step, now): (u32, Moment),
    ) -> (Option<String>, bool) {
        let history = self.look(store);
        let read = store.read(poll.after, history, now);
        let is_refused = read.cursor != CursorFound::Known;
        if is_first {
            let new = self
                .registry
                .read(poll.gateway, poll.after, read.cursor, read.history);
            if let Some(new) = new {
                let due = self.untold.get(&poll.gateway).map(|(due, _)| *due);
                let due = due.unwrap_or(step + self.tells);
                self.untold.insert(poll.gateway, (due, new));
            }
        }
        let has_news = read.has_rows || is_refused;
        let page = (has_news || is_due)
            .then(|| page(poll.after, read, issuer.name()).sign(issuer.feed_key()));
        (page, is_first && is_refused)
    }

    /// One step of what it does unasked: tells, and follows the others. Gives what it commits.
    pub fn step(
        &mut self,
        store: &mut Store,
        (step, commit_steps): (u32, u32),
        now: Moment,
    ) -> Vec<RegisteredGateway> {
        self.has_moved = false;
        if !self.is_shared {
            self.has_moved = true;
            return Vec::new();
        }
        if !self.reaches_the_store(step) {
            return Vec::new();
        }
        self.tell(store, step, now);
        let committed = self.commit(store, step, now);
        if step.is_multiple_of(self.hears) || step.is_multiple_of(STEPS_PER_SECOND) {
            let seen = (store.head(), self.look(store));
            self.has_moved = seen != self.seen;
            self.seen = seen;
        }
        if self.has_moved && self.reading.is_none() {
            self.reading = Some((step + commit_steps, self.begin_read(store, now)));
        }
        self.catch_up(step, commit_steps, now);
        committed
    }

    fn tell(&mut self, store: &mut Store, step: u32, now: Moment) {
        self.untold.retain(|_, (due, told)| {
            if *due <= step {
                store.note_acknowledged(told, now.wall);
            }
            *due > step
        });
    }

    fn commit(&mut self, store: &mut Store, step: u32, now: Moment) -> Vec<RegisteredGateway> {
        let (due, later): (Vec<_>, Vec<_>) =
            self.registering.drain(..).partition(|(at, _)| *at <= step);
        self.registering = later;
        for (_, registration) in &due {
            store.register(registration.gateway, now.wall);
            self.registry.committed(*registration);
        }
        due.iter()
            .map(|(_, registration)| registration.gateway)
            .collect()
    }

    /// What was read of the others becomes known; what the store has lost is registered again.
    fn catch_up(&mut self, step: u32, commit_steps: u32, now: Moment) {
        let is_over = |(end, _): &mut (u32, Snapshot)| *end <= step;
        let Some((_, snapshot)) = self.reading.take_if(is_over) else {
            return;
        };
        self.merge(snapshot, now);
        for registration in self.registry.lost(now) {
            self.registering.push((step + commit_steps, registration));
        }
    }

    /// A receipt: a read of the gateways that begins now, after the commit, and the rule.
    pub fn progress(&mut self, store: &Store, revocation: &Revocation, now: Moment) -> Progress {
        if self.is_shared {
            self.refresh(store, now);
        }
        progress(revocation, &self.registry.list(), now)
    }

    /// Whether it counts that gateway, silent or not.
    pub fn counts(&self, id: GatewayId) -> bool {
        self.registry.list().iter().any(|gateway| gateway.id == id)
    }

    fn refresh(&mut self, store: &Store, now: Moment) {
        let snapshot = self.begin_read(store, now);
        self.merge(snapshot, now);
    }

    fn begin_read(&self, store: &Store, now: Moment) -> Snapshot {
        self.witness.met(&store.server.to_string());
        let asked = self.witness.ask();
        Snapshot {
            asked,
            is_known: store.is_known(asked.newest),
            head: store.head(),
            read: GatewaysRead {
                at: now.wall,
                history: asked.history(),
                gateways: store.gateways(self.registry.next_read()),
                forgotten: Vec::new(),
            },
        }
    }

    fn merge(&mut self, snapshot: Snapshot, now: Moment) {
        let history = self
            .witness
            .tell(snapshot.asked, snapshot.is_known, snapshot.head);
        let read = GatewaysRead {
            history,
            ..snapshot.read
        };
        self.note(history);
        self.registry.merge(read, now);
    }

    /// What history a read that begins and ends now is of.
    fn look(&mut self, store: &Store) -> History {
        self.witness.met(&store.server.to_string());
        let asked = self.witness.ask();
        let history = self
            .witness
            .tell(asked, store.is_known(asked.newest), store.head());
        self.note(history);
        history
    }

    fn note(&mut self, history: History) {
        self.histories_begun += u64::from(history > self.newest_history);
        self.newest_history = self.newest_history.max(history);
    }
}
