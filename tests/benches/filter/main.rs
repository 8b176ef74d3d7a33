//! What the filter costs, by itself on the wasmtime host and inside a real Envoy.
//!
//! Absolute times are those of this machine and of a host that is built for tests. What counts are the ratios within one run: rows that
//! are compared are measured in turns, so that noise meets all alike. One part alone: `tools/bench requests`, `rejections` or `envoy`. Ends with 1 when a bound of the requirements is broken.

mod envoy;
mod rejections;
mod requests;
mod table;

use std::process::ExitCode;

use tests::watch::Stopwatch;

fn main() -> ExitCode {
    let watch = Stopwatch::start();
    let wanted: Vec<_> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if is_wanted("requests") {
        requests::run();
    }
    let holds = !is_wanted("rejections") || rejections::run();
    if is_wanted("envoy")
        && let Err(fault) = envoy::run()
    {
        eprintln!("bench: {fault}");
        return ExitCode::FAILURE;
    }
    println!("\n{:.0} s in all", watch.elapsed().as_secs_f64());
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
