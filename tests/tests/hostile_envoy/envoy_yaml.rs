//! Changes to the shipped Envoy configuration. Each must hit, or the test that makes it would prove nothing.

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
