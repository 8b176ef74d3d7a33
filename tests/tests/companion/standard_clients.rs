//! Programs that know the standards and nothing of Latchkey: PyJWT and Authlib, by the published key set and metadata alone.

use std::io::Write as _;
use std::process::{Command, Stdio};

use companion::config::Algorithm;
use tests::companion::Companion;
use tests::place;
use tests::watch::unix_seconds;

use crate::oauth::{SECRET, with_clients};

/// Runs a program of `tests/clients` over these lines of input; it ends with an error when something is not as it must be.
fn run(program: &str, arguments: &[&str], lines: &[&str]) -> String {
    let python = place::root().join(".tools/python/bin/python");
    assert!(
        python.exists(),
        "{} is missing; run `make .tools/python/requirements.txt`, or `make test`",
        python.display()
    );
    let mut child = Command::new(python)
        .arg(place::root().join("tests/clients").join(program))
        .args(arguments)
        // Plain HTTP on loopback.
        .env("AUTHLIB_INSECURE_TRANSPORT", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// At the real time: these programs have no other.
fn companion_now(algorithm: Algorithm) -> Companion {
    let mut companion = Companion::stopped().unwrap();
    companion.set_time(unix_seconds());
    companion.change(|settings| {
        with_clients(settings);
        settings.tokens.algorithm = algorithm;
    });
    companion.resume().unwrap();
    companion
}

/// KR-04, TV-*: what a standard verifier takes, in both algorithms, and what it refuses.
#[test]
fn a_standard_verifier_takes_the_tokens_of_both_algorithms() {
    for (algorithm, name) in [(Algorithm::Es256, "ES256"), (Algorithm::EdDsa, "EdDSA")] {
        let companion = companion_now(algorithm);
        let client = companion.client().unwrap();
        let login = companion.account("alice").unwrap().login(&client).unwrap();
        let refreshed = login.refresh(&client).unwrap();
        let issuer = companion.settings().issuer().to_owned();
        let arguments = [companion.address(), issuer, name.to_owned()];
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let said = run(
            "pyjwt_client.py",
            &arguments,
            &[&login.access, &refreshed.access],
        );
        assert_eq!(said, "2 tokens verified");
    }
}

/// RR-01, RV-01, RV-04: refresh, introspection and revocation by a standard client, each way of authenticating, from the metadata alone.
#[test]
fn a_standard_client_refreshes_introspects_and_revokes() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let companion = companion_now(algorithm);
        let client = companion.client().unwrap();
        let alice = companion.account("alice").unwrap();
        let [first, second] = [(), ()].map(|()| alice.login(&client).unwrap());
        let said = run(
            "authlib_client.py",
            &[&companion.address(), SECRET],
            &[&first.refresh, &second.refresh],
        );
        assert_eq!(said, "refreshed, introspected, revoked");
        assert_eq!(first.try_refresh(&client).unwrap().status, 401);
        second.refresh(&client).unwrap();
    }
}
