//! The expressions of the dashboards.

use std::fs;

use serde_json::Value;

use crate::servers::root;

/// An expression, and where it stands.
pub struct Panel {
    pub place: String,
    pub expression: String,
}

/// All of them, with Grafana's variables filled in as Grafana would.
pub fn panels() -> Vec<Panel> {
    let mut all = Vec::new();
    let folder = root().join("grafana/dashboards");
    for file in fs::read_dir(folder).expect("there are dashboards") {
        let path = file.expect("it can be read").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("it can be read");
        let board: Value = serde_json::from_str(&text).expect("it is JSON");
        collect(
            &board,
            board["title"].as_str().unwrap_or_default(),
            &mut all,
        );
    }
    assert!(all.len() > 150, "only {} expressions were found", all.len());
    all
}

/// Rows have panels of their own.
fn collect(of: &Value, board: &str, all: &mut Vec<Panel>) {
    for panel in of["panels"].as_array().into_iter().flatten() {
        collect(panel, board, all);
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("it has an expression");
            all.push(Panel {
                place: format!("{board}: {} {}", panel["title"], target["refId"]),
                expression: filled_in(expression),
            });
        }
    }
}

fn filled_in(expression: &str) -> String {
    // Four scrapes, as Grafana has it for an interval of 1 s.
    let filled = expression
        .replace("$__rate_interval", "4s")
        .replace("$__range_s", "60")
        .replace("$__range", "60s")
        .replace("$job", "spanwire")
        .replace("$instance", ".+")
        .replace("$webview", ".*");
    assert!(!filled.contains('$'), "a variable is left: {filled}");
    filled
}
