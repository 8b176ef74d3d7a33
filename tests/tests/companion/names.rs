//! What made-up names leave behind in the limits (RL-09): so many rows for their time, and then none.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use companion::clock::Clock;
use companion::service::open_store;
use companion::store::{Name, Store};
use companion::throttle::{Failures, Limit};
use rusqlite::Connection;
use tests::companion::Companion;
use tests::postgres::Postgres;
use token::UnixTime;
use tokio::runtime::Runtime;

use crate::MINUTE;

const NAMES: u32 = 5_000;
/// So many at a time.
const CALLERS: usize = 4;

/// Rows of buckets and of failures.
fn rows(companion: &Companion) -> [i64; 2] {
    ["buckets", "failures"].map(|table| {
        let count = format!("SELECT COUNT(*) FROM {table}");
        match companion.database() {
            Some(database) => {
                let rows = Postgres::shared().query_text(database, &count).unwrap();
                rows[0][0].as_deref().unwrap().parse().unwrap()
            }
            None => {
                let db = Connection::open(companion.state().join("throttle.db")).unwrap();
                db.query_row(&count, [], |row| row.get(0)).unwrap()
            }
        }
    })
}

fn name(number: u32) -> Name {
    let mut name = [0; 16];
    // Digests are spread over all of the table.
    let spread = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    name[..8].copy_from_slice(&spread.to_be_bytes());
    name
}

/// One login of each of these names, as somebody sends them whom no limit of an address holds up.
async fn log_in_once_each(store: &dyn Store, names: impl Iterator<Item = u32>) {
    let per_address = Limit::new(10, 10, Duration::from_secs(60));
    for number in names {
        let name = name(number);
        assert_eq!(store.take(vec![(name, per_address)]).await.unwrap(), None);
        assert_eq!(store.reserve_attempt(name, 100).await.unwrap(), None);
    }
}

/// The same over several callers, in the store of a companion that is stopped.
fn flood(companion: &Companion) {
    let clock = Clock::settable(UnixTime::from_seconds(companion.now()));
    Runtime::new().unwrap().block_on(async {
        let store = open_store(companion.settings(), clock).await.unwrap();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let store = Arc::clone(&store);
                let names = (0..NAMES).skip(caller).step_by(CALLERS);
                tokio::spawn(async move { log_in_once_each(store.as_ref(), names).await })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
    });
}

/// RL-09, D5: a name that was tried once leaves two small rows, one for as long as its bucket fills and one for a day.
#[test]
fn names_that_were_tried_once_are_forgotten_after_a_day() {
    let mut companion = Companion::start().unwrap();
    companion.stop().unwrap();
    let before = rows(&companion);
    flood(&companion);
    let all = i64::from(NAMES);
    assert_eq!(rows(&companion), before.map(|rows| rows + all));
    if companion.database().is_none() {
        let file = fs::metadata(companion.state().join("throttle.db")).unwrap();
        println!("{} bytes for each name", file.len() / u64::from(NAMES));
        assert!(file.len() < 200 * u64::from(NAMES));
    }
    // Their silence has to last: nobody frees himself sooner.
    companion.advance_seconds(MINUTE);
    companion.prune().unwrap();
    let [buckets, failures] = rows(&companion);
    assert!(buckets < 10 && failures >= all, "{buckets} {failures}");
    companion.advance(Failures::KEPT_FOR_EACH);
    companion.prune().unwrap();
    let [buckets, failures] = rows(&companion);
    assert!(buckets < 10 && failures < 10, "{buckets} {failures}");
}
