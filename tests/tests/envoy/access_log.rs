use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tests::place::{root, shipped_configuration};
use tests::stack::{READY_PATH, Setup, Stack};
use tests::visitor::Visitor;
use tests::watch::wait_for;
use tests::workers::stats;

use crate::interlock::without_the_filter;
use crate::setup;

/// The access log that docs/OPERATIONS.md recommends, indented for the shipped configuration, into this file.
fn recommended(file: &str) -> String {
    let operations = fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    let (_, rest) = operations.split_once("```yaml\naccess_log:\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let block = block.replace("/dev/stdout", file);
    let lines = block.lines().map(|line| format!("          {line}\n"));
    format!("          access_log:\n{}", lines.collect::<String>())
}

fn with_log(configuration: &str, file: &Path) -> String {
    let filters = "          http_filters:\n";
    assert_eq!(configuration.matches(filters).count(), 1);
    let with_log = format!("{}{filters}", recommended(&file.display().to_string()));
    configuration.replace(filters, &with_log)
}

/// The lines of the file once it holds `last`; Envoy writes it every ten seconds.
fn lines(file: &Path, last: &str) -> String {
    wait_for("the log", Duration::from_secs(30), || {
        let text = fs::read_to_string(file).unwrap_or_default();
        Ok(text.contains(last).then_some(text))
    })
    .unwrap()
}

/// FR-18: the log tells what the gate did, and holds neither token, cookie nor query.
#[test]
fn the_access_log_tells_what_the_gate_did_and_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let stack = Stack::start(Setup {
        configuration: Some(with_log(&shipped_configuration().unwrap(), &file)),
        ..setup()
    })
    .unwrap();
    let client = stack.client().unwrap();
    let alice = Visitor::named("alice");
    alice.register(&client, &stack.mailbox()).unwrap();
    let tokens = alice.login(&client).unwrap();
    let revoked = alice.login(&client).unwrap();
    revoked
        .log_out(&client)
        .unwrap()
        .expect(200, "logout")
        .unwrap();

    let get = |path: &str| client.get(path);
    let forged = format!("{}x", tokens.access);
    let expected = [
        ("/1", get("/1").bearer(&tokens.access), "via_upstream"),
        ("/2", get("/2"), "latchkey_no_credential"),
        (
            "/3",
            get("/3").bearer(&forged),
            "latchkey_rejected_malformed",
        ),
        ("/4", get("/4").bearer(&revoked.access), "latchkey_revoked"),
        ("/5;x", get("/5;x"), "latchkey_ambiguous_path"),
        (
            "/6",
            get("/6").bearer("x").header("authorization", "Bearer y"),
            "latchkey_many_credentials",
        ),
        ("/7", get("/7").bearer("a,b"), "latchkey_many_credentials"),
        (READY_PATH, get(READY_PATH), "latchkey_ready"),
    ];
    let mut details = Vec::new();
    for (path, request, detail) in expected {
        request.header("cookie", "secret-cookie=1").send().unwrap();
        details.push((path, detail));
    }
    // Envoy's own refusal, before any filter: without a path.
    get("/8%2f?secret-query=1").send().unwrap();
    get("/9?secret-query=1").send().unwrap();

    let lines = lines(&file, "\"/9\"");
    let entries: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (path, detail) in details {
        let logged = entries.iter().filter(|entry| entry["path"] == path);
        let logged: Vec<_> = logged
            .map(|entry| entry["details"].as_str().unwrap())
            .collect();
        assert!(logged.contains(&detail), "{path}: {logged:?}");
    }
    let is_refused = |entry: &&Value| entry["details"] == "path_normalization_failed";
    assert_eq!(entries.iter().filter(is_refused).count(), 1, "{lines}");
    let secrets = [
        &tokens.access,
        &tokens.refresh,
        &revoked.access,
        &forged,
        &alice.password,
    ];
    for secret in secrets
        .into_iter()
        .map(String::as_str)
        .chain(["secret-cookie", "secret-query"])
    {
        assert!(!lines.contains(secret), "{secret}");
    }
}

/// What the alert `LatchkeyFilterSkipped` and the access log say of a worker without the filter.
#[test]
fn where_envoy_skipped_the_filter_log_and_counter_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let mut stack = Stack::prepare(Setup {
        configuration: Some(with_log(&without_the_filter(), &file)),
        ..setup()
    })
    .unwrap();
    stack.start_envoy().unwrap();
    let before = stats(stack.ports(), "rbac.denied").unwrap();
    let answer = stack.client().unwrap().get("/skipped").send().unwrap();
    assert_eq!(answer.status, 403);
    let after = stats(stack.ports(), "rbac.denied").unwrap();
    let moved = after.iter().map(|(name, count)| count - before[name]);
    assert_eq!(moved.sum::<u64>(), 1, "{after:?}");
    let lines = lines(&file, "/skipped");
    assert!(
        lines.contains("\"rbac_access_denied_matched_policy[none]\""),
        "{lines}"
    );
}
