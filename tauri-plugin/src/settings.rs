//! What `plugins.spanwire` in `tauri.conf.json` says.
//!
//! Where a variable of the environment means the same, the setting is its default, so the one who
//! runs the app has the last word of the two, and the app's builder the last of all.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What a page's `traceparent` header is to the plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PageTraces {
    /// It is ignored: a call begins a trace.
    #[default]
    Ignored,
    /// It is the parent of the call. The page then decides the trace, and whether it is sampled; so
    /// do pages of other origins, where the app's capabilities let them call.
    Accepted,
}

/// What the plugin does by itself. `None` is the default of the library.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) telemetry: Option<bool>,
    pub(crate) ask_first: bool,
    pub(crate) page_traces: PageTraces,
    pub(crate) main_thread_budget: Option<Duration>,
    pub(crate) event_spans_per_second_max: Option<u32>,
    pub(crate) shutdown_deadline: Option<Duration>,
    /// Variables of the environment, for those that are not set.
    pub(crate) variables: HashMap<&'static str, String>,
}

/// A setting that cannot be used. The app runs on with the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SettingsWarning {
    NotAnObject,
    Unknown {
        key: String,
        did_you_mean: Option<&'static str>,
    },
    Unusable {
        key: &'static str,
        accepts: &'static str,
    },
}

/// What a setting accepts.
#[derive(Clone, Copy)]
enum Kind {
    Bool,
    Text,
    Port,
    Count,
    Milliseconds,
    Share,
    PageTraces,
}

/// What a setting is for.
#[derive(Clone, Copy)]
enum Target {
    Telemetry,
    AskFirst,
    PageTraces,
    MainThreadBudget,
    EventSpans,
    ShutdownDeadline,
    /// The default of a variable that the library reads.
    Variable(&'static str),
}

// A table and no derived struct: with `deny_unknown_fields` one bad key would lose all the others,
// and without it a misspelt key would go unnoticed.
const KEYS: [(&str, Kind, Target); 17] = [
    ("telemetry", Kind::Bool, Target::Telemetry),
    ("askFirst", Kind::Bool, Target::AskFirst),
    ("pageTraces", Kind::PageTraces, Target::PageTraces),
    (
        "mainThreadBudgetMs",
        Kind::Milliseconds,
        Target::MainThreadBudget,
    ),
    ("eventSpansPerSecondMax", Kind::Count, Target::EventSpans),
    (
        "shutdownDeadlineMs",
        Kind::Milliseconds,
        Target::ShutdownDeadline,
    ),
    ("enabled", Kind::Bool, Target::Variable("SPANWIRE_ENABLED")),
    (
        "serviceName",
        Kind::Text,
        Target::Variable("OTEL_SERVICE_NAME"),
    ),
    (
        "otlpEndpoint",
        Kind::Text,
        Target::Variable("OTEL_EXPORTER_OTLP_ENDPOINT"),
    ),
    (
        "prometheusHost",
        Kind::Text,
        Target::Variable("OTEL_EXPORTER_PROMETHEUS_HOST"),
    ),
    (
        "prometheusPort",
        Kind::Port,
        Target::Variable("OTEL_EXPORTER_PROMETHEUS_PORT"),
    ),
    (
        "metricsExporter",
        Kind::Text,
        Target::Variable("OTEL_METRICS_EXPORTER"),
    ),
    (
        "logsExporter",
        Kind::Text,
        Target::Variable("OTEL_LOGS_EXPORTER"),
    ),
    (
        "tracesPerSecond",
        Kind::Count,
        Target::Variable("SPANWIRE_TRACES_PER_SECOND"),
    ),
    (
        "slowThresholdMs",
        Kind::Milliseconds,
        Target::Variable("SPANWIRE_SLOW_THRESHOLD_MS"),
    ),
    (
        "ipcSlowThresholdMs",
        Kind::Milliseconds,
        Target::Variable("SPANWIRE_IPC_SLOW_THRESHOLD_MS"),
    ),
    (
        "errorRateThreshold",
        Kind::Share,
        Target::Variable("SPANWIRE_ERROR_RATE_THRESHOLD"),
    ),
];

impl Settings {
    /// Reads them; what cannot be used is a warning, and the default holds.
    pub(crate) fn read(config: &Value) -> (Self, Vec<SettingsWarning>) {
        let mut settings = Self::default();
        let empty = Map::new();
        let (map, mut warnings) = match config {
            Value::Null => (&empty, Vec::new()),
            Value::Object(map) => (map, Vec::new()),
            _ => (&empty, vec![SettingsWarning::NotAnObject]),
        };
        for (key, value) in map {
            match KEYS.iter().find(|(known, ..)| known == key) {
                Some(&(key, kind, target)) => {
                    if settings.set(kind, target, value).is_none() {
                        let accepts = kind.accepts();
                        warnings.push(SettingsWarning::Unusable { key, accepts });
                    }
                }
                None => warnings.push(SettingsWarning::Unknown {
                    key: key.clone(),
                    did_you_mean: similar(key),
                }),
            }
        }
        (settings, warnings)
    }

    fn set(&mut self, kind: Kind, target: Target, value: &Value) -> Option<()> {
        let text = kind.read(value)?;
        match target {
            Target::Telemetry => self.telemetry = text.parse().ok(),
            Target::AskFirst => self.ask_first = text == "true",
            Target::PageTraces => self.page_traces = PageTraces::deserialize(value).ok()?,
            Target::MainThreadBudget => self.main_thread_budget = Some(milliseconds(&text)?),
            Target::EventSpans => self.event_spans_per_second_max = text.parse().ok(),
            Target::ShutdownDeadline => self.shutdown_deadline = Some(milliseconds(&text)?),
            Target::Variable(name) => {
                self.variables.insert(name, text);
            }
        }
        Some(())
    }
}

fn milliseconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

impl Kind {
    const fn accepts(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Text => "a text that is not empty",
            Self::Port => "a port from 0 to 65535, where 0 takes a free one",
            Self::Count => "a whole number from 0 to 4294967295",
            Self::Milliseconds => "a whole number of milliseconds from 0 to 4294967295",
            Self::Share => "a number from 0.0 to 1.0",
            Self::PageTraces => r#""ignored" or "accepted""#,
        }
    }

    /// The value as a variable of the environment has it, if it is of this kind.
    fn read(self, value: &Value) -> Option<String> {
        match self {
            Self::Bool => value.as_bool().map(|truth| truth.to_string()),
            Self::Text => value
                .as_str()
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            Self::Port => number(value, u16::MAX.into()),
            Self::Count | Self::Milliseconds => number(value, u32::MAX.into()),
            Self::Share => value
                .as_f64()
                .filter(|share| (0.0..=1.0).contains(share))
                .map(|share| share.to_string()),
            // `set` reads the value itself: it becomes no variable.
            Self::PageTraces => PageTraces::deserialize(value).ok().map(|_| String::new()),
        }
    }
}

fn number(value: &Value, max: u64) -> Option<String> {
    value
        .as_u64()
        .filter(|number| *number <= max)
        .map(|number| number.to_string())
}

/// A known key that differs only in case, `-` and `_`.
fn similar(key: &str) -> Option<&'static str> {
    let plain = |key: &str| key.replace(['-', '_'], "").to_lowercase();
    let key = plain(key);
    let mut known = KEYS.iter().map(|(known, ..)| *known);
    known.find(|known| plain(known) == key)
}

impl fmt::Display for SettingsWarning {
    /// Names the key, and never the value: it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str(
                "plugins.spanwire in tauri.conf.json is no object, so none of its settings holds",
            ),
            Self::Unknown { key, did_you_mean } => {
                // The key is any text of the file. It must neither flood a terminal nor control it.
                let key: String = key.chars().take(64).filter(|c| !c.is_control()).collect();
                write!(f, "plugins.spanwire.{key} in tauri.conf.json is no setting")?;
                match did_you_mean {
                    Some(known) => write!(f, "; {known} is one"),
                    None => Ok(()),
                }
            }
            Self::Unusable { key, accepts } => write!(
                f,
                "plugins.spanwire.{key} in tauri.conf.json cannot be used, so the default holds; it \
                 accepts {accepts}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn warnings(config: &Value) -> Vec<String> {
        let (_, warnings) = Settings::read(config);
        warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn settings_become_what_they_are_for() {
        let (settings, warnings) = Settings::read(&json!({
            "telemetry": false,
            "askFirst": true,
            "pageTraces": "accepted",
            "mainThreadBudgetMs": 8,
            "eventSpansPerSecondMax": 0,
            "shutdownDeadlineMs": 500,
            "prometheusPort": 0,
            "otlpEndpoint": "http://localhost:4318",
            "errorRateThreshold": 0.25,
        }));
        assert_eq!(warnings, []);
        assert_eq!(settings.telemetry, Some(false));
        assert!(settings.ask_first);
        assert_eq!(settings.page_traces, PageTraces::Accepted);
        assert_eq!(settings.main_thread_budget, Some(Duration::from_millis(8)));
        assert_eq!(settings.event_spans_per_second_max, Some(0));
        assert_eq!(settings.shutdown_deadline, Some(Duration::from_millis(500)));
        let variable = |name| settings.variables.get(name).map(String::as_str);
        assert_eq!(variable("OTEL_EXPORTER_PROMETHEUS_PORT"), Some("0"));
        assert_eq!(
            variable("OTEL_EXPORTER_OTLP_ENDPOINT"),
            Some("http://localhost:4318")
        );
        assert_eq!(variable("SPANWIRE_ERROR_RATE_THRESHOLD"), Some("0.25"));
    }

    #[test]
    fn no_settings_are_fine() {
        assert_eq!(warnings(&Value::Null), [""; 0]);
        assert_eq!(warnings(&json!({})), [""; 0]);
    }

    #[test]
    fn a_wrong_type_is_a_warning_that_names_the_key() {
        for (key, value) in [
            ("telemetry", json!("yes")),
            ("pageTraces", json!("maybe")),
            ("pageTraces", json!(true)),
            ("prometheusPort", json!("9464")),
            ("prometheusPort", json!(70_000)),
            ("prometheusPort", json!(-1)),
            ("mainThreadBudgetMs", json!(1.5)),
            ("shutdownDeadlineMs", json!(null)),
            ("otlpEndpoint", json!(["http://token@localhost"])),
            ("otlpEndpoint", json!("")),
            ("errorRateThreshold", json!(2)),
        ] {
            let warnings = warnings(&json!({ key: value.clone() }));
            assert_eq!(warnings.len(), 1, "{key}: {value}");
            let expected = format!("plugins.spanwire.{key} in tauri.conf.json cannot be used");
            assert!(warnings[0].starts_with(&expected), "{}", warnings[0]);
            assert!(!warnings[0].contains("token"), "{}", warnings[0]);
        }
    }

    #[test]
    fn an_unknown_key_is_a_warning_that_names_it_and_the_other_settings_hold() {
        let (settings, warnings) =
            Settings::read(&json!({ "prometheus_port": 1, "colour": "red", "telemetry": true }));
        let mut texts: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        texts.sort();
        assert_eq!(
            texts,
            [
                "plugins.spanwire.colour in tauri.conf.json is no setting",
                "plugins.spanwire.prometheus_port in tauri.conf.json is no setting; prometheusPort is one",
            ]
        );
        assert_eq!(settings.telemetry, Some(true));
    }

    #[test]
    fn what_is_no_object_is_a_warning() {
        for config in [json!([]), json!("on"), json!(1), json!(true)] {
            assert_eq!(warnings(&config).len(), 1, "{config}");
        }
    }
}
