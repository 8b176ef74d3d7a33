//! The soak of `make soak` in short, but for the parts that need strace or another clock.

use tests::setup::Store;
use tests::soak::{Part, Table};

fn soak(part: &str, store: Store, size: usize) {
    let mut table = Table::default();
    let run = Part::named(part).unwrap().run(store, size, &mut table);
    table.print();
    run.unwrap();
}

/// D3, RR-03, RR-04, RR-15: every history of a race has an order that explains it.
#[test]
fn no_race_for_a_session_breaks_the_rotation_on_sqlite() {
    soak("races", Store::Sqlite, 30);
}

/// D3 on two companions.
#[test]
fn no_race_for_a_session_breaks_the_rotation_on_postgres() {
    soak("races", Store::Postgres, 30);
}

/// D1, RV-03: whatever was acknowledged before a kill holds after it.
#[test]
fn nothing_acknowledged_is_lost_to_a_kill_on_sqlite() {
    soak("kills", Store::Sqlite, 200);
}

/// D1 on two companions, whose database is unplugged too.
#[test]
fn nothing_acknowledged_is_lost_to_a_kill_on_postgres() {
    soak("kills", Store::Postgres, 200);
}

/// D2, RV-01, RV-10: at one, two and four Envoys under load.
#[test]
fn nobody_gets_in_after_a_receipt_on_sqlite() {
    soak("logouts", Store::Sqlite, 8);
}

/// D2 on two companions.
#[test]
fn nobody_gets_in_after_a_receipt_on_postgres() {
    soak("logouts", Store::Postgres, 8);
}

/// D2, RV-07, RV-15, RV-18, KR-03: whatever the network between a gateway and its companion does.
#[test]
fn a_gateway_that_is_cut_off_keeps_its_promises() {
    soak("cut-off", Store::Sqlite, 1);
}

/// RV-03, RV-18: each of many held polls has a revocation, and says so.
#[test]
fn hundreds_of_gateways_hold_their_polls_at_one_companion() {
    soak("gateways", Store::Sqlite, 300);
}

/// D2: whatever happens at the moment of a logout.
#[test]
fn no_disturbance_lets_anybody_in_on_sqlite() {
    soak("disturbances", Store::Sqlite, 1);
}

/// D2 on two companions.
#[test]
fn no_disturbance_lets_anybody_in_on_postgres() {
    soak("disturbances", Store::Postgres, 1);
}

/// RV-10, RV-18: what a gate knows of many sessions it knows after a restart of either side.
#[test]
fn a_gate_reads_many_revocations_while_it_serves() {
    soak("feed", Store::Sqlite, 20_000);
}
