//! The files that the command carries: those of the repository, as they were when it was built.
//!
//! A file that is added to one of the folders is added here: a test says which line is missing. What is
//! not exported with them is named and not linked to.

use std::borrow::Cow;

/// A file, and where it belongs below the folder that it is exported into.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) path: String,
    // Borrowed from the binary, unless links to runbooks were written into it.
    pub(super) bytes: Cow<'static, [u8]>,
}

/// Files that are exported together.
#[derive(Debug)]
pub(super) struct Bundle {
    /// Folders, by where they are exported to.
    folders: &'static [(&'static str, Folder)],
    /// Folders of which a server loads whatever is in them, with the extension of what it loads.
    pub(super) loaded: &'static [(&'static str, &'static str)],
}

/// Names within a folder of the repository, with what is in them.
type Folder = &'static [(&'static str, &'static [u8])];

macro_rules! folder {
    ($from:literal: $($name:literal)*) => {
        // A macro and no directory walk: a walk at build time would need a build script, and would
        // take whatever lies in the folder.
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $from, "/", $name)))),*]
    };
}

/// Grafana's dashboards and what loads them.
pub(super) const DASHBOARDS: Bundle = Bundle {
    folders: &[("dashboards", BOARDS), ("provisioning", PROVISIONING)],
    loaded: &[("dashboards", "json")],
};

/// Prometheus' rules, the Alertmanager's example, and what to do about each alert.
pub(super) const ALERTS: Bundle = Bundle {
    folders: &[
        ("rules", RULES),
        ("alertmanager", ALERTMANAGER),
        ("runbooks", RUNBOOKS),
    ],
    loaded: &[("rules", "yml")],
};

/// Every server's files, where the repository has them: those that start it find them there.
pub(super) const STACK: Bundle = Bundle {
    folders: &[
        // The paths are those of the repository, since these files name each other by them.
        ("", COMPOSE_FILES),
        ("scripts", SCRIPTS),
        ("deploy", DEPLOY),
        ("deploy/prometheus/rules", RULES),
        ("deploy/alertmanager", ALERTMANAGER),
        ("grafana/dashboards", BOARDS),
        ("grafana/provisioning", PROVISIONING),
        ("docs/runbooks", RUNBOOKS),
    ],
    loaded: &[
        ("deploy/prometheus/rules", "yml"),
        ("grafana/dashboards", "json"),
    ],
};

const BOARDS: Folder = folder! { "grafana/dashboards":
    "fleet.json"
    "ipc.json"
    "laggy.json"
    "live.json"
    "operations.json"
    "process.json"
    "telemetry.json"
};

const PROVISIONING: Folder = folder! { "grafana/provisioning":
    "dashboards/spanwire.yml"
    "datasources/spanwire.yml"
};

const RULES: Folder = folder! { "deploy/prometheus/rules":
    "messages.yml"
    "objectives.yml"
    "operations.yml"
    "page.yml"
    "process.yml"
    "queues.yml"
    "telemetry.yml"
};

const ALERTMANAGER: Folder = folder! { "deploy/alertmanager":
    "alertmanager.yml"
    "webhook-url"
};

const COMPOSE_FILES: Folder = folder! { ".":
    "docker-compose.yml"
};

const SCRIPTS: Folder = folder! { "scripts":
    "compose"
};

/// What is neither above nor for tests.
const DEPLOY: Folder = folder! { "deploy":
    "README.md"
    "collector/collector.yml"
    "collector/tempo-loki.yml"
    "compose/grafana/grafana.ini"
    "compose/grafana/tempo-loki.yml"
    "compose/linux.yml"
    "compose/targets/alertmanager.yml"
    "compose/targets/spanwire.yml"
    "compose/targets/stack.yml"
    "compose/tempo.linux.yml"
    "compose/tempo.yml"
    "compose/webhook-url"
    "jaeger/jaeger.yml"
    "loki/loki.yml"
    "prometheus/prometheus.yml"
    "prometheus/targets/alertmanager.yml"
    "prometheus/targets/spanwire.yml"
    "prometheus/targets/stack.yml"
    "tempo/tempo.yml"
};

const RUNBOOKS: Folder = folder! { "docs/runbooks":
    "README.md"
    "SpanwireCallsUnsettled.md"
    "SpanwireDeliveryBudgetFastBurn.md"
    "SpanwireDeliveryBudgetSlowBurn.md"
    "SpanwireDeliverySlow.md"
    "SpanwireErrorRateHigh.md"
    "SpanwireEventRateGrown.md"
    "SpanwireHandlerSlow.md"
    "SpanwireLatencyBudgetFastBurn.md"
    "SpanwireLatencyBudgetSlowBurn.md"
    "SpanwireHostCpuSaturated.md"
    "SpanwireMainThreadBlocked.md"
    "SpanwireMainThreadHung.md"
    "SpanwireMemoryGrowth.md"
    "SpanwireMessageSizeGrown.md"
    "SpanwireMessagesDropped.md"
    "SpanwireOperationErrorRateHigh.md"
    "SpanwirePageGone.md"
    "SpanwirePageInert.md"
    "SpanwirePageReloadLoop.md"
    "SpanwirePageThreadSaturated.md"
    "SpanwirePageUnresponsive.md"
    "SpanwireQueueMessagesDropped.md"
    "SpanwireQueueNearlyFull.md"
    "SpanwireStartupSlow.md"
    "SpanwireTargetDown.md"
    "SpanwireTelemetryLost.md"
    "SpanwireTelemetrySpooling.md"
};

impl File {
    pub(super) fn text(&self) -> &str {
        // All of them are UTF-8 in the repository.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// Whether it is a program. Windows has no right that would say so.
    #[cfg(unix)]
    pub(super) fn runs(&self) -> bool {
        // By its first line, since the bytes in the binary have lost the file's mode.
        self.bytes.starts_with(b"#!")
    }
}

impl Bundle {
    pub(super) fn files(&self) -> impl Iterator<Item = File> {
        self.folders.iter().flat_map(|(to, folder)| {
            folder.iter().map(move |(name, bytes)| File {
                path: match *to {
                    "" => (*name).to_owned(),
                    to => format!("{to}/{name}"),
                },
                bytes: Cow::Borrowed(*bytes),
            })
        })
    }

    /// The files of a folder.
    pub(super) fn folder(&self, name: &str) -> impl Iterator<Item = File> {
        let within = format!("{name}/");
        self.files()
            .filter(move |file| file.path.starts_with(&within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// What lies in the folders and is not exported.
    const LEFT_OUT: &[&str] = &["deploy/compose/test/", "deploy/prometheus/tests/"];

    fn find(folder: &Path, path: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = format!("{path}/{name}");
            if entry.path().is_dir() {
                find(&entry.path(), &path, found);
            } else if !LEFT_OUT.iter().any(|out| path.starts_with(out)) {
                found.insert(path);
            }
        }
    }

    #[test]
    fn no_file_of_the_folders_is_missing() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut found = BTreeSet::new();
        for folder in [
            "deploy",
            "grafana/dashboards",
            "grafana/provisioning",
            "docs/runbooks",
        ] {
            find(&root.join(folder), folder, &mut found);
        }
        for entry in std::fs::read_dir(root).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with("docker-compose") {
                found.insert(name);
            }
        }
        found.insert("scripts/compose".into());
        let bundled: BTreeSet<String> = STACK.files().map(|file| file.path).collect();
        assert_eq!(bundled, found);
        for file in STACK.files() {
            let there = std::fs::read(root.join(&file.path)).unwrap();
            assert!(
                file.bytes == there,
                "{} was another when it was built",
                file.path
            );
        }
    }

    #[test]
    fn what_is_exported_alone_is_exported_whole() {
        let count = |bundle: &Bundle, folder: &str| bundle.folder(folder).count();
        for (folder, bundle, within) in [
            ("grafana/dashboards", &DASHBOARDS, "dashboards"),
            ("grafana/provisioning", &DASHBOARDS, "provisioning"),
            ("deploy/prometheus/rules", &ALERTS, "rules"),
            ("deploy/alertmanager", &ALERTS, "alertmanager"),
            ("docs/runbooks", &ALERTS, "runbooks"),
        ] {
            assert_eq!(count(&STACK, folder), count(bundle, within), "{folder}");
        }
    }

    #[test]
    fn no_file_names_a_repository_that_the_project_does_not_own() {
        let address = concat!("github.com/", env!("CARGO_PKG_NAME"));
        for bundle in [&DASHBOARDS, &ALERTS, &STACK] {
            for file in bundle.files() {
                assert!(!file.text().contains(address), "{}", file.path);
            }
        }
    }

    #[test]
    fn links_lead_to_what_is_exported_too() {
        let mut broken = Vec::new();
        for bundle in [&DASHBOARDS, &ALERTS, &STACK] {
            let paths: BTreeSet<String> = bundle.files().map(|file| file.path).collect();
            for file in bundle.files().filter(|file| file.path.ends_with(".md")) {
                let links = file.text().split("](").skip(1);
                for link in links.filter_map(|rest| rest.split([')', '#']).next()) {
                    let mut place: Vec<&str> = file.path.split('/').collect();
                    place.pop();
                    for name in link.split('/') {
                        match name {
                            ".." => drop(place.pop()),
                            "" | "." => {}
                            name => place.push(name),
                        }
                    }
                    let place = place.join("/");
                    let is_there = |path: &String| {
                        let rest = path.strip_prefix(&place);
                        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    };
                    if !link.contains("://") && !link.is_empty() && !paths.iter().any(is_there) {
                        broken.push(format!("{}: {link}", file.path));
                    }
                }
            }
        }
        assert_eq!(broken, [""; 0]);
    }
}
