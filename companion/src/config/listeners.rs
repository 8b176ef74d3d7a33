//! Who may listen where (CF-02, CF-05). The start without any configuration is for one machine; whoever listens off loopback must have
//! said how he is reached, where his key lies and how his mail leaves.

use serde::{Deserialize, Serialize};

use super::{ConfigError, Settings, demand};

/// Who protects the internal listener, where the companion does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InternalTls {
    /// The sidecar of a service mesh: mutual TLS ends there, and the listener is reachable through it alone.
    Mesh,
}

pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    let has_certificate = settings.tls_cert.is_some();
    demand(
        has_certificate == settings.tls_key.is_some(),
        if has_certificate {
            "tls_key"
        } else {
            "tls_cert"
        },
        "is missing: certificate and key go together",
    )?;
    demand(
        has_certificate || settings.tls_client_ca.is_none(),
        "tls_client_ca",
        "needs tls_cert and tls_key",
    )?;
    demand(
        !(has_certificate && settings.internal_tls.is_some()),
        "internal_tls",
        "says that another does TLS, and tls_cert that the companion does: give one of them",
    )?;
    let is_off_loopback = |key| match key {
        "listen" => !settings.listen.ip().is_loopback(),
        _ => !settings.internal_listen.ip().is_loopback(),
    };
    demand(
        !is_off_loopback("internal_listen") || has_certificate || settings.internal_tls.is_some(),
        "internal_listen",
        "is not on loopback: gateway and admin tokens would cross the network in the clear. Set tls_cert and tls_key, or \
         internal_tls = \"mesh\" where a sidecar does TLS",
    )?;
    for key in ["listen", "internal_listen"] {
        if is_off_loopback(key) {
            real_configuration(settings, key)?;
        }
    }
    Ok(())
}

fn real_configuration(settings: &Settings, key: &str) -> Result<(), ConfigError> {
    for (holds, what) in [
        (
            settings.base_url.starts_with("https://"),
            "is not on loopback, and base_url is not https",
        ),
        (
            settings.master_key_file.is_some(),
            "is not on loopback, and master_key_file is not set: a key that is made at the start is for one machine",
        ),
        (
            settings.smtp.host.is_some() || settings.webhook.url.is_some(),
            "is not on loopback, and mail goes into files: configure [smtp] or [webhook]",
        ),
    ] {
        demand(holds, key, what)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::config::{InternalTls, Settings, Smtp, Webhook};

    /// Everything that a listener off loopback demands.
    fn real() -> Settings {
        Settings {
            listen: ([192, 0, 2, 1], 8080).into(),
            internal_listen: ([192, 0, 2, 1], 8081).into(),
            base_url: "https://www.example.com".to_owned(),
            master_key_file: Some(PathBuf::from("master.key")),
            tls_cert: Some(PathBuf::from("chain.pem")),
            tls_key: Some(PathBuf::from("key.pem")),
            smtp: smtp(),
            ..Settings::default()
        }
    }

    fn smtp() -> Smtp {
        Smtp {
            host: Some("mail.example.com".to_owned()),
            from: Some("Example <login@example.com>".to_owned()),
            ..Smtp::default()
        }
    }

    fn refusal(change: impl FnOnce(&mut Settings)) -> Option<String> {
        let mut settings = real();
        change(&mut settings);
        settings.check().err().map(|error| error.to_string())
    }

    fn without_certificate(settings: &mut Settings) {
        settings.tls_cert = None;
        settings.tls_key = None;
    }

    fn by_webhook(settings: &mut Settings) {
        settings.smtp = Smtp::default();
        settings.webhook = Webhook {
            url: Some("https://sms.example.com/send".to_owned()),
            secret_env: Some("HOOK".to_owned()),
            ..Webhook::default()
        };
    }

    /// CF-02, CF-05: each row lacks one thing, and is refused by the name of a key.
    #[test]
    fn a_listener_off_loopback_demands_a_real_configuration() {
        type Change = fn(&mut Settings);
        let rows: [(&str, &str, Change); 13] = [
            ("listen", "base_url", |settings| {
                settings.base_url = "http://localhost:8000".to_owned();
            }),
            ("listen", "master_key_file", |settings| {
                settings.master_key_file = None;
            }),
            ("listen", "[smtp] or [webhook]", |settings| {
                settings.smtp = Smtp::default();
            }),
            ("internal_listen", "base_url", |settings| {
                settings.listen = Settings::default().listen;
                settings.base_url = "http://127.0.0.1".to_owned();
            }),
            ("internal_listen", "tls_cert", without_certificate),
            ("internal_listen", "tls_cert", |settings| {
                without_certificate(settings);
                settings.internal_listen = ([0, 0, 0, 0], 8081).into();
            }),
            ("internal_listen", "tls_cert", |settings| {
                without_certificate(settings);
                settings.internal_listen = "[::]:8081".parse().unwrap();
            }),
            ("tls_key", "go together", |settings| settings.tls_key = None),
            ("tls_cert", "go together", |settings| {
                settings.tls_cert = None;
            }),
            ("tls_client_ca", "tls_cert", |settings| {
                without_certificate(settings);
                settings.internal_tls = Some(InternalTls::Mesh);
                settings.tls_client_ca = Some(PathBuf::from("ca.pem"));
            }),
            ("internal_tls", "one of them", |settings| {
                settings.internal_tls = Some(InternalTls::Mesh);
            }),
            ("webhook.url", "one way", |settings| {
                by_webhook(settings);
                settings.smtp = smtp();
            }),
            ("base_url", "https", |settings| {
                settings.base_url = "http://www.example.com".to_owned();
            }),
        ];
        for (key, what, change) in rows {
            let why = refusal(change).unwrap();
            assert!(
                why.starts_with(&format!("configuration refused: {key}: ")) && why.contains(what),
                "{key}, {what}: {why}"
            );
        }
    }

    #[test]
    fn what_is_enough_is_taken() {
        assert_eq!(refusal(|_| {}), None);
        assert_eq!(refusal(by_webhook), None);
        let meshed = |settings: &mut Settings| {
            without_certificate(settings);
            settings.internal_tls = Some(InternalTls::Mesh);
        };
        assert_eq!(refusal(meshed), None);
        // On loopback nothing of it is demanded.
        Settings::default().check().unwrap();
    }
}
