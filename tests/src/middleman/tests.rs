//! Each mischief before a small HTTP/1.1 server.

mod bytes;
mod client;
mod echo;
mod end;
mod heal;
mod replay;
mod replies;

use std::thread;
use std::time::Duration;

use super::{Middleman, Mischief};
use client::Client;
use echo::Echo;

/// Longer than any test waits.
const FOREVER: Duration = Duration::from_secs(3600);

fn pair() -> (Echo, Middleman) {
    let echo = Echo::start();
    let middleman = Middleman::start(echo.port()).unwrap();
    (echo, middleman)
}

/// Looks for five seconds.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("waited for {what}");
}
