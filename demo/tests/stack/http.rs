//! HTTP requests to the servers.

use std::time::{Duration, Instant};

use serde_json::Value;

/// The answer's JSON; an error in words when there is none.
pub fn get(url: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
    let mut request = agent().get(url);
    for (name, value) in parameters {
        request = request.query(*name, *value);
    }
    let mut answer = request.call().map_err(|error| format!("{url}: {error}"))?;
    let status = answer.status();
    let text = answer
        .body_mut()
        .with_config()
        .limit(256 << 20)
        .read_to_string()
        .map_err(|error| format!("{url}: {error}"))?;
    if !status.is_success() {
        return Err(format!("{url} {parameters:?}: {status}: {text}"));
    }
    serde_json::from_str(&text).map_err(|error| format!("{url}: {error}: {text}"))
}

/// Posts JSON; the answer's JSON, and an error in words when it is not taken.
pub fn post(url: &str, json: &str) -> Result<Value, String> {
    let request = agent().post(url).header("content-type", "application/json");
    let mut answer = request
        .send(json)
        .map_err(|error| format!("{url}: {error}"))?;
    let status = answer.status();
    let text = answer.body_mut().read_to_string();
    let text = text.map_err(|error| format!("{url}: {error}"))?;
    if !status.is_success() {
        return Err(format!("{url}: {status}: {text}"));
    }
    serde_json::from_str(&text).map_err(|error| format!("{url}: {error}: {text}"))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(30)))
        .http_status_as_error(false)
        .build()
        .into()
}

/// Asks until there is something, and panics with the last answer when it takes too long.
#[track_caller]
pub fn wait<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match ask() {
            Ok(found) => return found,
            Err(error) if started.elapsed() > limit => {
                panic!("{what}: not within {} s: {error}", limit.as_secs())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}
