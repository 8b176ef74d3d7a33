//! Faults and load on real parts, for minutes, with a summary: what was acknowledged and lost, what no order of the calls explains, who
//! got in that was shut out. `make soak` runs all of it, `make test` a short form of each part that needs no strace and no other clock.

mod crash_points;
mod crew;
mod cut_off;
mod disturbances;
mod feed;
mod gateways;
mod kills;
mod load;
mod logouts;
mod probes;
mod races;
mod stacks;
mod table;
mod tracer;

use crate::fault::Fault;
use crate::setup::Store;
pub use table::Table;

const BOTH: &[Store] = &[Store::Sqlite, Store::Postgres];
/// For what lies before the store, and is the same whichever it is; and for what is about the files of the embedded one.
const SQLITE: &[Store] = &[Store::Sqlite];

/// A part of the soak.
pub struct Part {
    /// Its name, as the command line has it.
    pub name: &'static str,
    /// What its size counts.
    pub of: &'static str,
    /// Its size where nobody says one, on each store.
    pub usual: usize,
    /// On these.
    pub stores: &'static [Store],
    run: fn(Store, usize, &mut Table) -> Result<(), Fault>,
}

/// All parts, in the order in which they run.
pub const PARTS: [Part; 9] = [
    Part {
        name: "races",
        of: "sessions",
        usual: 2_000,
        stores: BOTH,
        run: races::run,
    },
    Part {
        name: "kills",
        of: "acknowledgements",
        usual: 10_000,
        stores: BOTH,
        run: kills::run,
    },
    Part {
        name: "crash-points",
        of: "of each system call",
        usual: 100,
        stores: SQLITE,
        run: crash_points::run,
    },
    Part {
        name: "logouts",
        of: "revocations at four Envoys",
        usual: 200,
        stores: BOTH,
        run: logouts::run,
    },
    Part {
        name: "disturbances",
        of: "logouts under each",
        usual: 3,
        stores: BOTH,
        run: disturbances::run,
    },
    Part {
        name: "clocks",
        of: "logouts with each clock",
        usual: 3,
        stores: SQLITE,
        run: disturbances::run_with_clocks_apart,
    },
    Part {
        name: "cut-off",
        of: "logouts under each mischief",
        usual: 1,
        stores: SQLITE,
        run: cut_off::run,
    },
    Part {
        name: "gateways",
        of: "gateways",
        usual: 5_000,
        stores: SQLITE,
        run: gateways::run,
    },
    Part {
        name: "feed",
        of: "live revocations",
        usual: 1_000_000,
        stores: BOTH,
        run: feed::run,
    },
];

impl Part {
    /// The part of that name.
    ///
    /// # Errors
    /// Names all parts where there is none.
    pub fn named(name: &str) -> Result<&'static Self, Fault> {
        PARTS.iter().find(|part| part.name == name).ok_or_else(|| {
            let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
            Fault::new(format!("{name} is none of {}", names.join(", ")))
        })
    }

    /// Runs it in that size on that store, and adds its rows.
    ///
    /// # Errors
    /// When a promise was broken, or something did not run.
    pub fn run(&self, store: Store, size: usize, table: &mut Table) -> Result<(), Fault> {
        let what = format!("{} on {store:?}", self.name);
        (self.run)(store, size, table).map_err(Fault::while_doing(what))
    }
}
