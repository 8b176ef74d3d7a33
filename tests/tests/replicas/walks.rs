use tests::ports::Ports;
use tests::setup::Setup;
use tests::stack::Stack;
use tests::walk::walk;

/// The main job, as `make smoke` runs it.
#[test]
fn the_walk_shows_what_it_must_on_the_embedded_store() {
    let stack = Stack::start(Setup::on(Ports::free().unwrap())).unwrap();
    walk(&stack).unwrap();
    stack.stop().unwrap();
}

/// The same as `STORE=postgres REPLICAS=2 GATEWAYS=2 make smoke` runs it: every call at both gateways.
#[test]
fn the_walk_shows_what_it_must_on_postgresql_with_two_of_each() {
    let setup = Setup::on(Ports::free_block(2).unwrap()).on_postgres(2, 2);
    let stack = Stack::start(setup).unwrap();
    walk(&stack).unwrap();
    stack.stop().unwrap();
}
