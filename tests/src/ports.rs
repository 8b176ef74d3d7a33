//! The ports of a stack: the shipped ones, those of the environment, or free ones; and those of its further replicas and gateways.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, io, process, thread};

use crate::fault::Fault;
use crate::watch::Stopwatch;

/// Who listens where, all on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Envoy, for everyone.
    pub gateway: u16,
    /// Envoy's admin interface.
    pub envoy_admin: u16,
    /// The companion's public listener.
    pub companion: u16,
    /// The companion's internal listener.
    pub internal: u16,
    /// The example app.
    pub app: u16,
    /// PostgreSQL, where there is one.
    pub postgres: u16,
}

/// What the shipped configuration says, and a port beside that of a PostgreSQL which may run already.
pub const SHIPPED: Ports = Ports {
    gateway: 8000,
    envoy_admin: 9901,
    companion: 8080,
    internal: 8081,
    app: 8090,
    postgres: 5439,
};

/// From each number to the next.
const STEP: u16 = 10;

/// Below the range from which the kernel takes the ports of outgoing connections, so that none of these sits on a free port.
const FREE: std::ops::Range<u16> = 11_000..31_000;

impl Ports {
    /// The shipped ports, each overridden by its `LATCHKEY_PORT_…` variable, for `numbers` numbers.
    ///
    /// # Errors
    /// When a variable is not a port.
    pub fn from_environment(numbers: usize) -> Result<Self, Fault> {
        let port = |name: &str, shipped: u16| match env::var(format!("LATCHKEY_PORT_{name}")) {
            Ok(text) => text
                .parse()
                .map_err(|_| Fault::new(format!("LATCHKEY_PORT_{name}={text} is not a port"))),
            Err(_) => Ok(shipped),
        };
        // There is one app. It makes way for companion 1, which takes the app's shipped port.
        let app = SHIPPED.app + SHIPPED.number(numbers.saturating_sub(1)).gateway - SHIPPED.gateway;
        Ok(Self {
            gateway: port("GATEWAY", SHIPPED.gateway)?,
            envoy_admin: port("ENVOY_ADMIN", SHIPPED.envoy_admin)?,
            companion: port("COMPANION", SHIPPED.companion)?,
            internal: port("INTERNAL", SHIPPED.internal)?,
            app: port("APP", app)?,
            postgres: port("POSTGRES", SHIPPED.postgres)?,
        })
    }

    /// Free ports that no other stack of this process gets.
    ///
    /// # Errors
    /// When none are left.
    pub fn free() -> Result<Self, Fault> {
        Self::free_block(1)
    }

    /// The same for `numbers` numbers.
    ///
    /// # Errors
    /// When none are left.
    pub fn free_block(numbers: usize) -> Result<Self, Fault> {
        let size = u16::try_from(numbers)
            .ok()
            .and_then(|numbers| STEP.checked_mul(numbers))
            .unwrap_or(u16::MAX);
        let first = free_range(size)?;
        Ok(Self {
            gateway: first,
            envoy_admin: first + 1,
            companion: first + 2,
            internal: first + 3,
            app: first + 4,
            postgres: first + 5,
        })
    }

    /// The ports of number `number`. There is one app and one PostgreSQL for all of them.
    #[must_use]
    pub fn number(&self, number: usize) -> Self {
        let step = STEP.saturating_mul(u16::try_from(number).unwrap_or(u16::MAX));
        let moved = |port: u16| port.saturating_add(step);
        Self {
            gateway: moved(self.gateway),
            envoy_admin: moved(self.envoy_admin),
            companion: moved(self.companion),
            internal: moved(self.internal),
            app: self.app,
            postgres: self.postgres,
        }
    }

    /// Whether so many replicas and gateways, the app and perhaps PostgreSQL can all listen.
    ///
    /// # Errors
    /// Names two that would listen on the same port.
    pub fn check(&self, replicas: usize, gateways: usize, postgres: bool) -> Result<(), Fault> {
        let mut taken = vec![("the example app".to_owned(), self.app)];
        if postgres {
            taken.push(("PostgreSQL".to_owned(), self.postgres));
        }
        for number in 0..gateways {
            let ports = self.number(number);
            taken.push((format!("gateway {number}"), ports.gateway));
            taken.push((format!("Envoy {number}'s admin"), ports.envoy_admin));
        }
        for number in 0..replicas {
            let ports = self.number(number);
            taken.push((format!("companion {number}"), ports.companion));
            taken.push((format!("companion {number}'s internal"), ports.internal));
        }
        for (at, (name, port)) in taken.iter().enumerate() {
            if let Some((other, _)) = taken[..at].iter().find(|(_, other)| other == port) {
                return Err(Fault::new(format!(
                    "{other} and {name} would both listen on port {port}; LATCHKEY_PORT_… moves them, number k takes {STEP}·k more"
                )));
            }
        }
        Ok(())
    }

    /// What tokens name as their issuer: the gateway as a browser on this machine sees it.
    pub fn issuer(&self) -> String {
        format!("http://localhost:{}", self.gateway)
    }
}

/// A free port that nobody else in this process gets.
///
/// # Errors
/// When none is left.
pub fn free_port() -> Result<u16, Fault> {
    free_range(1)
}

/// Listens at a port that was found free.
///
/// A program that another thread starts at that moment holds all our sockets until it runs, also the one with which the port was just
/// tried; so a port that is in use may be free a moment later.
///
/// # Errors
/// When it stays in use, or the system refuses it otherwise.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    let watch = Stopwatch::start();
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && watch.elapsed() < Duration::from_secs(2) =>
            {
                thread::sleep(Duration::from_millis(10));
            }
            outcome => return outcome,
        }
    }
}

/// The first of `size` free ports in a row.
fn free_range(size: u16) -> Result<u16, Fault> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let all = u32::from(FREE.end - FREE.start);
    // Each process begins elsewhere: several test runs on one machine seldom meet.
    let begin = process::id().wrapping_mul(101) % all;
    for _ in 0..all {
        let offset = NEXT
            .fetch_add(u32::from(size), Ordering::Relaxed)
            .wrapping_add(begin)
            % all;
        let first = u32::from(FREE.start) + offset;
        let Ok(first) = u16::try_from(first) else {
            continue;
        };
        let Some(end) = first.checked_add(size).filter(|end| *end <= FREE.end) else {
            continue;
        };
        if (first..end).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return Ok(first);
        }
    }
    Err(Fault::new("no port is free"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_port_of_a_block_is_in_another() {
        let blocks = [1, 3, 3, 1].map(|numbers| (numbers, Ports::free_block(numbers).unwrap()));
        let mut all = HashSet::new();
        for (numbers, ports) in blocks {
            ports.check(numbers, numbers, true).unwrap();
            let mut fresh = |port| assert!(all.insert(port), "{port} of {ports:?}");
            [ports.app, ports.postgres].into_iter().for_each(&mut fresh);
            for of in (0..numbers).map(|number| ports.number(number)) {
                let four = [of.gateway, of.envoy_admin, of.companion, of.internal];
                four.into_iter().for_each(&mut fresh);
            }
        }
    }

    #[test]
    fn a_port_that_is_held_for_a_moment_longer_is_waited_for() {
        let port = free_port().unwrap();
        let held = listen(port).unwrap();
        let holder = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            drop(held);
        });
        listen(port).unwrap();
        holder.join().unwrap();
    }

    #[test]
    fn two_that_would_share_a_port_are_named() {
        SHIPPED.check(1, 5, true).unwrap();
        let text = SHIPPED.check(2, 2, true).unwrap_err().to_string();
        assert!(text.contains("the example app and companion 1"), "{text}");
        Ports::from_environment(3)
            .unwrap()
            .check(3, 3, true)
            .unwrap();
    }
}
