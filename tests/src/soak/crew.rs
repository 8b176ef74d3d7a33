//! Eight people who refresh, log out, end sessions and change passwords at companions that are broken meanwhile; and the look at everything
//! that was acknowledged, once all serve again.

mod person;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::probes::Callers;
use super::stacks::{clients, companions};
use super::table::Table;
use crate::fault::Fault;
use crate::setup::Store;
use crate::stack::Stack;
use crate::stored;
use crate::watch::Stopwatch;
use person::{Counts, Person};

pub(super) const PEOPLE: usize = 8;
/// The longest that the store allows: a refresh that was under way is tried again after the kill.
const GRACE: &str = "60s";

/// The people and their companions.
pub(super) struct Crew {
    pub(super) stack: Stack,
    people: Vec<Person>,
    slowest: Duration,
}

impl Crew {
    /// One companion on SQLite, or two on PostgreSQL, and no gateway.
    pub(super) fn start(store: Store) -> Result<Self, Fault> {
        let stack = companions(store, GRACE)?;
        let mut people = Vec::new();
        for number in 0..PEOPLE {
            people.push(Person::register(&stack, number)?);
        }
        Ok(Self {
            stack,
            people,
            slowest: Duration::ZERO,
        })
    }

    /// How many calls were acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.people
            .iter()
            .map(|person| person.counts.acknowledged())
            .sum()
    }

    /// The same, and logins; and how many calls nobody answered.
    pub(super) fn granted_and_unanswered(&self) -> (usize, usize) {
        let counts = self.people.iter().map(|person| &person.counts);
        counts.fold((0, 0), |(granted, unanswered), counts| {
            (granted + counts.granted(), unanswered + counts.unanswered)
        })
    }

    /// Lets all work until `end` has happened.
    pub(super) fn work_until(
        &mut self,
        end: impl FnOnce(&mut Stack) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let is_over = AtomicBool::new(false);
        let (stack, people) = (&mut self.stack, &mut self.people);
        thread::scope(|scope| {
            let working: Vec<_> = people
                .iter_mut()
                .map(|person| {
                    let is_over = &is_over;
                    scope.spawn(move || {
                        while !is_over.load(Ordering::SeqCst) {
                            person.work()?;
                        }
                        Ok(())
                    })
                })
                .collect();
            let ended = end(stack);
            is_over.store(true, Ordering::SeqCst);
            for worker in working {
                worker
                    .join()
                    .unwrap_or_else(|_| Err(Fault::new("a person panicked")))?;
            }
            ended
        })
    }

    /// Starts what does not run, and looks at what was acknowledged.
    pub(super) fn recover(&mut self) -> Result<(), Fault> {
        let watch = Stopwatch::start();
        if let Some(server) = self.stack.postgres_mut() {
            server.start_again()?;
        }
        for number in 0..self.stack.replicas() {
            if self.stack.replica(number).is_none() {
                self.stack.start_replica(number)?;
            }
        }
        self.slowest = self.slowest.max(watch.elapsed());
        let fed = stored::in_feed(&self.stack)?;
        let clients = clients(&self.stack)?;
        for (number, person) in self.people.iter_mut().enumerate() {
            person.connect(clients[number % clients.len()].clone());
            person.check(&fed)?;
        }
        Ok(())
    }

    /// Lets an Envoy come up that has nothing but the feed, looks at what it thinks of sessions whose end was acknowledged, adds the rows,
    /// and ends all.
    pub(super) fn end(mut self, part: &str, store: Store, table: &mut Table) -> Result<(), Fault> {
        self.stack.start_gateway(0)?;
        self.stack.await_ready()?;
        let door = Callers::of(&self.stack, [0])?;
        let mut denied = 0;
        for person in &self.people {
            for tokens in person.newest_ended() {
                door.are_denied(tokens)?;
                denied += 1;
            }
        }
        let mut counts = Counts::default();
        for person in &self.people {
            counts.add(&person.counts);
        }
        let mut add = |what: &str, figure: String| table.add(part, store, what, figure);
        for (what, figure) in [
            ("rotations acknowledged, none lost", counts.rotations),
            ("logouts acknowledged, none lost", counts.logouts),
            (
                "logouts everywhere acknowledged, none lost",
                counts.everywhere,
            ),
            (
                "ends of another session acknowledged, none lost",
                counts.ends,
            ),
            ("password changes acknowledged, none lost", counts.passwords),
            ("calls that nobody answered, or with 503", counts.unanswered),
            ("ends that such a call explains", counts.inferred),
            ("of the newest ended, denied by a new Envoy", denied),
        ] {
            add(what, figure.to_string());
        }
        add(
            "slowest return after a kill",
            format!("{:.1?}", self.slowest),
        );
        self.stack.stop()
    }
}
