//! The alerts and the dashboard that ship: they are well formed, they ask for nothing that is not there, and each alert is explained.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use tests::client::Client;
use tests::place::root;
use tests::ports::Ports;
use tests::stack::{Setup, Stack};
use yaml_rust2::{Yaml, YamlLoader};

use crate::promql::{Selector, selectors};

struct Alert {
    name: String,
    expression: String,
    rule: Yaml,
}

fn shipped(name: &str) -> String {
    let path = root().join("envoy/observability").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn alerts() -> Vec<Alert> {
    let documents = YamlLoader::load_from_str(&shipped("latchkey-alerts.yaml")).unwrap();
    let groups = documents[0]["groups"].as_vec().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_vec().unwrap());
    let alert = |rule: &Yaml| Alert {
        name: rule["alert"].as_str().unwrap().to_owned(),
        expression: rule["expr"].as_str().unwrap().to_owned(),
        rule: rule.clone(),
    };
    rules.map(alert).collect()
}

/// The expressions of all panels and variables, with what Grafana puts in for its own variables.
fn dashboard() -> Vec<String> {
    let document: Value = serde_json::from_str(&shipped("latchkey-dashboard.json")).unwrap();
    let panels = document["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions = targets.map(|target| target["expr"].as_str().unwrap());
    expressions
        .map(|text| text.replace("$__rate_interval", "5m"))
        .collect()
}

fn all_selectors() -> BTreeSet<Selector> {
    let of_alerts = alerts().into_iter().map(|alert| alert.expression);
    of_alerts
        .chain(dashboard())
        .flat_map(|text| selectors(&text).unwrap_or_else(|fault| panic!("{text}: {fault}")))
        .collect()
}

#[test]
fn every_alert_says_what_it_is_and_what_to_do_and_has_its_section() {
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|alert| alert.name.clone()).collect();
    assert!(names.len() >= 15 && names.len() == alerts.len());
    for alert in &alerts {
        let name = &alert.name;
        selectors(&alert.expression).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let severity = alert.rule["labels"]["severity"]
            .as_str()
            .unwrap_or_default();
        assert!(
            ["info", "warning", "critical"].contains(&severity),
            "{name}: {severity}"
        );
        for annotation in ["summary", "description", "action"] {
            let text = alert.rule["annotations"][annotation]
                .as_str()
                .unwrap_or_default();
            assert!(text.len() > 10, "{name}: {annotation}");
        }
    }
    let operations = fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    let sections = operations
        .lines()
        .filter_map(|line| line.strip_prefix("### "));
    let sections = sections.filter(|title| title.starts_with("Latchkey"));
    assert_eq!(
        sections.map(ToOwned::to_owned).collect::<BTreeSet<_>>(),
        names
    );
}

#[test]
fn every_panel_has_a_place_a_text_and_expressions() {
    let document: Value = serde_json::from_str(&shipped("latchkey-dashboard.json")).unwrap();
    let mut places = BTreeSet::new();
    for panel in document["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        let place = &panel["gridPos"];
        assert!(
            places.insert((place["y"].as_u64(), place["x"].as_u64())),
            "{title}"
        );
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            panel["description"]
                .as_str()
                .is_some_and(|text| text.len() > 20),
            "{title}"
        );
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
    }
    assert!(dashboard().len() >= 20);
}

/// The shipped files ask only for what a real Envoy with the shipped configuration and its companion show; every reason and every event
/// that they name is one.
#[test]
fn every_metric_of_alerts_and_dashboard_is_shown_by_envoy_or_by_the_companion() {
    let stack = Stack::start(Setup::on(Ports::free().unwrap())).unwrap();
    let admin = Client::new(stack.ports().envoy_admin).unwrap();
    let answer = admin.get("/stats/prometheus").send().unwrap();
    let mut text = answer.expect(200, "figures").unwrap().text();
    let companion = Client::new(stack.ports().internal).unwrap();
    let answer = companion.get("/metrics").send().unwrap();
    text.push_str(&answer.expect(200, "the companion's").unwrap().text());
    let series: BTreeSet<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let mut missing = Vec::new();
    for Selector { metric, matchers } in all_selectors() {
        let (with_labels, alone) = (format!("{metric}{{"), format!("{metric} "));
        let shown: Vec<_> = series
            .iter()
            .filter(|line| line.starts_with(&with_labels) || line.starts_with(&alone))
            .collect();
        if shown.is_empty() {
            missing.push(metric.clone());
        }
        // Prometheus itself adds job and instance.
        let of_envoy = matchers
            .iter()
            .filter(|(label, ..)| label != "job" && label != "instance");
        for (label, operator, text) in of_envoy {
            assert!(
                ["=", "=~"].contains(&operator.as_str()),
                "{metric}: {operator}"
            );
            for value in text.split('|') {
                let pair = format!("{label}=\"{value}\"");
                if !shown.iter().any(|line| line.contains(&pair)) {
                    missing.push(format!("{metric}{{{pair}}}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let unnamed = series
        .iter()
        .filter(|line| line.starts_with("latchkey_requests_denied_"));
    assert_eq!(unnamed.count(), 0, "every reason is a label");
}
