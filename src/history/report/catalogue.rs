//! The catalogue of findings, which `spanwire doctor --diagnose` and the alerts are made from too.

use std::collections::HashMap;

use serde::Deserialize;

/// What the catalogue says of a finding.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entry {
    id: String,
    pub(super) severity: String,
    pub(super) stage: String,
    pub(super) remedy: String,
    pub(super) runbook: Option<String>,
}

#[derive(Debug, Deserialize)]
struct File {
    findings: Vec<Entry>,
}

/// All of them, by their ids.
pub(super) fn entries() -> HashMap<String, Entry> {
    // The file is compiled in and tested, so this cannot fail in an app. A panic would be the
    // app's.
    let catalogue: File = serde_json::from_str(CATALOGUE).unwrap_or(File {
        findings: Vec::new(),
    });
    let mut entries: HashMap<String, Entry> = HashMap::new();
    for (id, stage, remedy) in OF_HISTORY {
        entries.insert(
            (*id).to_owned(),
            Entry {
                id: (*id).to_owned(),
                severity: "warning".to_owned(),
                stage: (*stage).to_owned(),
                remedy: (*remedy).to_owned(),
                runbook: None,
            },
        );
    }
    // The catalogue comes last and wins, should it name one of these some day.
    entries.extend(
        catalogue
            .findings
            .into_iter()
            .map(|entry| (entry.id.clone(), entry)),
    );
    entries
}

// The generator in `grafana/src/findings/` writes this file; the crate cannot run it.
const CATALOGUE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/grafana/findings.json"
));

/// What records show one by one, and no metric does.
const OF_HISTORY: &[(&str, &str, &str)] = &[
    (
        "calls-in-a-row",
        "wire",
        "ask for all of it in one call: a handler that takes a list answers once, where each call \
         costs a way there and back",
    ),
    (
        "slower-than-before",
        "app",
        "compare what changed with `spanwire compare`: a new version, more data, or another \
         process on the machine; the stages of the slowest events say where the time goes",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_entry() {
        let entries = entries();
        for id in super::super::advice::RULES {
            let entry = entries.get(*id).unwrap_or_else(|| panic!("{id}"));
            assert!(!entry.remedy.is_empty(), "{id}");
        }
    }
}
