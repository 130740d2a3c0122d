//! Apps with a subscriber or a recorder of their own: each kind of app is a real process, and what
//! is seen of it is what the tables in `docs/guide/existing.md` say.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]
#![expect(clippy::print_stdout, reason = "a child tells its parent what it saw")]

use std::collections::BTreeMap;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use spanwire::ipc::{Call, DataError, Ipc};
use spanwire::telemetry::Telemetry;
use spanwire_testkit::child_process::{self, is_child};
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::scrape::scrape_text;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How the app of a child is built, in variables that the child reads.
const SUBSCRIBER: &str = "TEST_SUBSCRIBER";
const RECORDER: &str = "TEST_RECORDER";
const FILTER: &str = "TEST_FILTER";

const NONE: &str = "none";
const BEFORE: &str = "set before `install()`";
const AFTER: &str = "set after `install()`";
const AFTER_SPAN: &str = "set within a second after the first span";
const WITH_LAYER: &str = "has `parts.layer()`";
const FILTERED: &str = "has `parts.layer()` below a filter at `warn`";

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// As `tracing_subscriber::fmt::init` does, which panics when the place is taken.
fn init_lines() {
    tracing_subscriber::fmt()
        .with_max_level(level())
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
}

/// What an `EnvFilter` would read from `RUST_LOG`.
fn level() -> LevelFilter {
    match variable(FILTER).as_str() {
        "" => LevelFilter::INFO,
        filter => filter.parse().unwrap(),
    }
}

/// The app's own recorder, and whether it is the process's.
fn set_recorder() -> (PrometheusHandle, bool) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    (handle, metrics::set_global_recorder(recorder).is_ok())
}

/// The app: set up as the variables say, one call from a page, and what is seen of it.
fn app() {
    let (subscriber, recorder) = (variable(SUBSCRIBER), variable(RECORDER));
    if subscriber == BEFORE {
        init_lines();
    }
    let mut own = (recorder == BEFORE).then(set_recorder);
    let builder = Telemetry::builder("existing");
    let telemetry = match subscriber.as_str() {
        WITH_LAYER | FILTERED => {
            let (telemetry, parts) = builder.build().unwrap();
            let whole = match subscriber.as_str() {
                FILTERED => LevelFilter::WARN,
                _ => LevelFilter::TRACE,
            };
            let lines = tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_writer(std::io::stderr);
            let lines = tracing_subscriber::Layer::with_filter(lines, level());
            tracing_subscriber::registry()
                .with(whole)
                .with(lines)
                .with(parts.layer())
                .init();
            parts.set_globals();
            telemetry
        }
        _ => builder.install().unwrap(),
    };
    if recorder == AFTER {
        own = Some(set_recorder());
    }
    if subscriber == AFTER_SPAN {
        tracing::info_span!("first").in_scope(|| {});
    }
    if subscriber == AFTER || subscriber == AFTER_SPAN {
        init_lines();
    }

    let ipc = Ipc::builder("main").build();
    ipc.on("save", |_: &Call| -> Result<u32, DataError> {
        tracing::info!("at work");
        tracing::warn!("take care");
        Ok(3)
    })
    .unwrap();
    let mut page = ModelPage::load(&ipc, "p1");
    page.call(&ipc, "save", json!([]));
    page.pump(&ipc);

    let warnings = format!("{:?}", telemetry.warnings());
    let scraped = scrape_text(telemetry.prometheus_addr().unwrap());
    // The name as either recorder writes it.
    let series = "spanwire_ipc_messages";
    let is_own = own
        .as_ref()
        .map(|(handle, _)| handle.render().contains(series));
    println!("fact: warnings {warnings}");
    println!("fact: scraped {}", scraped.contains(series));
    println!("fact: own {}", is_own.is_some_and(|is| is));
    println!("fact: set {}", own.is_some_and(|(_, is_set)| is_set));
    for line in scraped.lines() {
        if let Some(problem) = line.strip_prefix("spanwire_telemetry_problems{error_type=") {
            println!("fact: problem {problem}");
        }
    }
    telemetry.shutdown(Duration::from_secs(10));
}

/// What was seen of one app.
struct Seen {
    exported: Vec<String>,
    facts: Vec<String>,
    stderr: String,
}

impl Seen {
    fn fact(&self, fact: &str) -> bool {
        self.facts.iter().any(|is| is == fact)
    }

    fn is_exported(&self, name: &str) -> bool {
        self.exported.iter().any(|exported| exported == name)
    }

    /// Lines that the handler wrote.
    fn lines(&self) -> Vec<&str> {
        let of_handler = |line: &&str| line.contains("at work") || line.contains("take care");
        self.stderr.lines().filter(of_handler).collect()
    }
}

fn run(test: &str, environment: &[(&str, &str)], has_endpoint: bool) -> Seen {
    let receiver = Receiver::start();
    let mut command = child_process::clean_command(test);
    command
        .envs(environment.iter().copied())
        .env("OTEL_EXPORTER_PROMETHEUS_PORT", "0");
    if has_endpoint {
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url());
    }
    // It fails when the child panics.
    let output = child_process::run(&mut command);
    let stdout = String::from_utf8_lossy(&output.stdout);
    // The page's call has a span of the same name.
    let client = 3;
    let mut spans = receiver.spans();
    spans.retain(|span| span.kind != client);
    Seen {
        exported: spans.into_iter().map(|span| span.name).collect(),
        facts: stdout
            .lines()
            .filter_map(|line| line.split_once("fact: "))
            .map(|(_, fact)| fact.to_owned())
            .collect(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The rows of the guide's table whose first column has that heading, by their first cell.
fn table(heading: &str) -> BTreeMap<String, Vec<String>> {
    let guide = std::fs::read_to_string("docs/guide/existing.md").unwrap();
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim().trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = guide.lines();
    let found = lines.any(|line| line.starts_with('|') && cells(line)[0] == heading);
    assert!(found, "no table of {heading}");
    let rows = lines.take_while(|line| line.starts_with('|')).skip(1);
    rows.map(cells)
        .map(|mut row| (row.remove(0), row))
        .collect()
}

/// Each cell of *subscriber* × *recorder* × *endpoint* × *filter* is as the guide says, and none
/// panics.
#[test]
fn every_kind_of_app_is_seen_as_the_guide_says() {
    if is_child() {
        return app();
    }
    let test = "every_kind_of_app_is_seen_as_the_guide_says";
    let (subscribers, recorders) = (table("the app's subscriber"), table("the app's recorder"));
    assert_eq!(
        subscribers.keys().collect::<Vec<_>>(),
        [WITH_LAYER, FILTERED, NONE, AFTER, BEFORE, AFTER_SPAN]
    );
    assert_eq!(recorders.keys().collect::<Vec<_>>(), [NONE, AFTER, BEFORE]);
    for (subscriber, subscriber_row) in &subscribers {
        for (recorder, recorder_row) in &recorders {
            for has_endpoint in [true, false] {
                for filter in ["", "warn"] {
                    let environment = [
                        (SUBSCRIBER, subscriber.as_str()),
                        (RECORDER, recorder),
                        (FILTER, filter),
                    ];
                    let seen = run(test, &environment, has_endpoint);
                    let cell = format!(
                        "subscriber {subscriber}, recorder {recorder}, endpoint {has_endpoint}, \
                         filter {filter:?}: {:?} {:?} {}",
                        seen.exported, seen.facts, seen.stderr
                    );
                    check_subscriber(&seen, subscriber_row, has_endpoint, filter, &cell);
                    // An app that adds our layer keeps one recorder or the other, as it likes.
                    let is_built = subscriber == WITH_LAYER || subscriber == FILTERED;
                    if !is_built || recorder != BEFORE {
                        check_recorder(&seen, recorder_row, &cell);
                    }
                }
            }
        }
    }
}

fn check_subscriber(seen: &Seen, row: &[String], has_endpoint: bool, filter: &str, cell: &str) {
    let [exported, lines, said] = row else {
        panic!("{row:?}")
    };
    let is_exported = has_endpoint && exported == "yes";
    assert_eq!(seen.is_exported("save"), is_exported, "{cell}");
    let is_first_exported = has_endpoint && exported == "no; the spans before are";
    assert_eq!(seen.is_exported("first"), is_first_exported, "{cell}");
    let expected = match (lines.as_str(), filter) {
        ("none", _) => 0,
        ("all", "") => 2,
        ("all", _) | ("warnings", _) => 1,
        (other, _) => panic!("{other}"),
    };
    assert_eq!(seen.lines().len(), expected, "{cell}");
    // One short field, for the lines of an app that shows its spans.
    for line in seen.lines() {
        let is_short = line.contains(r#" handle{otel.name="save"}: "#);
        assert!(
            is_short || filter == "warn" || lines == "warnings",
            "{cell}"
        );
        assert_eq!(line.matches('=').count(), usize::from(is_short), "{cell}");
    }
    let is_said = |warning: &str| {
        let at_once = seen
            .facts
            .iter()
            .any(|fact| fact.starts_with("warnings") && fact.contains(warning));
        let text = match warning {
            "SubscriberTaken" => "the process has a tracing subscriber already",
            "SpansFiltered" => "a filter of the whole tracing subscriber",
            other => panic!("{other}"),
        };
        let error_type = match warning {
            "SubscriberTaken" => "subscriber_taken",
            _ => "spans_filtered",
        };
        let problem = seen.fact(&format!("problem \"{error_type}\"}} 1"));
        (at_once, seen.stderr.matches(text).count(), problem)
    };
    let (taken, filtered) = (is_said("SubscriberTaken"), is_said("SpansFiltered"));
    let nothing = (false, 0, false);
    match (has_endpoint, said.as_str()) {
        (false, _) | (true, "–") => assert_eq!((taken, filtered), (nothing, nothing), "{cell}"),
        (true, "by `Telemetry::warnings` and `Warning::SubscriberTaken`") => {
            assert_eq!((taken, filtered), ((true, 1, true), nothing), "{cell}");
        }
        (true, "with the first message, `Warning::SubscriberTaken`") => {
            assert_eq!((taken, filtered), ((false, 1, true), nothing), "{cell}");
        }
        (true, "with the first message, `Warning::SpansFiltered`") => {
            assert_eq!((taken, filtered), (nothing, (false, 1, true)), "{cell}");
        }
        (true, other) => panic!("{other}"),
    }
}

fn check_recorder(seen: &Seen, row: &[String], cell: &str) {
    let [own, scraped, said] = row else {
        panic!("{row:?}")
    };
    let (is_own, is_set) = match own.as_str() {
        "–" | "no: `set_global_recorder` returns an error" => (false, false),
        "yes" => (true, true),
        other => panic!("{other}"),
    };
    assert_eq!(seen.fact("own true"), is_own, "{cell}");
    assert_eq!(seen.fact("set true"), is_set, "{cell}");
    assert_eq!(seen.fact("scraped true"), scraped == "yes", "{cell}");
    let is_said = seen
        .facts
        .iter()
        .any(|fact| fact.starts_with("warnings") && fact.contains("RecorderTaken"));
    let is_problem = seen.fact(r#"problem "recorder_taken"} 1"#);
    let expected = said == "by `Telemetry::warnings` and `Warning::RecorderTaken`";
    assert!(expected || said == "–", "{said}");
    assert_eq!((is_said, is_problem), (expected, expected), "{cell}");
}
