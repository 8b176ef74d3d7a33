//! Logouts at the very moment at which something else goes wrong, under load, with callers at every gateway (D2). After a receipt with
//! status 200 nobody gets in, nor after the `effective_by` of one with 202; once denied, nobody gets in again.

mod acts;
mod scene;

use std::time::Duration;

use super::load::Load;
use super::probes::{Breaches, Callers, Receipt, last_accepted};
use super::table::Table;
use crate::fault::Fault;
use crate::setup::Store;
use crate::visitor::Tokens;
use crate::watch::Stopwatch;
use scene::{STALENESS, Scene};

/// So long the callers go on after a receipt with 200.
const AFTER: Duration = Duration::from_millis(200);
/// Between two calls of the load at each worker.
const LOAD: Duration = Duration::from_millis(20);
/// What a clock may be off by is 30 s; one second less, because a token says in whole seconds when it was issued.
const SKEW: i64 = 29;

/// When the gate itself, and this machine, are slow to notice that time has passed.
const MARGIN: Duration = Duration::from_secs(2);
const UNDISTURBED: &str = "nothing else";

/// Lets it happen, and logs out.
type Act = fn(&mut Scene, &Tokens) -> Result<Receipt, Fault>;

pub(super) fn run(store: Store, rounds: usize, table: &mut Table) -> Result<(), Fault> {
    let mut of_store: Vec<(&str, Act)> = vec![
        (UNDISTURBED, acts::nothing),
        ("VMs trap, the subscriber's too", acts::vms_trap),
        ("the companion is frozen", acts::the_companion_freezes),
        (
            "the companion was restarted just before",
            acts::the_companion_restarted,
        ),
        (
            "the companion is killed right after",
            acts::the_companion_dies,
        ),
    ];
    if store == Store::Postgres {
        of_store.extend::<[(&str, Act); 3]>([
            ("the other companion is frozen", acts::the_other_freezes),
            (
                "the other companion is cut off from the database",
                acts::the_other_loses_its_database,
            ),
            (
                "the database is unplugged just before",
                acts::the_database_dies,
            ),
        ]);
    }
    // Last: an Envoy that was killed makes receipts 202 for a while, and one that comes up later knows nothing of what a store has lost that
    // was put back (docs/THREATS.md, "Outside the model").
    of_store.extend::<[(&str, Act); 3]>([
        ("another Envoy joins", acts::an_envoy_joins),
        ("an Envoy is killed and comes back", acts::an_envoy_returns),
        (
            "the store is put back just before",
            acts::the_store_is_put_back,
        ),
    ]);
    let mut scene = Scene::set(store)?;
    for (name, act) in of_store {
        repeat(&mut scene, rounds, name, act, table)?;
    }
    scene.stack.stop()?;
    if store == Store::Postgres {
        return Ok(());
    }
    // What lies before the store.
    let mut scene = Scene::with_moving_listener()?;
    let name = "the last listener goes and comes back";
    repeat(&mut scene, rounds, name, acts::the_listener_goes, table)?;
    scene.stack.stop()
}

/// A companion whose clock is as far off as it may be; on PostgreSQL it would not matter, the time there is the database's.
pub(super) fn run_with_clocks_apart(
    _: Store,
    rounds: usize,
    table: &mut Table,
) -> Result<(), Fault> {
    let of_skew: [(&str, Act); 2] = [
        (UNDISTURBED, acts::nothing),
        ("the companion is frozen", acts::the_companion_freezes),
    ];
    for skew in [SKEW, -SKEW] {
        let mut scene = Scene::with_clock_off_by(skew)?;
        for (name, act) in of_skew {
            let what = format!("{name}, the companion's clock {skew:+} s off");
            repeat(&mut scene, rounds, &what, act, table)?;
        }
        scene.stack.stop()?;
    }
    Ok(())
}

fn repeat(
    scene: &mut Scene,
    rounds: usize,
    name: &str,
    act: Act,
    table: &mut Table,
) -> Result<(), Fault> {
    let store = scene.stack.store();
    let (mut proven, mut longest) = (0, Duration::ZERO);
    for _ in 0..rounds {
        let trial = trial(scene, act).map_err(Fault::while_doing(name))?;
        proven += usize::from(trial.is_proven);
        longest = longest.max(trial.got_in);
    }
    let others = rounds - proven;
    if name.starts_with(UNDISTURBED) && others > 0 {
        return Err(Fault::new(
            "a receipt with 202, although all gateways are there",
        ));
    }
    let figure =
        format!("{proven} with 200, {others} with 202, last request in after {longest:.0?}");
    table.add("disturbances", store, name, figure);
    Ok(())
}

/// What came of one logout.
struct Trial {
    is_proven: bool,
    /// From the beginning of the disturbance to the last request that got in.
    got_in: Duration,
}

fn trial(scene: &mut Scene, act: Act) -> Result<Trial, Fault> {
    let tokens = scene.log_in()?;
    let everywhere = 0..scene.stack.gateways();
    let callers = Callers::of(&scene.stack, everywhere)?.by_a_clock_off_by(scene.skew);
    let load = Load::of(&scene.stack, &scene.bob)?;
    scene.watch = Stopwatch::start();
    // As long as a gate may go on without word, and as a receipt may ask for.
    let bound = Duration::from_secs(STALENESS) + MARGIN;
    let ((receipt, seen), _) = load.during(LOAD, || {
        callers.probe(&tokens, scene.watch, || {
            let receipt = act(scene, &tokens)?;
            if receipt.is_proven {
                std::thread::sleep(AFTER);
            } else {
                receipt.await_effect(scene.skew, bound)?;
            }
            Ok(receipt)
        })
    })?;
    Breaches::among(&seen.probes, Some(&receipt)).must_be_none()?;
    let got_in = last_accepted(&seen.probes).unwrap_or_default();
    if got_in > receipt.answered + bound {
        return Err(Fault::new(format!("got in at {got_in:?}")));
    }
    if seen.last.iter().any(|status| !matches!(status, 401 | 503)) {
        return Err(Fault::new(format!("in the end: {:?}", seen.last)));
    }
    scene.heal()?;
    scene.all_are_out()?;
    Ok(Trial {
        is_proven: receipt.is_proven,
        got_in,
    })
}
