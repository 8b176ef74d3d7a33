//! The five ports of a stack: the shipped ones, those of the environment, or free ones; and the configuration rewritten to them.

use std::env;
use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::fault::Fault;

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
}

/// What the shipped configuration says.
pub const SHIPPED: Ports = Ports {
    gateway: 8000,
    envoy_admin: 9901,
    companion: 8080,
    internal: 8081,
    app: 8090,
};

/// Below the range from which the kernel takes the ports of outgoing connections, so that none of these sits on a free port.
const FREE: std::ops::Range<u16> = 11_000..31_000;

impl Ports {
    /// The shipped ports, each overridden by its `LATCHKEY_PORT_…` variable.
    ///
    /// # Errors
    /// When a variable is not a port.
    pub fn from_environment() -> Result<Self, Fault> {
        let port = |name: &str, shipped: u16| match env::var(format!("LATCHKEY_PORT_{name}")) {
            Ok(text) => text
                .parse()
                .map_err(|_| Fault::new(format!("LATCHKEY_PORT_{name}={text} is not a port"))),
            Err(_) => Ok(shipped),
        };
        Ok(Self {
            gateway: port("GATEWAY", SHIPPED.gateway)?,
            envoy_admin: port("ENVOY_ADMIN", SHIPPED.envoy_admin)?,
            companion: port("COMPANION", SHIPPED.companion)?,
            internal: port("INTERNAL", SHIPPED.internal)?,
            app: port("APP", SHIPPED.app)?,
        })
    }

    /// Five free ports that no other stack of this process gets.
    ///
    /// # Errors
    /// When none are left.
    pub fn free() -> Result<Self, Fault> {
        Ok(Self {
            gateway: free_port()?,
            envoy_admin: free_port()?,
            companion: free_port()?,
            internal: free_port()?,
            app: free_port()?,
        })
    }

    /// What tokens name as their issuer: the gateway as a browser on this machine sees it.
    pub fn issuer(&self) -> String {
        format!("http://localhost:{}", self.gateway)
    }

    /// The configuration with these ports in place of the shipped ones, and nothing else changed.
    ///
    /// # Errors
    /// When it names a port that is not one of the shipped ones, or leaves one out.
    pub fn rewrite(&self, configuration: &str) -> Result<String, Fault> {
        const PORT: &str = "port_value: ";
        let pairs = [
            (SHIPPED.gateway, self.gateway),
            (SHIPPED.envoy_admin, self.envoy_admin),
            (SHIPPED.companion, self.companion),
            (SHIPPED.internal, self.internal),
            (SHIPPED.app, self.app),
        ];
        let mut parts = configuration.split(PORT);
        let mut rewritten = parts.next().unwrap_or_default().to_owned();
        let mut seen = Vec::new();
        for part in parts {
            let digits = part
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(part.len());
            let (number, rest) = part.split_at(digits);
            let (shipped, port) = pairs
                .iter()
                .find(|(shipped, _)| shipped.to_string() == number)
                .ok_or_else(|| Fault::new(format!("envoy.yaml names the port {number}")))?;
            seen.push(*shipped);
            rewritten.push_str(&format!("{PORT}{port}{rest}"));
        }
        if let Some((missing, _)) = pairs.iter().find(|(shipped, _)| !seen.contains(shipped)) {
            return Err(Fault::new(format!("envoy.yaml has no port {missing}")));
        }
        // Issuer and audience are the gateway's own address.
        let issuer = |ports: &Self| format!("\"{}\"", ports.issuer());
        Ok(rewritten.replace(&issuer(&SHIPPED), &issuer(self)))
    }
}

fn free_port() -> Result<u16, Fault> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let size = FREE.end - FREE.start;
    // Each process begins elsewhere: several test runs on one machine seldom meet.
    let begin = u16::try_from(process::id().wrapping_mul(101) % u32::from(size)).unwrap_or(0);
    for _ in 0..size {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(begin) % size;
        let port = FREE.start + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Fault::new("no port is free"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: Ports = Ports {
        gateway: 8080,
        envoy_admin: 8000,
        companion: 9901,
        internal: 1,
        app: 8081,
    };

    #[test]
    fn ports_are_rewritten_in_one_pass_and_nothing_else_is() {
        let shipped =
            std::fs::read_to_string(crate::place::root().join("envoy/envoy.yaml")).unwrap();
        assert_eq!(SHIPPED.rewrite(&shipped).unwrap(), shipped);
        let rewritten = OTHERS.rewrite(&shipped).unwrap();
        let changed: Vec<_> = shipped
            .lines()
            .zip(rewritten.lines())
            .filter(|(before, after)| before != after)
            .map(|(_, after)| after.trim())
            .collect();
        assert_eq!(changed.len(), 7, "{changed:#?}");
        assert!(changed.contains(&"\"issuer\": \"http://localhost:8080\","));
        assert_eq!(shipped.lines().count(), rewritten.lines().count());
    }

    #[test]
    fn a_configuration_with_another_port_is_refused() {
        let fault = SHIPPED.rewrite("port_value: 8001 }").unwrap_err();
        assert!(fault.to_string().contains("8001"));
    }
}
