//! The files that the command carries: those of the repository, as they were when it was built.
//!
//! A file that is added to one of the folders is added here: a test says which line is missing.

/// A file, and where it belongs below the folder that it is exported into.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: &'static str,
    pub(super) bytes: &'static [u8],
}

/// Files that are exported together.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) files: &'static [File],
    /// Folders of which a server loads whatever is in them, with the extension of what it loads.
    pub(super) loaded: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($($from:literal as $to:literal { $($name:literal)* })*) => {
        &[$($(File {
            path: concat!($to, "/", $name),
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $from, "/", $name)),
        },)*)*]
    };
}

/// Grafana's dashboards and what loads them.
pub(super) const DASHBOARDS: Bundle = Bundle {
    files: files! {
        "grafana/dashboards" as "dashboards" {
            "fleet.json"
            "ipc.json"
            "live.json"
            "operations.json"
            "process.json"
            "telemetry.json"
        }
        "grafana/provisioning" as "provisioning" {
            "dashboards/spanwire.yml"
            "datasources/spanwire.yml"
        }
    },
    loaded: &[("dashboards", "json")],
};

/// Prometheus' rules, the Alertmanager's example, and what to do about each alert.
pub(super) const ALERTS: Bundle = Bundle {
    files: files! {
        "deploy/prometheus/rules" as "rules" {
            "messages.yml"
            "objectives.yml"
            "operations.yml"
            "page.yml"
            "process.yml"
            "queues.yml"
            "telemetry.yml"
        }
        "deploy/alertmanager" as "alertmanager" {
            "alertmanager.yml"
        }
        "docs/runbooks" as "runbooks" {
            "README.md"
            "SpanwireDeliveryBudgetFastBurn.md"
            "SpanwireDeliveryBudgetSlowBurn.md"
            "SpanwireDeliverySlow.md"
            "SpanwireErrorRateHigh.md"
            "SpanwireHandlerSlow.md"
            "SpanwireLatencyBudgetFastBurn.md"
            "SpanwireLatencyBudgetSlowBurn.md"
            "SpanwireMainThreadBlocked.md"
            "SpanwireMainThreadHung.md"
            "SpanwireMemoryGrowth.md"
            "SpanwireMessagesDropped.md"
            "SpanwireOperationErrorRateHigh.md"
            "SpanwirePageGone.md"
            "SpanwirePageUnresponsive.md"
            "SpanwireQueueMessagesDropped.md"
            "SpanwireQueueNearlyFull.md"
            "SpanwireTargetDown.md"
            "SpanwireTelemetryLost.md"
        }
    },
    loaded: &[("rules", "yml")],
};

impl File {
    pub(super) fn text(&self) -> &'static str {
        std::str::from_utf8(self.bytes).unwrap_or_default()
    }
}

impl Bundle {
    /// The files directly in a folder.
    pub(super) fn folder(&self, name: &str) -> impl Iterator<Item = &'static File> {
        self.files.iter().filter(move |file| {
            let rest = file.path.strip_prefix(name);
            rest.and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| !rest.contains('/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::Path;

    /// The folders of the repository, and where their files go.
    const FOLDERS: &[(&str, &str, &Bundle)] = &[
        ("grafana/dashboards", "dashboards", &DASHBOARDS),
        ("grafana/provisioning", "provisioning", &DASHBOARDS),
        ("deploy/prometheus/rules", "rules", &ALERTS),
        ("deploy/alertmanager", "alertmanager", &ALERTS),
        ("docs/runbooks", "runbooks", &ALERTS),
    ];

    fn find(folder: &Path, to: &str, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let to = format!("{to}/{name}");
            if name.starts_with('.') {
                // The exceptions of a linter.
            } else if path.is_dir() {
                find(&path, &to, found);
            } else {
                found.insert(to, std::fs::read(path).unwrap());
            }
        }
    }

    #[test]
    fn no_file_of_the_folders_is_missing() {
        for bundle in [&DASHBOARDS, &ALERTS] {
            let mut found = BTreeMap::new();
            for (from, to, _) in FOLDERS.iter().filter(|(.., of)| std::ptr::eq(*of, bundle)) {
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                find(&root.join(from), to, &mut found);
            }
            let bundled: BTreeMap<String, Vec<u8>> = bundle
                .files
                .iter()
                .map(|file| (file.path.to_owned(), file.bytes.to_vec()))
                .collect();
            let names =
                |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&bundled), names(&found));
            assert!(bundled == found, "it was built from other files");
        }
    }
}
