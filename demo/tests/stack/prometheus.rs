//! What Prometheus knows.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::http::{get, wait};

const API: &str = "http://127.0.0.1:9090/api/v1";

/// A series, by its labels, and its samples as times and values.
pub struct Series {
    pub labels: BTreeMap<String, String>,
    pub samples: Vec<(f64, f64)>,
}

/// What an expression is now; a range selector gives the samples themselves.
pub fn query(expression: &str) -> Result<Vec<Series>, String> {
    series(&get(&format!("{API}/query"), &[("query", expression)])?)
}

/// What it was at each second from one time to another.
pub fn query_range(expression: &str, from: f64, to: f64) -> Result<Vec<Series>, String> {
    let (from, to) = (from.to_string(), to.to_string());
    let parameters = [
        ("query", expression),
        ("start", &from),
        ("end", &to),
        ("step", "1"),
    ];
    series(&get(&format!("{API}/query_range"), &parameters)?)
}

/// Waits until an expression has a result.
#[track_caller]
pub fn wait_for(expression: &str, limit: Duration) -> Vec<Series> {
    wait(expression, limit, || match query(expression)? {
        found if found.is_empty() => Err("nothing".to_owned()),
        found => Ok(found),
    })
}

/// Prometheus' own clock.
pub fn now() -> f64 {
    let answer = wait("the time", Duration::from_secs(10), || query("time()"));
    answer[0].samples[0].1
}

pub struct Exemplar {
    pub series: String,
    pub trace_id: String,
}

/// The values of a label of the series that a selector picks.
pub fn label_values(series: &str, label: &str) -> Result<Vec<String>, String> {
    let parameters = [("match[]", series)];
    let answer = get(&format!("{API}/label/{label}/values"), &parameters)?;
    let values = answer["data"].as_array().ok_or("no values")?.iter();
    Ok(values
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect())
}

/// The exemplars of all series of one name, or of all that an expression reads.
pub fn exemplars(name: &str) -> Result<Vec<Exemplar>, String> {
    let parameters = [("query", name), ("start", "0"), ("end", "9999999999")];
    let answer = get(&format!("{API}/query_exemplars"), &parameters)?;
    let mut all = Vec::new();
    for found in answer["data"].as_array().into_iter().flatten() {
        for exemplar in found["exemplars"].as_array().into_iter().flatten() {
            if let Some(id) = exemplar["labels"]["trace_id"].as_str() {
                all.push(Exemplar {
                    series: found["seriesLabels"].to_string(),
                    trace_id: id.to_owned(),
                });
            }
        }
    }
    Ok(all)
}

/// A rule as Prometheus has loaded it.
#[derive(Debug)]
pub struct Rule {
    pub name: String,
    pub query: String,
    pub is_alert: bool,
    pub error: String,
}

pub fn rules() -> Result<Vec<Rule>, String> {
    let answer = get(&format!("{API}/rules"), &[])?;
    let groups = answer["data"]["groups"].as_array().ok_or("no groups")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(groups
        .iter()
        .flat_map(|group| group["rules"].as_array().into_iter().flatten())
        .map(|rule| Rule {
            name: text(&rule["name"]),
            query: text(&rule["query"]),
            is_alert: rule["type"] == "alerting",
            error: text(&rule["lastError"]),
        })
        .collect())
}

fn series(answer: &Value) -> Result<Vec<Series>, String> {
    let data = &answer["data"];
    let sample = |pair: &Value| -> Option<(f64, f64)> {
        Some((pair[0].as_f64()?, pair[1].as_str()?.parse().ok()?))
    };
    if data["resultType"] == "scalar" {
        return Ok(vec![Series {
            labels: BTreeMap::new(),
            samples: sample(&data["result"]).into_iter().collect(),
        }]);
    }
    let result = data["result"].as_array().ok_or("no result")?;
    Ok(result
        .iter()
        .map(|one| Series {
            labels: serde_json::from_value(one["metric"].clone()).unwrap_or_default(),
            samples: match one["values"].as_array() {
                Some(values) => values.iter().filter_map(sample).collect(),
                None => sample(&one["value"]).into_iter().collect(),
            },
        })
        .collect())
}
