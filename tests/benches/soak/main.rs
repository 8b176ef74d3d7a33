//! Minutes of faults and load: what was acknowledged and lost, what was answered that no order of the calls explains. Ends with 1 when a
//! promise was broken. One part alone: `tools/soak races`, `kills`, `logouts`, `cut-off` or `gateways`; how much of it:
//! `SOAK_SESSIONS`, `SOAK_ACKNOWLEDGEMENTS`, `SOAK_TRIALS`, `SOAK_GATEWAYS`.

mod cut_off;
mod gateways;
mod kills;
mod propagation;
mod races;
#[expect(dead_code, reason = "the other bench needs more of it")]
#[path = "../companion/server.rs"]
mod server;
mod stacks;
mod table;

use std::process::ExitCode;

use tests::fault::Fault;
use tests::setup::Store;
use tests::watch::Stopwatch;

use table::Table;

/// Adds its rows. An error is a broken promise, or a stack that did not run.
type Part = fn(Store, &mut Table) -> Result<(), Fault>;

fn main() -> ExitCode {
    let watch = Stopwatch::start();
    let wanted: Vec<_> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    let parts: [(&str, Part); 5] = [
        ("races", races::run),
        ("kills", kills::run),
        ("logouts", propagation::run),
        ("cut-off", cut_off::run),
        ("gateways", gateways::run),
    ];
    let mut table = Table::default();
    let mut holds = true;
    for (name, run) in parts {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        for store in [Store::Sqlite, Store::Postgres] {
            if let Err(fault) = run(store, &mut table) {
                eprintln!("soak: {name} on {store:?}: {fault}");
                holds = false;
            }
        }
    }
    table.print();
    println!("{:.0} s in all", watch.elapsed().as_secs_f64());
    if holds {
        println!("every promise held");
        ExitCode::SUCCESS
    } else {
        println!("A PROMISE WAS BROKEN, OR A PART DID NOT RUN");
        ExitCode::FAILURE
    }
}

/// The number in that variable, or else `usual`.
fn wanted(variable: &str, usual: usize) -> Result<usize, Fault> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .map_err(Fault::while_doing(format!("{variable}={text}"))),
        Err(_) => Ok(usual),
    }
}
