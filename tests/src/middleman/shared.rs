//! What all threads of a middleman work on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::link::Link;
use super::mischief::Mischief;
use super::record::Record;
use crate::dice::Dice;

pub(super) struct Shared {
    state: Mutex<State>,
    /// Told of each new mischief, of the end, and of each answer that has overtaken another.
    changed: Condvar,
}

pub(super) struct State {
    pub(super) mischief: Mischief,
    /// How often the mischief was set.
    round: u64,
    pub(super) target: u16,
    pub(super) tally: Tally,
    pub(super) record: Record,
    pub(super) links: Vec<Weak<Link>>,
    pub(super) has_ended: bool,
    threads: Vec<JoinHandle<()>>,
    /// Answers for which a fate was cast since the mischief was set.
    fates: u64,
    /// The answer that waits to be overtaken.
    waiting: Option<u64>,
    /// How many have waited so far.
    waited: u64,
}

#[derive(Default)]
pub(super) struct Tally {
    pub(super) connections: u64,
    pub(super) requests: u64,
    pub(super) refused: u64,
    pub(super) cut: u64,
    pub(super) replays: u64,
    pub(super) duplicates: u64,
}

impl Shared {
    pub(super) fn new(target: u16) -> Self {
        let state = State {
            mischief: Mischief::Pass,
            round: 0,
            target,
            tally: Tally::default(),
            record: Record::default(),
            links: Vec::new(),
            has_ended: false,
            threads: Vec::new(),
            fates: 0,
            waiting: None,
            waited: 0,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody panics with the lock held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, mischief: Mischief) {
        let mut state = self.lock();
        state.mischief = mischief;
        state.round += 1;
        state.fates = 0;
        drop(state);
        self.changed.notify_all();
    }

    /// The mischief, and the round it was set in.
    pub(super) fn now(&self) -> (Mischief, u64) {
        let state = self.lock();
        (state.mischief, state.round)
    }

    /// Waits for that long: true. False as soon as that round is over, or at the end.
    pub(super) fn pause(&self, round: u64, time: Duration) -> bool {
        let goes_on = |state: &mut State| state.round == round && !state.has_ended;
        let waiting = self
            .changed
            .wait_timeout_while(self.lock(), time, |state| goes_on(state));
        let (mut state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        goes_on(&mut state)
    }

    /// Whether the next answer is to be cut; it is counted then.
    pub(super) fn casts_a_cut(&self, one_in: u32, seed: u64) -> bool {
        let mut state = self.lock();
        let mut dice = Dice::after(seed, state.fates);
        let is_cut = one_in > 0 && dice.below(u64::from(one_in)) == 0;
        state.fates += 1;
        state.tally.cut += u64::from(is_cut);
        is_cut
    }

    /// Waits until another answer has overtaken this one, for `patience` at most. False at once when one waits already, and is to be
    /// overtaken by this one.
    pub(super) fn wait_to_be_overtaken(&self, round: u64, patience: Duration) -> bool {
        let mut state = self.lock();
        if state.waiting.is_some() {
            return false;
        }
        state.waited += 1;
        let mine = Some(state.waited);
        state.waiting = mine;
        let waiting = self.changed.wait_timeout_while(state, patience, |state| {
            state.waiting == mine && state.round == round && !state.has_ended
        });
        let (mut state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        if state.waiting == mine {
            state.waiting = None;
        }
        true
    }

    /// An answer has gone out; one that waits may follow.
    pub(super) fn has_overtaken(&self) {
        self.lock().waiting = None;
        self.changed.notify_all();
    }

    /// On a thread that is joined at the end; not at all after it.
    pub(super) fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if state.has_ended {
            return;
        }
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.push(thread::spawn(work));
    }

    pub(super) fn each_link(&self, end: fn(&Link)) {
        let links: Vec<_> = self.lock().links.iter().filter_map(Weak::upgrade).collect();
        for link in links {
            end(&link);
        }
    }

    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_all();
        self.each_link(Link::close);
    }

    /// Waits for all threads; they end once [`Shared::end`] was called.
    pub(super) fn join(&self) {
        let threads = std::mem::take(&mut self.lock().threads);
        for thread in threads {
            let _ = thread.join();
        }
    }
}
