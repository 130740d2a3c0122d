//! What the Alertmanager has been told.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::http::{get, wait};

/// Names of the alerts that it holds, be they silenced, inhibited or neither.
pub fn active() -> Result<BTreeSet<String>, String> {
    let alerts = get("http://127.0.0.1:9093/api/v2/alerts", &[])?;
    let alerts = alerts.as_array().ok_or("alerts are a list")?;
    Ok(alerts
        .iter()
        .filter_map(|alert| alert["labels"]["alertname"].as_str())
        .map(str::to_owned)
        .collect())
}

#[track_caller]
pub fn wait_for(wanted: &[&str], limit: Duration) {
    wait(&format!("alerts {wanted:?}"), limit, || {
        let active = active()?;
        match wanted.iter().find(|name| !active.contains(**name)) {
            Some(missing) => Err(format!("no {missing} among {active:?}")),
            None => Ok(()),
        }
    });
}

/// Waits until none of these is left.
#[track_caller]
pub fn wait_without(unwanted: &[&str], limit: Duration) {
    wait(&format!("the end of {unwanted:?}"), limit, || {
        let active = active()?;
        match unwanted.iter().find(|name| active.contains(**name)) {
            Some(left) => Err(format!("{left} among {active:?}")),
            None => Ok(()),
        }
    });
}
