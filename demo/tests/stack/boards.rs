//! What the dashboards ask Prometheus: the queries of their panels, variables and annotations.

use std::fs;

use serde_json::Value;

use crate::prometheus;
use crate::servers::root;

/// A query of a panel, and where it stands.
pub struct Panel {
    pub place: String,
    pub expression: String,
    /// Whether Grafana asks for the value at one time instead of over time.
    instant: bool,
    /// Whether it asks for exemplars too.
    exemplar: bool,
}

impl Panel {
    /// Asks Prometheus as Grafana's data source would, for the time that is shown.
    pub fn ask(&self, from: f64, to: f64) -> Result<(), String> {
        if self.instant {
            prometheus::query(&self.expression)?;
        } else {
            prometheus::query_range(&self.expression, from, to)?;
        }
        if self.exemplar {
            prometheus::exemplars(&self.expression)?;
        }
        Ok(())
    }
}

/// The list of values that a variable offers.
pub struct Variable {
    pub place: String,
    pub series: String,
    pub label: String,
}

/// The queries of all panels, with Grafana's variables filled in as Grafana would.
pub fn panels() -> Vec<Panel> {
    let mut all = Vec::new();
    for board in boards() {
        collect(&board, title(&board), &mut all);
    }
    assert!(all.len() > 150, "only {} queries were found", all.len());
    all
}

/// The variables of all dashboards that take their values from Prometheus.
pub fn variables() -> Vec<Variable> {
    let mut all = Vec::new();
    for board in boards() {
        let variables = board["templating"]["list"].as_array().into_iter().flatten();
        for variable in variables.filter(|variable| variable["type"] == "query") {
            let query = variable["query"].as_str().expect("it has a query");
            let (series, label) = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')')?.rsplit_once(", "))
                .unwrap_or_else(|| panic!("{query} is no label_values"));
            all.push(Variable {
                place: format!("{}: ${}", title(&board), variable["name"]),
                series: filled_in(series),
                label: label.to_owned(),
            });
        }
    }
    assert!(all.len() >= 18, "only {} variables were found", all.len());
    all
}

/// The expressions of all annotations, each with where it stands.
pub fn annotations() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for board in boards() {
        let annotations = board["annotations"]["list"].as_array();
        for annotation in annotations.into_iter().flatten() {
            let expression = annotation["expr"].as_str().expect("it has an expression");
            let place = format!("{}: {}", title(&board), annotation["name"]);
            all.push((place, filled_in(expression)));
        }
    }
    assert!(all.len() >= 6, "only {} annotations were found", all.len());
    all
}

fn title(board: &Value) -> &str {
    board["title"].as_str().expect("it has a title")
}

fn boards() -> Vec<Value> {
    let mut all = Vec::new();
    let folder = root().join("grafana/dashboards");
    for file in fs::read_dir(folder).expect("there are dashboards") {
        let path = file.expect("it can be read").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("it can be read");
        all.push(serde_json::from_str(&text).expect("it is JSON"));
    }
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
                instant: target["instant"] == true,
                exemplar: target["exemplar"] == true,
            });
        }
    }
}

fn filled_in(expression: &str) -> String {
    // Four scrapes, as Grafana has it for an interval of 1 s.
    let filled = expression
        .replace("$__rate_interval_ms", "4000")
        .replace("$__rate_interval", "4s")
        .replace("$__range_s", "60")
        .replace("$__range", "60s")
        .replace("$job", "spanwire")
        .replace("$instance", ".+")
        .replace("$webview", ".*");
    // `$1` and `$` are regular expressions'.
    let mut rest = filled.split('$').skip(1);
    let is_left =
        rest.any(|after| after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    assert!(!is_left, "a variable is left: {filled}");
    filled
}
