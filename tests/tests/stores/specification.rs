//! A store beside the specification of one session's refresh tokens: whatever is called, and whenever, the answers and the state are the
//! same.

use std::collections::HashSet;
use std::mem::discriminant;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use companion::store::{AuditQuery, Client, Ended, Minted, Refresh, Rotation, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tests::history::{Answer, Call, Model};
use token::{Cursor, SessionId};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::bench::Bench;
use crate::person::{Person, refresh};
use crate::{MINUTE, SECOND, TICK};

/// How many sessions, each with calls of its own.
const SESSIONS: u32 = 100;
/// The most calls and movements of the clock in one: none lives to its idle deadline.
const STEPS: usize = 24;

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A refresh with the live generation, or with one that is so far from it.
    Refresh {
        from_live: i64,
    },
    Logout,
    /// The clock moves on.
    Wait(Duration),
}

fn step(grace: Duration) -> impl Strategy<Value = Step> {
    let generation = prop_oneof![10 => Just(0), 10 => Just(-1), 1 => Just(-2), 1 => 1..=2_i64];
    let around = [grace.saturating_sub(TICK), grace, grace + TICK];
    let small = [TICK, SECOND, grace / 2];
    prop_oneof![
        20 => generation.prop_map(|from_live| Step::Refresh { from_live }),
        1 => Just(Step::Logout),
        16 => prop::sample::select([around, small].concat()).prop_map(Step::Wait),
    ]
}

/// A grace, and what happens to a session with it.
fn life() -> impl Strategy<Value = (Duration, Vec<Step>)> {
    let graces = prop_oneof![1 => Just(Duration::ZERO), 3 => Just(10 * SECOND), 3 => Just(MINUTE)];
    graces.prop_flat_map(|grace| (Just(grace), prop::collection::vec(step(grace), 1..STEPS)))
}

/// A session in the store, and beside it.
struct Twin<'a> {
    bench: &'a Bench,
    owner: &'a Person,
    id: SessionId,
    grace: Duration,
    model: Model,
    /// What the last rotation gave, or the login.
    minted: Minted,
    /// Where the feed ended before.
    before: Cursor,
}

impl<'a> Twin<'a> {
    async fn open(bench: &'a Bench, owner: &'a Person, grace: Duration) -> Self {
        let before = bench.head().await;
        let minted = bench.open(owner.login()).await;
        Self {
            bench,
            owner,
            id: minted.session.id,
            grace,
            model: Model::new(grace),
            minted,
            before,
        }
    }

    fn call(&self, step: Step) -> Option<Call> {
        let live = self.model.state.generation;
        match step {
            Step::Refresh { from_live } => Some(Call::Refresh {
                generation: live.saturating_add_signed(from_live),
            }),
            Step::Logout => Some(Call::Logout),
            Step::Wait(span) => {
                self.bench.clock.advance(span);
                None
            }
        }
    }

    /// Calls both, and they agree.
    async fn make(&mut self, call: Call, store: Arc<dyn Store>) -> Answer {
        let now = Duration::from_millis(self.bench.clock.now().0.unsigned_abs());
        let (model, expected) = self.model.step(call, now);
        self.model = model;
        let answer = match call {
            Call::Refresh { generation } => self.refresh(generation, store).await,
            Call::Logout => {
                let ended = store.end_session(self.id, None, Client::default()).await;
                assert!(matches!(ended, Ok(Ended::By(_))));
                Answer::LoggedOut
            }
            // The MAC is looked at before the store is.
            Call::Forged => Answer::Refused,
        };
        assert_eq!(answer, expected, "{call:?}");
        answer
    }

    async fn refresh(&mut self, generation: u64, store: Arc<dyn Store>) -> Answer {
        let request = Refresh {
            grace: self.grace,
            ..refresh(self.id, generation)
        };
        match store.rotate(request).await.unwrap() {
            Rotation::Rotated(minted) => {
                let generation = minted.session.generation;
                self.minted = minted;
                Answer::Rotated { generation }
            }
            Rotation::Repeated(minted) => {
                let generation = minted.session.generation;
                // All but the moment of the answer.
                let iat = self.minted.iat;
                let repeated = Minted { iat, ..minted };
                assert_eq!(format!("{repeated:?}"), format!("{:?}", self.minted));
                Answer::Repeated { generation }
            }
            Rotation::Reused { is_ahead: false } => Answer::Reused,
            Rotation::Reused { is_ahead: true } => Answer::Ahead,
            Rotation::Over => Answer::Over,
        }
    }

    /// The session as both handles see it, the audit log, and the feed.
    async fn must_be_as_specified(&self) {
        let state = self.model.state;
        let live = (!state.has_ended).then_some(&self.minted.session);
        assert!(live.is_none_or(|session| session.generation == state.generation));
        for store in [&self.bench.store, &self.bench.other] {
            let seen = store.live_session(self.id, self.owner.id).await.unwrap();
            assert_eq!(format!("{seen:?}"), format!("{live:?}"));
        }
        let wanted = AuditQuery {
            account: Some(self.owner.id),
            before: None,
            most: 20,
        };
        let audit = self.bench.other.audit(wanted).await.unwrap();
        let is_reuse = |name: &str| ["refresh_token_reused", "refresh_token_ahead"].contains(&name);
        let reuse = audit
            .iter()
            .filter(|entry| entry.session == Some(self.id) && is_reuse(&entry.event));
        assert_eq!(reuse.count(), state.reuse_events as usize);
        let news = self.bench.feed(self.before).await;
        let published = news.revoked.iter().filter(|row| row.0 == self.id);
        assert_eq!(published.count(), usize::from(state.has_ended));
    }
}

/// D3, RR-02, RR-03, RR-04, RR-17: I1, I6 and I7 too, over both handles by turns. The lives are the same in each run; one that goes
/// wrong is named by the shortest that still does.
pub async fn a_session_lives_as_it_is_specified(bench: &Bench) {
    let alice = bench.account("alice").await;
    let answers = Mutex::new(HashSet::new());
    let live = async |grace, steps: Vec<Step>| {
        let mut twin = Twin::open(bench, &alice, grace).await;
        // So that none is left behind, and twice.
        let steps = steps.into_iter().chain([Step::Logout, Step::Logout]);
        for (number, step) in steps.enumerate() {
            let Some(call) = twin.call(step) else {
                continue;
            };
            let answer = twin.make(call, bench.handle(number)).await;
            answers.lock().unwrap().insert(discriminant(&answer));
            twin.must_be_as_specified().await;
        }
    };
    let config = Config {
        cases: SESSIONS,
        failure_persistence: None,
        ..Config::default()
    };
    let chance = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, chance);
    let outcome = block_in_place(|| {
        runner.run(&life(), |(grace, steps)| {
            Handle::current().block_on(live(grace, steps));
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    // All but that to a forged token: sessions to which nothing happens prove nothing.
    assert_eq!(answers.into_inner().unwrap().len(), 6);
}
