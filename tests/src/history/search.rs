//! The search of Wing and Gong (1993) for an order of the calls that explains their answers, with the memory of Lowe (2017): no set of
//! calls is followed twice from the same state.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::{Answer, MOST, Record, Reply, Rule, State, Violation, timeline};

/// The store's clock counts whole milliseconds: two readings may be this much further apart than they were, or nearer. In microseconds.
const GRAIN: u64 = 1_000;

/// A history that can be explained.
#[derive(Debug)]
pub struct Linearised<'a> {
    records: &'a [Record],
    /// Every state in which an explanation ends, with the order of one: numbers of records, those that never happened left out.
    pub endings: BTreeMap<State, Vec<usize>>,
}

impl Linearised<'_> {
    /// The explanation that ends in what the database holds once all calls are over; gives its order.
    ///
    /// # Errors
    /// [`Rule::Durable`], [`Rule::Counted`], [`Rule::Ended`] or [`Rule::Audited`]: what every explanation has otherwise.
    pub fn ending_in(&self, found: State) -> Result<&[usize], Violation> {
        if let Some(order) = self.endings.get(&found) {
            return Ok(order);
        }
        let seen = self.records.iter().map(|record| match record.reply {
            Reply::Rotated { generation, .. } => generation,
            _ => 0,
        });
        let is_acknowledged = self
            .records
            .iter()
            .any(|record| record.reply == Reply::Ended);
        let mut alike = self
            .endings
            .keys()
            .filter(|end| end.generation == found.generation);
        let rule = if seen.max() > Some(found.generation) || is_acknowledged && !found.has_ended {
            Rule::Durable
        } else if alike.clone().next().is_none() {
            Rule::Counted
        } else if alike.all(|end| end.has_ended != found.has_ended) {
            Rule::Ended
        } else {
            Rule::Audited
        };
        let ends: Vec<_> = self.endings.keys().collect();
        let what = format!("the database has {found:?}, and the calls explain {ends:?}");
        Err(Violation::new(rule, what, self.records))
    }
}

/// Explains the records, of which there are at most [`MOST`].
pub(super) fn linearise(records: &[Record], grace: Duration) -> Result<Linearised<'_>, Violation> {
    let mut sent: Vec<_> = (0..records.len()).collect();
    sent.sort_by_key(|number| records[*number].called);
    let mut search = Search {
        records,
        sent,
        grace: u64::try_from(grace.as_micros()).unwrap_or(u64::MAX),
        visited: HashSet::new(),
        order: Vec::with_capacity(MOST),
        endings: BTreeMap::new(),
        furthest: Vec::new(),
        stuck: Node::default(),
    };
    search.visit(Node::default());
    if search.endings.is_empty() {
        return Err(Violation::new(Rule::OneOrder, search.impasse(), records));
    }
    Ok(Linearised {
        records,
        endings: search.endings,
    })
}

/// How far an order has come.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Node {
    /// One bit for each record that has happened.
    done: u64,
    state: State,
    /// Between these times, in microseconds, the store read its clock for the last rotation.
    rotated: (u64, u64),
}

struct Search<'a> {
    records: &'a [Record],
    /// Their numbers, in the order of the calls.
    sent: Vec<usize>,
    /// In microseconds.
    grace: u64,
    visited: HashSet<Node>,
    /// What has happened so far, first to last.
    order: Vec<usize>,
    endings: BTreeMap<State, Vec<usize>>,
    /// The longest order that nothing could follow, and where it led.
    furthest: Vec<usize>,
    stuck: Node,
}

impl Search<'_> {
    /// Follows every order that begins as this one has, as far as their ends differ.
    fn visit(&mut self, node: Node) {
        if !self.visited.insert(node) {
            return;
        }
        if self.progress(&self.order) > self.progress(&self.furthest) {
            self.furthest.clone_from(&self.order);
            self.stuck = node;
        }
        if self.left(node).all(|(_, record)| record.is_lost()) {
            let order = || self.order.clone();
            self.endings.entry(node.state).or_insert_with(order);
        }
        let next = self.next(node);
        // What changes nothing may as well come now, where nothing else must come before it or never: what could, can come after it.
        let last = self.last();
        let harmless = next.iter().position(|(number, after)| {
            let called = self.records[*number].called;
            let can_wait = |until| until < last || until >= called;
            after.state == node.state && self.left(node).all(|(_, other)| can_wait(other.returned))
        });
        let chosen = match harmless {
            Some(at) => &next[at..=at],
            None => &next[..],
        };
        for (number, after) in chosen {
            self.order.push(*number);
            self.visit(*after);
            self.order.pop();
        }
    }

    /// The more answers are explained, with the fewer lost calls, the further.
    fn progress(&self, order: &[usize]) -> (usize, Reverse<usize>) {
        let is_answered = |number: &&usize| !self.records[**number].is_lost();
        let answered = order.iter().filter(is_answered).count();
        (answered, Reverse(order.len()))
    }

    /// Records that have not happened, with their numbers, in the order of the calls.
    fn left(&self, node: Node) -> impl Iterator<Item = (usize, &Record)> {
        let numbers = self.sent.iter().copied();
        let left = numbers.filter(move |number| node.done & (1 << number) == 0);
        left.map(|number| (number, &self.records[number]))
    }

    /// When the last call was sent of those that have happened.
    fn last(&self) -> u64 {
        let called = self.order.iter().map(|number| self.records[*number].called);
        called.max().unwrap_or(0)
    }

    /// Records that may happen next, each with the time before which it does: no answer had come before they were called, and nothing that
    /// was called after their time has happened.
    fn enabled(&self, node: Node) -> Vec<(usize, &Record, u64)> {
        let answered = self.left(node).filter(|(_, record)| !record.is_lost());
        let first = answered.map(|(_, record)| record.returned).min();
        let first = first.unwrap_or(u64::MAX);
        let last = self.last();
        self.left(node)
            .map(|(number, record)| (number, record, first.min(record.returned)))
            .filter(|(_, record, before)| record.called.max(last) <= *before)
            .collect()
    }

    /// What may happen next and be answered as it was, and what comes of it. Lost calls only where they change something, and of equal ones
    /// the earliest, which can stand for any other.
    fn next(&self, node: Node) -> Vec<(usize, Node)> {
        let mut next: Vec<(usize, Node)> = Vec::new();
        let mut lost = Vec::new();
        for (number, record, before) in self.enabled(node) {
            if record.is_lost() {
                let alike = (record.call, record.returned);
                if lost.contains(&alike) {
                    continue;
                }
                lost.push(alike);
            }
            for is_late in self.lateness(node, record, before) {
                let (state, answer) = node.state.step(record.call, is_late);
                let fits = match record.reply {
                    Reply::Lost => state != node.state,
                    ref reply => answer.is_seen_as(reply),
                };
                let rotated = match answer {
                    Answer::Rotated { .. } => (record.called, before),
                    _ => node.rotated,
                };
                let after = Node {
                    done: node.done | (1 << number),
                    state,
                    rotated,
                };
                if fits && !next.contains(&(number, after)) {
                    next.push((number, after));
                }
            }
        }
        next
    }

    /// Whether the grace may be over at a call that happens before that time: either, where the times leave it open. A store reads its
    /// clock after the call has come and before it takes effect.
    fn lateness(&self, node: Node, record: &Record, before: u64) -> Vec<bool> {
        let (earliest, latest) = node.rotated;
        let youngest = record.called.saturating_sub(latest);
        let oldest = before.saturating_sub(earliest);
        let mut lateness = Vec::new();
        if self.grace > 0 && youngest < self.grace.saturating_add(GRAIN) {
            lateness.push(false);
        }
        if oldest.saturating_add(GRAIN) > self.grace {
            lateness.push(true);
        }
        lateness
    }

    /// Where the longest order ends, and why nothing can follow it.
    fn impasse(&self) -> String {
        let State {
            generation,
            has_ended,
            ..
        } = self.stuck.state;
        let life = if has_ended { "has ended" } else { "lives" };
        let mut lines = vec![format!(
            "after {:?} the session {life} at generation {generation}",
            self.furthest
        )];
        for (number, record, before) in self.enabled(self.stuck) {
            for is_late in self.lateness(self.stuck, record, before) {
                let (_, answer) = self.stuck.state.step(record.call, is_late);
                let line = format!(
                    "  call {number}, {}, would be {answer:?} and was {}",
                    timeline::call(record.call),
                    timeline::reply(&record.reply)
                );
                if !record.is_lost() && !answer.is_seen_as(&record.reply) && !lines.contains(&line)
                {
                    lines.push(line);
                }
            }
        }
        lines.join("\n")
    }
}
