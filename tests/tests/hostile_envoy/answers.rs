//! What a client gets, and how soon.

use std::time::Duration;

use tests::client::{Answer, Client};
use tests::ports::Ports;
use tests::watch::Stopwatch;
use tests::workers::{AtWorker, at_both_workers};

/// Within this every request is answered, whatever happens behind the gate (FR-11).
const SOON: Duration = Duration::from_secs(1);

/// Callers whose connections both workers hold.
pub struct Callers(Vec<AtWorker>);

impl Callers {
    /// One at each worker. Nobody else may open connections to the gateway meanwhile.
    pub fn at_both_workers(ports: Ports) -> Self {
        Self(at_both_workers(ports, 1).unwrap())
    }

    /// What each of them gets for /orders with this token.
    pub fn statuses(&self, token: &str) -> Vec<u16> {
        let callers = self.0.iter();
        callers
            .map(|caller| call(&caller.client, token).status)
            .collect()
    }

    /// Their clients.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.0.iter().map(|caller| &caller.client)
    }
}

/// The answer to a request for /orders with this token, which must come soon.
pub fn call(client: &Client, token: &str) -> Answer {
    soon(|| client.get("/orders").bearer(token).send().unwrap())
}

/// What `ask` gets, if it gets it soon.
pub fn soon<T>(ask: impl FnOnce() -> T) -> T {
    let watch = Stopwatch::start();
    let answer = ask();
    let took = watch.elapsed();
    assert!(took < SOON, "the answer took {took:?}");
    answer
}
