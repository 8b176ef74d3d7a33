//! What the built filter does with any request, where a row of the table (`decisions`) cannot tell it.

mod matching;
mod paths;

use tests::gateway::{config, page};
use tests::host::{Host, Reply, Request, get};
use tests::issuer::{issuer, session};

fn send(envoy: &mut Host, request: Request) -> Reply {
    envoy.vm(0).request(request)
}

fn token() -> String {
    issuer().access_token(&session("alice"))
}

/// `ready_path`: 200 when synced and fresh, else 503; it needs no token and never reaches the app.
#[test]
fn the_ready_path_tells_whether_the_gate_can_answer() {
    let mut envoy = Host::latchkey(&config()).vms(1);
    let ready = || get("/-/latchkey/ready");
    assert_eq!(send(&mut envoy, ready()).local().status, 503);
    envoy.sync();
    assert_eq!(send(&mut envoy, ready()).local().status, 200);
    assert_eq!(send(&mut envoy, ready().bearer("bad")).local().status, 200);
    assert_eq!(send(&mut envoy, get("/-/latchkey/ready/x")).status(), 401);
    envoy.advance(std::time::Duration::from_secs(61));
    assert_eq!(send(&mut envoy, ready()).local().status, 503);
    envoy.answer_feed(page());
    assert_eq!(send(&mut envoy, ready()).local().status, 200);
}
