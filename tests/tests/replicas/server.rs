use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use companion::clock::Clock;
use companion::postgres::{Options, Postgres as Store};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tests::postgres::Postgres;

async fn open(url: &str, ca_file: Option<&std::path::Path>) -> Result<Store, String> {
    let options = Options {
        url: url.to_owned().into(),
        ca_file: ca_file.map(ToOwned::to_owned),
        connections: 2,
    };
    let opened = Store::open(options, Clock::system(), Duration::from_secs(300)).await;
    opened.map_err(|error| error.to_string())
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(work)
}

/// Changes a setting of the whole server, and waits until it is in force.
fn set(server: &Postgres, setting: &str, value: &str) {
    let change = format!("ALTER SYSTEM SET {setting} = {value}");
    server.execute("postgres", &change).unwrap();
    server
        .execute("postgres", "SELECT pg_reload_conf()")
        .unwrap();
    let limit = Duration::from_secs(5);
    tests::watch::wait_for("the server to read its settings", limit, || {
        let shown = server.query_text("postgres", &format!("SHOW {setting}"))?;
        Ok((shown[0][0].as_deref() == Some(value)).then_some(()))
    })
    .unwrap();
}

/// CF-08: at the server, for the database, for the role, or in the URL.
#[test]
fn a_server_that_is_not_durable_is_refused_whatever_turned_it_off() {
    let server = Postgres::start(None).unwrap();
    let url = server.fresh_database().unwrap();
    let database = url.rsplit('/').next().unwrap().to_owned();
    let refused = |url: &str, setting: &str| {
        let error = block_on(open(url, None)).map(drop).unwrap_err();
        assert!(error.contains(&format!("{setting} is off")), "{error}");
    };
    block_on(open(&url, None)).map(drop).unwrap();
    refused(
        &format!("{url}?options=-c%20synchronous_commit%3Doff"),
        "synchronous_commit",
    );
    for (off, on) in [
        (
            format!("ALTER DATABASE {database} SET synchronous_commit = off"),
            format!("ALTER DATABASE {database} RESET synchronous_commit"),
        ),
        (
            "ALTER ROLE latchkey SET synchronous_commit = off".to_owned(),
            "ALTER ROLE latchkey RESET synchronous_commit".to_owned(),
        ),
    ] {
        server.execute(&database, &off).unwrap();
        refused(&url, "synchronous_commit");
        server.execute(&database, &on).unwrap();
    }
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        set(&server, setting, "off");
        refused(&url, setting);
        set(&server, setting, "on");
    }
    block_on(open(&url, None)).map(drop).unwrap();
}

/// ST-07: of many one migrates, and the others wait for it.
#[test]
fn many_companions_that_start_at_once_migrate_once() {
    let server = Postgres::shared();
    let url = server.fresh_database().unwrap();
    let database = url.rsplit('/').next().unwrap().to_owned();
    block_on(async {
        let url: Arc<str> = url.into();
        let starts: Vec<_> = (0..6)
            .map(|_| {
                let url = Arc::clone(&url);
                tokio::spawn(async move { open(&url, None).await.map(drop) })
            })
            .collect();
        for start in starts {
            start.await.unwrap().unwrap();
        }
    });
    let versions = "SELECT version::text FROM refinery_schema_history";
    let versions = server.query_text(&database, versions).unwrap();
    assert_eq!(
        versions,
        ["1", "2"].map(|version| [Some(version.to_owned())])
    );
}

/// ST-07.
#[test]
fn a_schema_from_the_future_is_refused() {
    let server = Postgres::shared();
    let url = server.fresh_database().unwrap();
    let database = url.rsplit('/').next().unwrap().to_owned();
    block_on(open(&url, None)).map(drop).unwrap();
    let future = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (99, 'later', '2027-01-15T08:00:00Z', '1')";
    server.execute(&database, future).unwrap();
    let error = block_on(open(&url, None)).map(drop).unwrap_err();
    assert!(error.contains("99"), "{error}");
}

/// An authority, and what it has signed for `localhost`.
struct Authority {
    pem: tempfile::NamedTempFile,
    certificate: String,
    key: String,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let server = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&server, &issuer)
        .unwrap();
    let pem = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(pem.path(), root.pem()).unwrap();
    Authority {
        pem,
        certificate: signed.pem(),
        key: server.serialize_pem(),
    }
}

/// Writes a file as the server, readable for it alone.
fn put(server: &Postgres, name: &str, text: &str) {
    let (text, folder) = (STANDARD.encode(text), "current_setting('data_directory')");
    let folder = server
        .query_text("postgres", &format!("SELECT {folder}"))
        .unwrap();
    let folder = folder[0][0].clone().unwrap();
    let copy =
        format!("COPY (SELECT '{text}') TO PROGRAM 'umask 077; base64 -d > \"{folder}/{name}\"'");
    server.execute("postgres", &copy).unwrap();
}

#[test]
fn only_a_server_with_a_certificate_of_the_named_authority_is_spoken_to() {
    let server = Postgres::start(None).unwrap();
    let url = server.fresh_database().unwrap();
    let (known, other) = (authority(), authority());
    put(&server, "server.crt", &known.certificate);
    put(&server, "server.key", &known.key);
    server
        .execute("postgres", "ALTER SYSTEM SET ssl = on")
        .unwrap();
    server
        .execute("postgres", "SELECT pg_reload_conf()")
        .unwrap();
    let by_name = url.replace("127.0.0.1", "localhost");
    let encrypted = format!("{by_name}?sslmode=verify-full");
    tests::watch::wait_for("the server to speak TLS", Duration::from_secs(5), || {
        Ok(block_on(open(&encrypted, Some(known.pem.path())))
            .ok()
            .map(drop))
    })
    .unwrap();
    let refused = |url: &str, authority: &Authority| {
        let error = block_on(open(url, Some(authority.pem.path())))
            .map(drop)
            .unwrap_err();
        assert!(error.contains("certificate"), "{error}");
    };
    refused(&encrypted, &other);
    // The name counts, not the place.
    refused(&format!("{url}?sslmode=require"), &known);
    // Where an authority is named, there is no way without TLS.
    refused(&by_name, &other);
}
