//! What the companion's answers take, in time: whether it tells who has an account, and what a flood of logins does to everybody else.
//!
//! A companion of its own, as an operator starts it, on SQLite in a temporary folder. Absolute times are those of this machine. Whom it
//! tells apart is measured on a slow build, which hides less; a flood on the build that operators run. One part alone: `tools/bench
//! enumeration` or `overload`. Ends with 1 when a bound of the requirements is broken.

mod enumeration;
mod overload;

use std::process::ExitCode;

use tests::fault::Fault;
use tests::watch::Stopwatch;

/// Whether its bounds hold.
type Part = fn() -> Result<bool, Fault>;

fn main() -> ExitCode {
    let watch = Stopwatch::start();
    let wanted: Vec<_> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    let parts: [(&str, Part); 2] = [
        ("enumeration", enumeration::run),
        ("overload", overload::run),
    ];
    let mut holds = true;
    for (name, run) in parts {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        match run() {
            Ok(does_hold) => holds &= does_hold,
            Err(fault) => {
                eprintln!("bench: {fault}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("\n{:.0} s in all", watch.elapsed().as_secs_f64());
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
