//! Two hundred logouts at four Envoys under load, with callers on several connections of each, who send the token all the time (D2).
//! After a receipt with status 200 nobody gets in; once denied, nobody gets in again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tests::client::Client;
use tests::fault::Fault;
use tests::ports::Ports;
use tests::setup::{Setup, Store};
use tests::stack::Stack;
use tests::visitor::{Tokens, Visitor};
use tests::watch::Stopwatch;

use crate::stacks::roomy;
use crate::table::Table;
use crate::wanted;

const GATEWAYS: usize = 4;
const TRIALS: usize = 200;
/// Callers of each gateway, each with a connection of its own.
const PROBERS: usize = 2;
/// Between two calls of a prober.
const PROBE: Duration = Duration::from_millis(4);
/// So long they go on after the receipt.
const AFTER: Duration = Duration::from_millis(50);
/// Between two calls of the load at each gateway.
const LOAD: Duration = Duration::from_millis(10);

/// A call with the token that is being revoked.
struct Probe {
    gateway: usize,
    sent: Duration,
    returned: Duration,
    status: u16,
}

struct Trial {
    /// From the call of the logout to its answer.
    receipt: Duration,
    is_proven: bool,
    /// Calls that got in after a proven receipt.
    late: usize,
    /// Calls that got in at a gateway that had denied before.
    again: usize,
}

pub(crate) fn run(store: Store, table: &mut Table) -> Result<(), Fault> {
    let trials = wanted("SOAK_TRIALS", TRIALS)?;
    let mut setup = roomy(Setup::on(Ports::free_block(GATEWAYS)?));
    if store == Store::Postgres {
        setup = setup.on_postgres(2, GATEWAYS);
    }
    setup.gateways = GATEWAYS;
    let stack = Stack::start(setup)?;
    let alice = Visitor::named("alice");
    alice.register(&stack.client()?, &stack.mailbox())?;
    let loaded = alice.login(&stack.client()?)?;
    let (is_over, served, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let results: Result<Vec<Trial>, Fault> = thread::scope(|scope| {
        for gateway in 0..GATEWAYS {
            let door = stack.client_of(gateway)?;
            let (loaded, is_over, served, refused) = (&loaded, &is_over, &served, &refused);
            scope.spawn(move || {
                load(&door, loaded, is_over, served, refused);
            });
        }
        let results = (0..trials)
            .map(|number| trial(&stack, &alice, number))
            .collect();
        is_over.store(true, Ordering::SeqCst);
        results
    });
    let results = results?;
    let mut receipts: Vec<_> = results
        .iter()
        .filter(|trial| trial.is_proven)
        .map(|trial| trial.receipt)
        .collect();
    receipts.sort_unstable();
    let (late, again): (usize, usize) = results.iter().fold((0, 0), |sum, trial| {
        (sum.0 + trial.late, sum.1 + trial.again)
    });
    let at = |share: usize| {
        let at = (receipts.len() * share / 100).min(receipts.len().saturating_sub(1));
        receipts.get(at).copied().unwrap_or_default()
    };
    let served = served.load(Ordering::SeqCst);
    table.add(
        "logouts",
        store,
        "at four Envoys, under load",
        results.len(),
    );
    table.add("logouts", store, "receipts with status 200", receipts.len());
    table.add("logouts", store, "accepted after such a receipt", late);
    table.add(
        "logouts",
        store,
        "accepted where it was denied before",
        again,
    );
    table.add(
        "logouts",
        store,
        "time to the receipt, p50",
        format!("{:.1?}", at(50)),
    );
    table.add(
        "logouts",
        store,
        "time to the receipt, p99",
        format!("{:.1?}", at(99)),
    );
    table.add("logouts", store, "other requests served meanwhile", served);
    table.add(
        "logouts",
        store,
        "other requests refused meanwhile",
        refused.load(Ordering::SeqCst),
    );
    stack.stop()?;
    if late + again > 0 {
        return Err(Fault::new("a revoked token was accepted"));
    }
    Ok(())
}

/// Somebody else, whose session lives.
fn load(
    door: &Client,
    tokens: &Tokens,
    is_over: &AtomicBool,
    served: &AtomicU64,
    refused: &AtomicU64,
) {
    let mut access = tokens.clone();
    let born = Stopwatch::start();
    let mut renewed = born;
    while !is_over.load(Ordering::SeqCst) {
        // His access token lives for five minutes; within the grace all gateways get the same next one.
        if renewed.elapsed() > Duration::from_secs(120) {
            renewed = Stopwatch::start();
            if let Ok(next) = access.refresh(door) {
                access = next;
            }
        }
        let is_served = access.call(door).is_ok_and(|answer| answer.status == 200);
        let count = if is_served { served } else { refused };
        count.fetch_add(1, Ordering::SeqCst);
        thread::sleep(LOAD);
    }
}

fn trial(stack: &Stack, alice: &Visitor, number: usize) -> Result<Trial, Fault> {
    let companion = stack.client_of_replica(number % stack.replicas())?;
    let tokens = alice.login(&companion)?;
    let doors: Vec<(usize, Client)> = (0..GATEWAYS * PROBERS)
        .map(|prober| Ok((prober % GATEWAYS, stack.client_of(prober % GATEWAYS)?)))
        .collect::<Result<_, Fault>>()?;
    for (_, door) in &doors {
        tokens.call(door)?.expect(200, "a call before the logout")?;
    }
    let watch = Stopwatch::start();
    let is_over = AtomicBool::new(false);
    let probe = |gateway: usize, door: &Client| -> Result<Vec<Probe>, Fault> {
        let mut probes = Vec::new();
        while !is_over.load(Ordering::SeqCst) {
            let sent = watch.elapsed();
            let status = tokens.call(door)?.status;
            probes.push(Probe {
                gateway,
                sent,
                returned: watch.elapsed(),
                status,
            });
            thread::sleep(PROBE);
        }
        Ok(probes)
    };
    let probe = &probe;
    thread::scope(|scope| {
        let probers: Vec<_> = doors
            .iter()
            .map(|(gateway, door)| scope.spawn(move || probe(*gateway, door)))
            .collect();
        thread::sleep(PROBE);
        let called = watch.elapsed();
        let answer = tokens.log_out(&companion);
        let answered = watch.elapsed();
        thread::sleep(AFTER);
        is_over.store(true, Ordering::SeqCst);
        let mut probes = Vec::new();
        for prober in probers {
            let made = prober
                .join()
                .unwrap_or_else(|_| Err(Fault::new("a prober panicked")));
            probes.extend(made?);
        }
        let status = answer?.status;
        if ![200, 202].contains(&status) {
            return Err(Fault::new(format!("a logout was answered with {status}")));
        }
        Ok(judge(&probes, answered - called, answered, status == 200))
    })
}

fn judge(probes: &[Probe], receipt: Duration, answered: Duration, is_proven: bool) -> Trial {
    let accepted = || probes.iter().filter(|probe| probe.status == 200);
    let first_denial = |gateway| {
        let denied = probes
            .iter()
            .filter(|probe| probe.gateway == gateway && probe.status == 401);
        denied.map(|probe| probe.returned).min()
    };
    let denials: Vec<_> = (0..GATEWAYS).map(first_denial).collect();
    Trial {
        receipt,
        is_proven,
        late: accepted()
            .filter(|probe| is_proven && probe.sent >= answered)
            .count(),
        again: accepted()
            .filter(|probe| denials[probe.gateway].is_some_and(|denied| probe.sent >= denied))
            .count(),
    }
}
