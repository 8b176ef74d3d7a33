//! Envoy's configuration as one gateway of a stack needs it: other ports, and more replicas. Nothing else in it changes.

use serde_json::Value;

use crate::fault::Fault;
use crate::ports::{Ports, SHIPPED};

/// The clusters that have one endpoint for each replica.
const REPLICATED: [&str; 2] = ["companion_public", "companion_internal"];
/// An entry of these clusters begins so; what belongs to it lies deeper.
const ENTRY: &str = "      - ";
const DEEPER: &str = "        ";

/// The configuration with the ports of `own` and of the replicas, the first of which is asked first, for tokens of that issuer.
///
/// # Errors
/// When it names a port that is not one of the shipped ones, leaves one out, or has no place for the other replicas.
pub fn rewrite(
    configuration: &str,
    own: &Ports,
    replicas: &[Ports],
    issuer: &str,
) -> Result<String, Fault> {
    let Some(first) = replicas.first() else {
        return Err(Fault::new("a gateway asks at least one replica"));
    };
    let with = |replica: &Ports| Ports {
        companion: replica.companion,
        internal: replica.internal,
        ..*own
    };
    let mut seen = Vec::new();
    let mut rewritten = String::new();
    let mut cluster = "";
    let mut replicated = 0;
    let mut lines = configuration.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if let Some(name) = line.trim().strip_prefix("cluster_name: ") {
            cluster = name;
        }
        if !(REPLICATED.contains(&cluster) && line.starts_with(ENTRY)) {
            rewritten.push_str(&with_ports(line, &with(first), &mut seen)?);
            continue;
        }
        replicated += 1;
        let mut entry = line.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with(DEEPER)) {
            entry.push_str(more);
        }
        for (priority, replica) in replicas.iter().enumerate() {
            rewritten.push_str(&with_ports(&entry, &with(replica), &mut seen)?);
            if priority > 0 {
                rewritten.push_str(&format!("{DEEPER}priority: {priority}\n"));
            }
        }
    }
    let shipped = pairs(&SHIPPED);
    if let Some((missing, _)) = shipped.iter().find(|(port, _)| !seen.contains(port)) {
        return Err(Fault::new(format!("envoy.yaml has no port {missing}")));
    }
    if replicas.len() > 1 && replicated != REPLICATED.len() {
        return Err(Fault::new(
            "envoy.yaml does not have one endpoint in each of the companion's clusters",
        ));
    }
    // Issuer and audience are the address of the first gateway.
    Ok(rewritten.replace(
        &format!("\"{}\"", SHIPPED.issuer()),
        &format!("\"{issuer}\""),
    ))
}

/// The configuration with another JSON document for the filter.
///
/// # Errors
/// When there is not exactly one such document.
pub fn with_filter_configuration(configuration: &str, filter: &Value) -> Result<String, Fault> {
    const VALUE: &str = "                  value: |\n";
    const DEEPER: &str = "                    ";
    let mut parts = configuration.split(VALUE);
    let (Some(before), Some(rest), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Fault::new(
            "envoy.yaml does not have one configuration of the filter",
        ));
    };
    let old: usize = rest
        .split_inclusive('\n')
        .take_while(|line| line.starts_with(DEEPER))
        .map(str::len)
        .sum();
    let (_, after) = rest.split_at(old);
    Ok(format!("{before}{VALUE}{DEEPER}{filter}\n{after}"))
}

/// The text with these ports in place of the shipped ones, in one pass; notes which it had.
fn with_ports(text: &str, ports: &Ports, seen: &mut Vec<u16>) -> Result<String, Fault> {
    const PORT: &str = "port_value: ";
    let mut parts = text.split(PORT);
    let mut rewritten = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let (number, rest) = part.split_at(digits);
        let (shipped, port) = pairs(ports)
            .into_iter()
            .find(|(shipped, _)| shipped.to_string() == number)
            .ok_or_else(|| Fault::new(format!("envoy.yaml names the port {number}")))?;
        seen.push(shipped);
        rewritten.push_str(&format!("{PORT}{port}{rest}"));
    }
    Ok(rewritten)
}

/// What the file says, and what is to stand there.
fn pairs(ports: &Ports) -> [(u16, u16); 5] {
    [
        (SHIPPED.gateway, ports.gateway),
        (SHIPPED.envoy_admin, ports.envoy_admin),
        (SHIPPED.companion, ports.companion),
        (SHIPPED.internal, ports.internal),
        (SHIPPED.app, ports.app),
    ]
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
        postgres: 2,
    };

    fn shipped() -> String {
        std::fs::read_to_string(crate::place::root().join("envoy/envoy.yaml")).unwrap()
    }

    #[test]
    fn ports_are_rewritten_in_one_pass_and_nothing_else_is() {
        let shipped = shipped();
        let same = rewrite(&shipped, &SHIPPED, &[SHIPPED], &SHIPPED.issuer()).unwrap();
        assert_eq!(same, shipped);
        let rewritten = rewrite(&shipped, &OTHERS, &[OTHERS], &OTHERS.issuer()).unwrap();
        let changed: Vec<_> = shipped
            .lines()
            .zip(rewritten.lines())
            .filter(|(before, after)| before != after)
            .map(|(_, after)| after.trim())
            .collect();
        assert_eq!(changed.len(), 9, "{changed:#?}");
        assert!(changed.contains(&"\"issuer\": \"http://localhost:8080\","));
        assert!(changed.contains(&"\"allowed_origins\": [\"http://localhost:8080\"],"));
        assert_eq!(shipped.lines().count(), rewritten.lines().count());
    }

    #[test]
    fn the_filter_s_document_alone_is_replaced() {
        let shipped = shipped();
        let filter = serde_json::json!({ "issuer": "https://www.example.com" });
        let changed = with_filter_configuration(&shipped, &filter).unwrap();
        let (before, after) = changed.split_once(&filter.to_string()).unwrap();
        assert!(shipped.starts_with(before.trim_end()));
        assert!(shipped.ends_with(after));
        assert!(after.trim_start().starts_with("vm_config:"));
        with_filter_configuration(before, &filter).unwrap();
        with_filter_configuration("", &filter).unwrap_err();
    }

    /// The endpoints of a cluster: port, port of the health check if it is another, priority.
    fn endpoints(configuration: &str, cluster: &str) -> Vec<String> {
        let (_, rest) = configuration
            .split_once(&format!("cluster_name: {cluster}\n"))
            .unwrap();
        let (block, _) = rest.split_once("\n  - name: ").unwrap();
        let lines = block.lines().map(str::trim);
        let lines = lines.filter(|line| !line.starts_with(['#', '-']) && *line != "endpoints:");
        lines.map(ToOwned::to_owned).collect()
    }

    #[test]
    fn each_further_replica_is_one_priority_lower_in_both_clusters() {
        let replicas = [1, 2, 0].map(|number| SHIPPED.number(number));
        let rewritten =
            rewrite(&shipped(), &SHIPPED.number(1), &replicas, &SHIPPED.issuer()).unwrap();
        let address = |port: u16| {
            format!("address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}")
        };
        let check = |port: u16| format!("health_check_config: {{ port_value: {port} }}");
        assert_eq!(
            endpoints(&rewritten, "companion_public"),
            [
                address(8090),
                check(8091),
                address(8100),
                check(8101),
                "priority: 1".to_owned(),
                address(8080),
                check(8081),
                "priority: 2".to_owned(),
            ]
        );
        assert_eq!(
            endpoints(&rewritten, "companion_internal"),
            [
                address(8091),
                address(8101),
                "priority: 1".to_owned(),
                address(8081),
                "priority: 2".to_owned(),
            ]
        );
        assert_eq!(endpoints(&rewritten, "companion_public").len(), 8);
        // Tokens are those of the first gateway.
        assert!(rewritten.contains("\"issuer\": \"http://localhost:8000\","));
        assert!(rewritten.contains("address: 127.0.0.1, port_value: 8010"));
    }

    #[test]
    fn a_configuration_with_another_port_is_refused() {
        let fault = rewrite("port_value: 8001 }", &SHIPPED, &[SHIPPED], "").unwrap_err();
        assert!(fault.to_string().contains("8001"));
    }

    #[test]
    fn a_configuration_without_a_place_for_the_other_replica_is_refused() {
        let shipped = shipped().replace("cluster_name: companion_internal", "cluster_name: other");
        let replicas = [SHIPPED, SHIPPED.number(1)];
        rewrite(&shipped, &SHIPPED, &replicas, "").unwrap_err();
        rewrite(&shipped, &SHIPPED, &replicas[..1], "").unwrap();
    }
}
