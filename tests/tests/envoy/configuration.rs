use std::fs;
use std::process::{Command, Output};

use tests::place::{envoy, root, shipped_configuration};

/// What Envoy says to this configuration without serving it.
fn validate(configuration: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("envoy.yaml");
    fs::write(&file, configuration).unwrap();
    Command::new(envoy().unwrap())
        .current_dir(root())
        .args(["--mode", "validate", "--config-path"])
        .arg(&file)
        .output()
        .unwrap()
}

/// The shipped configuration with the line that holds `old` changed to hold `new`.
fn with(old: &str, new: &str) -> String {
    let shipped = shipped_configuration().unwrap();
    assert_eq!(shipped.matches(old).count(), 1, "{old}");
    shipped.replace(old, new)
}

#[test]
fn envoy_takes_the_shipped_configuration() {
    let output = validate(&shipped_configuration().unwrap());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

/// CF-01, CF-02, CF-03, FR-11: Envoy refuses to load it, and its log names the field.
#[test]
fn envoy_refuses_every_bad_filter_configuration_and_names_the_field() {
    const ISSUER: &str = r#""issuer": "http://localhost:8000","#;
    const AUDIENCES: &str = r#""audiences": ["http://localhost:8000"],"#;
    const READY: &str = r#""ready_path": "/-/latchkey/ready","#;
    const PUBLIC: &str = r#"{ "match": { "prefix": "/public" }, "require": "none" }"#;
    const CLUSTER: &str = r#""cluster": "companion_internal","#;
    let plus = |extra: &str| format!("{READY} {extra},");
    let cases = [
        (ISSUER, String::new(), "issuer"),
        (ISSUER, r#""issuer": "","#.to_owned(), "issuer"),
        (ISSUER, r#""issuer": 7,"#.to_owned(), "issuer"),
        (AUDIENCES, String::new(), "audiences"),
        (AUDIENCES, r#""audiences": [],"#.to_owned(), "audiences"),
        (AUDIENCES, r#""audiences": ["*"],"#.to_owned(), "audiences"),
        (READY, plus(r#""isuer": "x""#), "isuer"),
        (READY, plus(r#""clock_skew": "61s""#), "clock_skew"),
        (READY, plus(r#""max_staleness": "1s""#), "max_staleness"),
        (READY, plus(r#""max_staleness": 60"#), "max_staleness"),
        (
            READY,
            plus(r#""max_token_lifetime": "never""#),
            "max_token_lifetime",
        ),
        (READY, plus(r#""on_stale": "maybe""#), "on_stale"),
        (READY, plus(r#""forward_token": "yes""#), "forward_token"),
        (READY, plus(r#""token_cache_size": -1"#), "token_cache_size"),
        (READY, plus(r#""login_page": "/login""#), "login_page"),
        (
            READY,
            plus(r#""jwks": { "inline": { "keys": [] } }"#),
            "jwks.inline",
        ),
        (READY, r#""ready_path": "ready","#.to_owned(), "ready_path"),
        (CLUSTER, r#""cluster": "","#.to_owned(), "companion.cluster"),
        (CLUSTER, format!("{CLUSTER} \"port\": 1,"), "companion.port"),
        (
            r#""x-auth-subject": "sub","#,
            r#""content-type": "sub","#.to_owned(),
            "identity_headers.content-type",
        ),
        (
            PUBLIC,
            r#"{ "match": { "prefix": "public" }, "require": "none" }"#.to_owned(),
            "rules[3].match.prefix",
        ),
        (
            PUBLIC,
            r#"{ "match": {}, "require": "none" }"#.to_owned(),
            "rules[3].match.prefix",
        ),
        (
            PUBLIC,
            r#"{ "match": { "prefix": "/public" }, "require": "nothing" }"#.to_owned(),
            "rules[3].require",
        ),
        (
            PUBLIC,
            r#"{ "match": { "prefix": "/public", "verb": "GET" }, "require": "none" }"#.to_owned(),
            "rules[3].match.verb",
        ),
        (
            PUBLIC,
            format!("{PUBLIC},"),
            "the configuration is not strict JSON",
        ),
    ];
    for (old, new, field) in cases {
        let output = validate(&with(old, &new));
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{old} -> {new} was taken:\n{log}");
        let named = format!("configuration refused: {field}: ");
        assert!(
            log.contains(&named),
            "{old} -> {new}: {field} is not named:\n{log}"
        );
    }
}

/// A Struct reaches the plugin as protobuf bytes.
#[test]
fn envoy_refuses_a_configuration_that_is_not_a_string_value_and_says_so() {
    let shipped = shipped_configuration().unwrap();
    let (before, rest) = shipped
        .split_once("type.googleapis.com/google.protobuf.StringValue")
        .unwrap();
    let (_, after) = rest.split_once("                vm_config:").unwrap();
    let output = validate(&format!(
        "{before}type.googleapis.com/google.protobuf.Struct\n                  value: {{ issuer: \"http://localhost:8000\" }}\n                vm_config:{after}"
    ));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{log}");
    assert!(log.contains("StringValue"), "{log}");
}
