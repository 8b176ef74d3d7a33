//! `latchkey doctor`: what can be said without a running companion, and then what the running one says.

use std::process::ExitCode;
use std::time::Duration;

use companion::config::{ConfigError, Read, Settings};
use companion::doctor::{self, Finding, Verdict};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::show::word;
use super::{Asking, Companion, Failure};

const CONNECTING: Duration = Duration::from_secs(5);

/// Prints a line for each finding. Fails when one of them is a failure.
pub(crate) fn run(read: Result<Read, ConfigError>, asking: &Asking) -> ExitCode {
    let findings = match read {
        Err(error) => vec![Finding::fail(
            "configuration",
            error.to_string(),
            "latchkey check-config",
        )],
        Ok(read) => match crate::runtime() {
            Ok(runtime) => runtime.block_on(async {
                let mut findings = doctor::examine(&read).await;
                findings.extend(running(&read.settings, asking).await);
                findings
            }),
            Err(error) => vec![Finding::fail(
                "this machine",
                error,
                "it has no threads left",
            )],
        },
    };
    if asking.json {
        println!("{:#}", json!(findings));
    } else {
        findings.iter().for_each(print);
    }
    if findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Fail)
    {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn print(finding: &Finding) {
    let verdict = match finding.verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    };
    let remedy = finding.remedy.map(|remedy| format!(" -> {remedy}"));
    println!(
        "{verdict:<4}  {}: {}{}",
        finding.what,
        word(&json!(finding.found)),
        remedy.unwrap_or_default()
    );
}

async fn running(settings: &Settings, asking: &Asking) -> Vec<Finding> {
    let companion = Companion::of(settings, asking);
    // That the token cannot be read has been said.
    let Ok(companion) = companion else {
        return Vec::new();
    };
    let ready = match companion.is_ready().await {
        Ok(true) => Finding::ok(
            "internal listener",
            format!("{} is ready", companion.address()),
        ),
        Ok(false) => Finding::fail(
            "internal listener",
            format!("{} is not ready", companion.address()),
            "its log says why: the store does not answer, or it is stopping",
        ),
        Err(Failure::NotReached(why) | Failure::Refused(why)) => {
            let none = Finding::warn("internal listener", why, "start it: latchkey serve");
            return vec![none];
        }
    };
    let mut findings = vec![ready, public(settings).await];
    match companion.get("/gateways").await {
        Ok(answer) => findings.push(gateways(&answer)),
        Err(Failure::NotReached(why) | Failure::Refused(why)) => findings.push(Finding::fail(
            "admin API",
            why,
            "is the token file the one that the running companion has read? it reads it at its start",
        )),
    }
    if let Ok(answer) = companion.get("/outbox").await {
        findings.push(outbox(&answer));
    }
    findings
}

async fn public(settings: &Settings) -> Finding {
    const WHAT: &str = "public listener";
    let address = settings.listen;
    match timeout(CONNECTING, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Finding::ok(WHAT, address.to_string()),
        _ => Finding::fail(
            WHAT,
            format!("nothing answers at {address}"),
            "is the running companion on this configuration?",
        ),
    }
}

fn gateways(answer: &Value) -> Finding {
    const WHAT: &str = "gateways";
    let all = answer["gateways"].as_array().cloned().unwrap_or_default();
    let live: Vec<_> = all
        .iter()
        .filter(|gateway| gateway["live"] == true)
        .collect();
    let lagging = live
        .iter()
        .filter(|gateway| gateway["lag"] != 0)
        .map(|gateway| word(&gateway["id"]))
        .collect::<Vec<_>>();
    if live.is_empty() {
        let remedy = "is LATCHKEY_GATEWAY_TOKEN set for Envoy, and does its cluster lead to the internal listener?";
        return Finding::warn(WHAT, "none polls", remedy);
    }
    if lagging.is_empty() {
        return Finding::ok(WHAT, format!("{} live, none behind", live.len()));
    }
    Finding::warn(
        WHAT,
        format!("{} live, behind: {}", live.len(), lagging.join(", ")),
        "look again: a moment is normal. One that is gone for good: latchkey gateways forget",
    )
}

fn outbox(answer: &Value) -> Finding {
    const WHAT: &str = "outbox";
    let found = format!(
        "{} mails wait, {} were given up",
        answer["waiting"], answer["dead"]
    );
    if answer["dead"] == 0 {
        return Finding::ok(WHAT, found);
    }
    Finding::warn(WHAT, found, "latchkey outbox list says why")
}
