//! Revocations of every kind at one, two and four Envoys under load, with callers on several connections of each who send the revoked token
//! all the time (D2). After a receipt with status 200 nobody gets in; once denied, nobody gets in again.

use std::thread;
use std::time::Duration;

use super::load::{Load, percentile};
use super::probes::{Breaches, Callers, Receipt, last_accepted};
use super::stacks::roomy;
use super::table::Table;
use crate::client::{Answer, Client};
use crate::fault::Fault;
use crate::ports::Ports;
use crate::setup::{Setup, Store};
use crate::stack::Stack;
use crate::visitor::{Tokens, Visitor};
use crate::watch::Stopwatch;

/// The first are tried a tenth as often as the last.
const GATEWAYS: [usize; 3] = [1, 2, 4];
/// So long the callers go on after a receipt.
const AFTER: Duration = Duration::from_millis(50);
/// Without a receipt they go on until all gateways have denied, and no longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// For how long a revocation waits for its gateways.
const PREFER: &str = "wait=30";
/// Between two calls of the load at each worker.
const LOAD: Duration = Duration::from_millis(20);

/// How a session is revoked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Logout,
    LogoutEverywhere,
    FromAnother,
    Reuse,
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::Logout, "logout"),
    (Kind::LogoutEverywhere, "logout everywhere"),
    (Kind::FromAnother, "ended from another session"),
    (Kind::Reuse, "reused refresh token"),
];

/// What came of one revocation.
struct Trial {
    kind: Kind,
    /// From the call to its answer.
    answered: Duration,
    /// From the call until the last request got in that would.
    got_in: Duration,
    breaches: Breaches,
}

pub(super) fn run(store: Store, trials: usize, table: &mut Table) -> Result<(), Fault> {
    // One kind in four has no receipt.
    let all = trials.div_ceil(KINDS.len() - 1) * KINDS.len();
    for gateways in GATEWAYS {
        let is_last = gateways == GATEWAYS[GATEWAYS.len() - 1];
        let trials = if is_last { all } else { all / 10 };
        run_at(store, gateways, trials.max(KINDS.len()), table)?;
    }
    Ok(())
}

fn run_at(store: Store, gateways: usize, trials: usize, table: &mut Table) -> Result<(), Fault> {
    let mut setup = roomy(Setup::on(Ports::free_block(gateways.max(2))?));
    if store == Store::Postgres {
        setup = setup.on_postgres(2, gateways);
    }
    setup.gateways = gateways;
    let stack = Stack::start(setup)?;
    let [alice, bob] = ["alice", "bob"].map(Visitor::named);
    for visitor in [&alice, &bob] {
        visitor.register(&stack.client_of_replica(0)?, &stack.mailbox())?;
    }
    let callers = Callers::of(&stack, 0..gateways)?;
    let (results, fared) = Load::of(&stack, &bob)?.during(LOAD, || {
        (0..trials)
            .map(|number| {
                let companion = stack.client_of_replica(number % stack.replicas())?;
                let (kind, _) = KINDS[number % KINDS.len()];
                trial(kind, &companion, &callers, &alice, gateways)
            })
            .collect::<Result<Vec<_>, _>>()
    })?;
    let mut breaches = Breaches::default();
    for trial in &results {
        breaches.add(trial.breaches);
    }
    let mut add = |what: &str, figure: String| {
        table.add(
            "logouts",
            store,
            &format!("{gateways} Envoys: {what}"),
            figure,
        );
    };
    for (kind, name) in KINDS {
        let of_kind = || results.iter().filter(|trial| trial.kind == kind);
        let mut times: Vec<_> = of_kind()
            .map(|trial| match kind {
                Kind::Reuse => trial.got_in,
                _ => trial.answered,
            })
            .collect();
        times.sort_unstable();
        let (middle, most) = (percentile(&times, 50), percentile(&times, 99));
        let figure = format!("{middle:.0?} {most:.0?}");
        match kind {
            Kind::Reuse => add(
                &format!("{} of {name}: last request in after, p50 p99", times.len()),
                figure,
            ),
            _ => add(
                &format!("{} of {name}: receipt with 200, p50 p99", times.len()),
                figure,
            ),
        }
    }
    add(
        "accepted after a receipt with 200",
        breaches.late.to_string(),
    );
    add("accepted after effective_by", breaches.beyond.to_string());
    add(
        "accepted where it was denied before",
        breaches.again.to_string(),
    );
    add(
        &format!("{} other requests meanwhile: p50 p99", fared.took.len()),
        format!("{:.1?} {:.1?}", fared.within(50), fared.within(99)),
    );
    add(
        "other requests refused meanwhile",
        fared.refused.to_string(),
    );
    stack.stop()?;
    if fared.refused > 0 {
        return Err(Fault::new(format!(
            "{} living requests were refused",
            fared.refused
        )));
    }
    breaches.must_be_none()
}

fn trial(
    kind: Kind,
    companion: &Client,
    callers: &Callers,
    alice: &Visitor,
    gateways: usize,
) -> Result<Trial, Fault> {
    let mut tokens = alice.login(companion)?;
    let oldest = tokens.clone();
    if kind == Kind::Reuse {
        tokens = tokens.refresh(companion)?.refresh(companion)?;
    }
    let another = alice.login(companion)?;
    callers.get_in(&tokens)?;
    let watch = Stopwatch::start();
    let act = || -> Result<_, Fault> {
        let called = watch.elapsed();
        let answer = match kind {
            Kind::Logout => end(companion, "/current", &tokens)?,
            Kind::LogoutEverywhere => end(companion, "?scope=all", &another)?,
            Kind::FromAnother => end(companion, &format!("/{}", tokens.session), &another)?,
            Kind::Reuse => oldest.try_refresh(companion)?,
        };
        let answered = watch.elapsed();
        let receipt = if kind == Kind::Reuse {
            answer.expect(401, "a reused refresh token")?;
            callers.await_denial(&tokens, PATIENCE)?;
            None
        } else {
            Some(Receipt::of(&answer, answered)?)
        };
        thread::sleep(AFTER);
        Ok((called, answered, receipt))
    };
    let ((called, answered, receipt), seen) = callers.probe(&tokens, watch, act)?;
    if receipt.as_ref().is_some_and(|receipt| !receipt.is_proven) {
        return Err(Fault::new(
            "a receipt with 202, although all gateways are there",
        ));
    }
    if seen.last.iter().any(|status| *status != 401) || seen.last.len() < 2 * gateways {
        return Err(Fault::new(format!("in the end: {:?}", seen.last)));
    }
    Ok(Trial {
        kind,
        answered: answered - called,
        got_in: last_accepted(&seen.probes)
            .unwrap_or_default()
            .saturating_sub(called),
        breaches: Breaches::among(&seen.probes, receipt.as_ref()),
    })
}

fn end(companion: &Client, which: &str, by: &Tokens) -> Result<Answer, Fault> {
    let end = companion.delete(&format!("/auth/v1/sessions{which}"));
    end.bearer(&by.access).header("prefer", PREFER).send()
}
