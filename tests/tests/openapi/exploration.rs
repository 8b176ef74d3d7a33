//! schemathesis, which knows the document and little else, calls everything with all that the document allows and much that it does not.

use std::process::Command;

use tests::companion::Companion;
use tests::place;

/// ER-01, ER-04: whatever comes in, an answer has a status, a content type, header fields and a body that the document foresees; none is
/// 5xx, none tells of the inside; what the document does not allow is refused, an unknown method with 405; and nothing that needs a
/// credential is done without one.
#[test]
fn no_answer_is_one_that_the_document_does_not_foresee() {
    explore(Listener::Public, 8, &[]);
}

/// The same for who never says who he is.
#[test]
fn a_stranger_gets_no_answer_that_the_document_does_not_foresee() {
    explore(Listener::Public, 2, &[("LATCHKEY_ANONYMOUS", "1")]);
}

/// The same for gateways and operators.
#[test]
fn the_internal_listener_answers_as_its_document_foresees() {
    explore(Listener::Internal, 8, &[]);
}

enum Listener {
    Public,
    Internal,
}

/// `examples`: how many cases of each operation there are, beside those of its edges; they are the same in every run.
fn explore(listener: Listener, examples: u32, variables: &[(&str, &str)]) {
    let companion = Companion::with(|settings| {
        settings.limits.password_per_address = "1000000+1000000/1h".parse().unwrap();
    })
    .unwrap();
    let public = companion.client().unwrap().base().to_owned();
    let internal = companion.internal().unwrap().base().to_owned();
    let (document, called) = match listener {
        Listener::Public => (format!("{internal}/openapi.json"), &public),
        Listener::Internal => (format!("{internal}/openapi-internal.json"), &internal),
    };
    let own = place::root().join("tests/schemathesis");
    let run = Command::new(place::python().unwrap())
        // It leaves files where it runs.
        .current_dir(companion.state())
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(own.join("schemathesis.toml"))
        .args(["run", &document, "--url", called])
        .args(["--max-examples", &examples.to_string()])
        .env("PYTHONPATH", own)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("LATCHKEY_PUBLIC", &public)
        .env("LATCHKEY_STATE", companion.state())
        .env("LATCHKEY_TIME", companion.now().to_string())
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "run again: cargo test -p tests --test openapi exploration\n{}\n{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
}
