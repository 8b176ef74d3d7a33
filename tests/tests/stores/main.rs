//! The conformance suite of `companion::store::Store`: the same cases on every implementation, through the trait alone.
//!
//! A case's name is the fact that it proves. What is not on the list below is not run, and the compiler calls it unused.

mod bench;
mod person;

mod codes;
mod concurrency;
mod ending;
mod feed;
mod gateways;
mod keys;
mod limits;
mod outbox;
mod prune;
mod rotation;
mod sessions;

use std::time::Duration;

use bench::Bench;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// The least by which the store's clock moves.
const TICK: Duration = Duration::from_millis(1);

/// A test of each case on each store: `<store>::<subject>::<case>`.
macro_rules! on_every_store {
    ($($cases:tt)*) => {
        on_one_store! { sqlite: Bench::on_sqlite, $($cases)* }
    };
}

macro_rules! on_one_store {
    ($store:ident: $open:path, $($subject:ident { $($case:ident,)* })*) => {
        mod $store {
            $(mod $subject {
                use crate::bench::Bench;

                $(#[test]
                fn $case() {
                    crate::run($open, crate::$subject::$case);
                })*
            })*
        }
    };
}

/// Runs a case on a store of its own. The store is opened and closed inside the runtime: it may have tasks there.
fn run(open: impl AsyncFnOnce() -> Bench, case: impl AsyncFnOnce(&Bench)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bench = open().await;
        case(&bench).await;
    });
}

on_every_store! {
    keys {
        an_empty_store_takes_the_first_master_key_and_no_other,
        of_many_master_keys_at_once_one_is_taken,
        an_empty_store_has_no_keys,
        the_first_keys_are_number_1_of_the_feed,
        there_are_first_keys_only_once,
        of_many_first_key_sets_at_once_one_is_kept_whole,
    }
}
