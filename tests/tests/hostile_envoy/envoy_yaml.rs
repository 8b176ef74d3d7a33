//! Changes to the shipped Envoy configuration. Each must hit, or the test that makes it would prove nothing.

use std::path::Path;

use tests::place::shipped_configuration;

/// The shipped configuration.
pub fn shipped() -> String {
    shipped_configuration().unwrap()
}

/// The text with the one place that says `old` saying `new`.
pub fn with(text: &str, old: &str, new: &str) -> String {
    assert_eq!(text.matches(old).count(), 1, "{old}");
    text.replace(old, new)
}

/// The configuration in which all but the companion's routes lead to an upstream on that port.
pub fn to_upstream(text: &str, port: u16, protocol: &str) -> String {
    let text = with(
        text,
        "route: { cluster: app,",
        "route: { cluster: upstream,",
    );
    text + &cluster("upstream", port, protocol)
}

/// A cluster for the end of the configuration. Its port is quoted: only those of the shipped file are moved.
pub fn cluster(name: &str, port: u16, protocol: &str) -> String {
    format!(
        r#"  - name: {name}
    type: STATIC
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ {protocol}: {{}} }}
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, "port_value": {port} }} }} }}
"#
    )
}

/// The configuration without its listener, which it takes from that file whenever another is moved there; and the listener, as
/// [`listener_file`] wants it.
pub fn with_listener_in(text: &str, file: &Path) -> (String, String) {
    let (before, rest) = text
        .split_once("static_resources:\n  listeners:\n")
        .unwrap();
    let (listener, clusters) = rest.split_once("\n  clusters:\n").unwrap();
    // The harness wants to see every port of the shipped file.
    let bootstrap = format!(
        r#"{before}node: {{ id: gateway, cluster: gateway }}
dynamic_resources:
  lds_config: {{ path_config_source: {{ path: "{}" }}, resource_api_version: V3 }}  # port_value: 8000
static_resources:
  clusters:
{clusters}"#,
        file.display()
    );
    let listener: String = listener
        .lines()
        .map(|line| line.strip_prefix("  ").unwrap_or(line).to_owned() + "\n")
        .collect();
    (bootstrap, listener)
}

/// What such a file says to have these listeners.
pub fn listener_file(listeners: &[String]) -> String {
    const TYPE: &str =
        "- \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n  name: ";
    let listeners = listeners.iter();
    let listeners: String = listeners
        .map(|listener| listener.replacen("- name: ", TYPE, 1))
        .collect();
    if listeners.is_empty() {
        return "resources: []\n".to_owned();
    }
    format!("resources:\n{listeners}")
}
