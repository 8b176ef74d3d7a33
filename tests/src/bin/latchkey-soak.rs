//! Behind `make soak`: all parts, or those that are named, each perhaps with how much of it: `latchkey-soak races 200 gateways`. Ends with
//! 1 when a promise was broken or a part did not run.

use std::process::ExitCode;

use tests::fault::Fault;
use tests::soak::{PARTS, Part, Table};
use tests::watch::Stopwatch;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let wanted = match wanted(&arguments) {
        Ok(wanted) => wanted,
        Err(fault) => {
            eprintln!("usage: latchkey-soak [<part> [<how much>]]…: {fault}");
            return ExitCode::from(2);
        }
    };
    let watch = Stopwatch::start();
    let mut table = Table::default();
    let mut holds = true;
    for (part, size) in wanted {
        for store in part.stores {
            eprintln!("{} on {store:?}: {size} {}", part.name, part.of);
            if let Err(fault) = part.run(*store, size, &mut table) {
                eprintln!("{fault}");
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

/// Parts, and how much of each.
fn wanted(arguments: &[String]) -> Result<Vec<(&'static Part, usize)>, Fault> {
    if arguments.is_empty() {
        return Ok(PARTS.iter().map(|part| (part, part.usual)).collect());
    }
    let mut wanted: Vec<(&Part, usize)> = Vec::new();
    for argument in arguments {
        match (argument.parse(), wanted.last_mut()) {
            (Ok(size), Some(last)) => last.1 = size,
            _ => {
                let part = Part::named(argument)?;
                wanted.push((part, part.usual));
            }
        }
    }
    Ok(wanted)
}
