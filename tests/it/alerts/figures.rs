//! The rules for Prometheus and the board for Grafana in `docs/` can be read, and ask for what the program tells.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chrono::Utc;
use domain::AlertRule;
use serde_json::Value;

use super::{Watched, failing_account};
use crate::app::{Combination, Event, Signed};

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The alerts of the rules, each with its expression.
fn rules() -> Vec<(String, String)> {
    let read: Value = serde_yaml_ng::from_str(&document("prometheus-rules.yml")).unwrap();
    let groups = read["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules
        .map(|rule| {
            assert!(
                rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string(),
                "{rule}"
            );
            (text(&rule["alert"]), text(&rule["expr"]))
        })
        .collect()
}

/// What the panels of the board ask for.
fn asked_by_the_board() -> Vec<String> {
    let board: Value = serde_json::from_str(&document("grafana-board.json")).unwrap();
    assert!(board["title"].is_string() && board["schemaVersion"].is_u64() && board["uid"].is_string());
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "every panel has an id of its own");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

/// The names of figures in an expression.
fn figures(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("relais_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_rule_of_alerts_is_one_for_prometheus_too() {
    let rules = rules();
    for rule in AlertRule::ALL {
        let words = rule
            .as_str()
            .split('_')
            .map(|word| word[..1].to_uppercase() + &word[1..]);
        let name = format!("Relais{}", words.collect::<String>());
        assert!(rules.iter().any(|(alert, _)| *alert == name), "there is no {name}");
    }
}

/// Everything that can be told of has happened before it is asked what is told.
#[tokio::test]
async fn the_rules_and_the_board_name_only_figures_that_the_program_tells() {
    let watched = Watched::with_workers(1, 0, Combination::Sqlite).await;
    let app = &watched.app;
    app.post_event(&Event::new("ana", "m-1", "opened")).await;
    let event = Event::new("ana", "m-2", "opened").sign(&app.secret);
    app.post(&Signed::new("another secret", Utc::now().timestamp(), &*event.body))
        .await;
    failing_account(app, watched.start).await;
    watched.look([0, 30]).await;
    watched.tell(30).await;
    app.wait_until_idle().await;

    let asked: BTreeSet<_> = rules()
        .into_iter()
        .map(|(_, expression)| expression)
        .chain(asked_by_the_board())
        .flat_map(|expression| figures(&expression))
        .collect();
    assert!(asked.len() > 10, "{asked:?}");
    let is_told = async || {
        let told = app.get("/metrics").await.body;
        let told = told.as_str().unwrap();
        let names: BTreeSet<_> = told
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next())
            .collect();
        let missing: Vec<_> = asked.iter().filter(|name| !names.contains(name.as_str())).collect();
        if !missing.is_empty() {
            eprintln!("not told: {missing:?}");
        }
        missing.is_empty()
    };
    app.wait_until("all of them are told", is_told).await;
}
