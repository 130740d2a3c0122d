//! Links to the runbooks, for users who publish them.
//!
//! The rules name each alert's runbook by the file that is exported beside them. No address is ours to
//! link to, so one is written only when the user gives it.

use std::borrow::Cow;

use crate::address::url;
use crate::bundle::File;

/// The address at which the user publishes the exported runbooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunbookUrl(String);

impl RunbookUrl {
    /// Reads it from the command line. A name of a file must be able to follow it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        // Prometheus would take braces for a template.
        if text.contains(['?', '#', '{', '}']) {
            return Err("a file's name cannot follow ?, #, { or }".to_owned());
        }
        let uri = url(text)?.to_string();
        Ok(Self(uri.trim_end_matches('/').to_owned()))
    }

    /// The file with links to the runbooks, if it is one that has them.
    pub(super) fn link(&self, file: File) -> File {
        let linked = match file.path.rsplit_once('.') {
            Some((_, "yml")) => self.link_rules(file.text()),
            Some((_, "json")) => self.link_dashboard(file.text()),
            _ => None,
        };
        match linked {
            Some(text) => File {
                bytes: Cow::Owned(text.into_bytes()),
                ..file
            },
            None => file,
        }
    }

    /// Adds `runbook_url` after each `runbook`. The generator writes one key a line.
    fn link_rules(&self, text: &str) -> Option<String> {
        let mut linked = String::new();
        let mut found = false;
        for line in text.lines() {
            linked.push_str(line);
            linked.push('\n');
            // What is before the key is its indentation, which the new line gets too.
            if let Some((indent, name)) = line.split_once("runbook: runbooks/") {
                let quoted = quoted(&format!("{}/{name}", self.0));
                linked.push_str(&format!("{indent}runbook_url: {quoted}\n"));
                found = true;
            }
        }
        found.then_some(linked)
    }

    /// Adds a link to the index of the runbooks after the dashboard's own links.
    fn link_dashboard(&self, text: &str) -> Option<String> {
        // As text: to parse and write the JSON again would change the order and the form of all the
        // rest.
        let links = text.find("\n  \"links\": [\n")?;
        // Two spaces: the list of the dashboard itself, and none within a panel.
        let end = links + text.get(links..)?.find("\n  ]")?;
        let (before, after) = text.split_at(end);
        let url = quoted(&format!("{}/README.md", self.0));
        Some(format!(
            r#"{before},
    {{
      "title": "Runbooks",
      "type": "link",
      "icon": "doc",
      "tooltip": "What each alert means and what to do",
      "tags": [],
      "asDropdown": false,
      "targetBlank": true,
      "includeVars": false,
      "keepTime": false,
      "url": {url}
    }}{after}"#
        ))
    }
}

/// Text in quotes, as JSON and YAML read it.
fn quoted(text: &str) -> String {
    // YAML reads JSON's strings: a URL may hold what YAML would read as a comment or a key.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{ALERTS, DASHBOARDS};

    #[test]
    fn an_address_that_no_file_name_can_follow_is_refused() {
        for bad in [
            "",
            "ftp://wiki",
            "https://wiki/?page=",
            "https://wiki/#runbooks",
            "https://wiki/{{ $labels.job }}",
            "https://a b",
        ] {
            assert!(RunbookUrl::parse(bad).is_err(), "{bad}");
        }
        for (given, kept) in [
            (
                "https://wiki.example/runbooks/",
                "https://wiki.example/runbooks",
            ),
            ("wiki.example:8080", "http://wiki.example:8080"),
        ] {
            assert_eq!(RunbookUrl::parse(given), Ok(RunbookUrl(kept.to_owned())));
        }
    }

    #[test]
    fn every_alert_and_every_dashboard_gets_a_link() {
        let url = RunbookUrl::parse("https://wiki.example/a\"b").unwrap();
        for file in ALERTS.folder("rules") {
            let path = file.path.clone();
            let alerts = file.text().matches("alert: ").count();
            let linked = url.link(file);
            let links = linked
                .text()
                .matches("runbook_url: \"https://wiki.example/a\\\"b/Spanwire")
                .count();
            assert_eq!(links, alerts, "{path}");
        }
        for file in DASHBOARDS.folder("dashboards") {
            let linked = url.link(file);
            let json: serde_json::Value = serde_json::from_str(linked.text()).unwrap();
            let links = json["links"].as_array().unwrap();
            assert_eq!(links.len(), 2, "{}", linked.path);
            assert_eq!(links[1]["url"], "https://wiki.example/a\"b/README.md");
        }
    }

    #[test]
    fn other_files_stay_as_they_are() {
        let url = RunbookUrl::parse("https://wiki.example").unwrap();
        let others = ["alertmanager", "runbooks"].map(|folder| ALERTS.folder(folder));
        for file in others.into_iter().flatten() {
            let before = file.bytes.clone();
            assert_eq!(url.link(file).bytes, before);
        }
    }
}
