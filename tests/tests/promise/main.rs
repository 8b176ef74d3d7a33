//! "A receipt with 200 means no acceptance", and the bound behind every 202, over random histories.
//!
//! The filter is the built one, in the proxy-wasm host; the companion's part is its own pure code (who counts as live, what a page
//! says, when a receipt is complete) over a store in memory. Time is simulated in steps: gateways join, restart, lose their VMs, are
//! cut off or slow, have clocks that differ; the companion restarts, changes its keys, commits slowly, and is put back to an older
//! copy of its store.

mod companion;
mod gateway;
mod history;
mod promise;
mod replica;
mod store;
mod travel;
mod world;

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tests::issuer::digest;

use companion::Kind;
use history::event;
use promise::Totals;
use world::World;

/// Each history is some minutes of simulated time.
const HISTORIES: u32 = 16;

/// RV-01, RV-03, RV-06, RV-07, RV-15, RV-16, RV-17, KR-06, KR-08.
#[test]
fn after_a_receipt_with_200_no_gateway_accepts_the_token() {
    keeps_the_promise(Kind::Alone, 1);
}

/// The same over other histories: the two run side by side.
#[test]
fn after_effective_by_no_gateway_accepts_the_token() {
    keeps_the_promise(Kind::Alone, 2);
}

/// Two companions on one store: gateways go from one to the other, and the store is put back while both run.
#[test]
fn after_a_receipt_of_any_companion_no_gateway_accepts_the_token() {
    keeps_the_promise(Kind::Shared, 3);
}

/// The same over other histories.
#[test]
fn what_one_companion_promises_holds_at_the_gateways_of_all() {
    keeps_the_promise(Kind::Shared, 4);
}

/// The histories follow from a seed and are the same in each run; `PROMISE_SEED=n` tries others.
fn keeps_the_promise(kind: Kind, which: u8) {
    let other = std::env::var("PROMISE_SEED").ok();
    let seed = digest(&format!("{which} {}", other.unwrap_or_default()));
    let seed = [seed, seed].concat();
    let totals = RefCell::new(Totals::default());
    let config = Config {
        cases: HISTORIES,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let histories = prop::collection::vec(event(kind), 10..40);
    let outcome = runner.run(&histories, |history| {
        let mut world = World::begin(kind);
        for event in &history {
            world.happen(event).map_err(TestCaseError::fail)?;
        }
        totals
            .borrow_mut()
            .add(&world.end().map_err(TestCaseError::fail)?);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let totals = totals.into_inner();
    println!("{kind:?}: {totals:?}");
    // A simulation in which nothing happens proves nothing.
    let least = u64::from(HISTORIES);
    assert!(totals.receipts_with_200 > least, "{totals:?}");
    assert!(totals.receipts_with_202 > least / 2, "{totals:?}");
    assert!(totals.accepted > least && totals.stale > 0, "{totals:?}");
}
