//! What `latchkey filter-config` prints, in the filter.

use companion::config::{Cookies, Filter, Settings};
use companion::filter_config::matching;
use companion::span::Span;
use serde_json::json;
use tests::host::{Host, Request, get};

fn https() -> Settings {
    Settings {
        base_url: "https://www.example.com".to_owned(),
        ..Settings::default()
    }
}

/// It is taken as it is, for a companion without configuration and for one with; and means what the companion is set to.
#[test]
fn the_printed_configuration_is_one() {
    let with_page = |page: &str| Settings {
        filter: Filter {
            login_page: Some(page.to_owned()),
            max_staleness: Span::seconds(5),
        },
        issuer: Some("https://issuer.example.com".to_owned()),
        audiences: vec!["https://a.example.com".to_owned(), "b".to_owned()],
        ..https()
    };
    let with_origins = Settings {
        base_url: "https://WWW.example.com:443".to_owned(),
        cookies: Cookies {
            allowed_origins: vec![
                "https://app.example.com".to_owned(),
                "capacitor://localhost".to_owned(),
            ],
        },
        ..Settings::default()
    };
    assert_eq!(
        matching(&with_origins)["allowed_origins"],
        json!([
            "https://www.example.com",
            "https://app.example.com",
            "capacitor://localhost"
        ])
    );
    for settings in [
        Settings::default(),
        https(),
        with_origins,
        with_page("/login"),
        with_page("https://login.example.com/start"),
    ] {
        settings.check().unwrap();
        let configuration = matching(&settings);
        let mut envoy = Host::start(&configuration)
            .env("LATCHKEY_GATEWAY_TOKEN", "token")
            .vms(1);
        let logs = envoy.logs().join("\n");
        assert!(envoy.vm(0).is_configured(), "{configuration:#}: {logs}");
        // The companion is reached before the gate is synced; the app is not.
        for open in ["/auth/v1/sessions", "/.well-known/jwks.json"] {
            assert!(envoy.vm(0).request(get(open)).passed(), "{open}");
        }
        assert_eq!(envoy.vm(0).request(get("/orders")).status(), 503);
    }
    let navigation = |path: &str| -> Request { get(path).header("sec-fetch-mode", "navigate") };
    let configuration = matching(&with_page("/login"));
    let mut envoy = Host::start(&configuration)
        .env("LATCHKEY_GATEWAY_TOKEN", "token")
        .vms(1);
    assert!(envoy.vm(0).request(navigation("/login")).passed());
}
