use std::collections::{BTreeMap, BTreeSet};

use crate::app::{App, OPENMETRICS, PROMETHEUS, SECOND, builder, family, samples};
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::scrape::{scrape_as, scrape_text};

/// Texts that have to be escaped, or that a careless reader takes for syntax.
const NASTY: &[&str] = &[
    "\\\\server\\c$\\n",
    "\"quoted\" and\nbroken",
    "# {trace_id=\"1\"} 1 2",
    "} 3 # ",
    "a=\"b\",c=\"d\"",
    "ünï ⏱ \u{2028}\r\t\0",
    "\\",
    "",
];

#[test]
fn every_kind_of_metric_comes_through_the_reference_parser() {
    let receiver = Receiver::start();
    let mut app = App::start(
        builder()
            .otlp_endpoint(receiver.url())
            .resource_attribute("note", "a \"b\"\\\n# EOF"),
    );
    app.work();
    app.run(|_, _| {
        metrics::describe_counter!("app.things", "Things,\nof \"all\" \\kinds.");
        for text in NASTY {
            metrics::counter!("app.things", "a.text" => *text).increment(u64::MAX);
            metrics::gauge!("app.level", "a text" => *text).set(f64::NEG_INFINITY);
            metrics::histogram!("app.load", "le" => *text).record(0.5);
        }
        metrics::gauge!("app.nothing").set(f64::NAN);
        metrics::gauge!("9 lives: yes").set(-0.5e-9);
        metrics::describe_histogram!("app.time", metrics::Unit::Milliseconds, "");
        metrics::histogram!("app.time").record(10_001.0);
        metrics::describe_counter!("seconds", metrics::Unit::Seconds, "");
        metrics::counter!("seconds").increment(1);
        metrics::describe_gauge!("app.share", metrics::Unit::Percent, "");
        metrics::gauge!("app.share").set(1e300);
        metrics::counter!("total").increment(7);
        metrics::counter!(".total").increment(8);
    });
    app.telemetry.flush(10 * SECOND).unwrap();
    let families = app.scrape();

    let target = family(&families, "target");
    assert_eq!((&*target.kind, &*target.unit), ("info", ""));
    let labels = &target.samples[0].labels;
    assert_eq!(labels["service_name"], "paint \"tool\"");
    assert_eq!(labels["note"], "a \"b\"\\\n# EOF");

    let things = family(&families, "app_things");
    assert_eq!(things.kind, "counter");
    assert_eq!(things.help, "Things,\nof \"all\" \\kinds.");
    let (level, load) = (
        family(&families, "app_level"),
        family(&families, "app_load"),
    );
    assert_eq!((&*level.kind, &*load.kind), ("gauge", "histogram"));
    for text in NASTY {
        // To Prometheus an empty one is none.
        let label = |name: &str| -> BTreeMap<String, String> {
            let label = (name.to_owned(), (*text).to_owned());
            Some(label)
                .filter(|_| !text.is_empty())
                .into_iter()
                .collect()
        };
        let (name, value) = ("app_things_total", u64::MAX.to_string());
        let sample = (name.to_owned(), label("a_text"), value);
        assert!(samples(things).contains(&sample), "{text:?} in {things:?}");
        let sample = ("app_level".to_owned(), label("a_text"), "-inf".to_owned());
        assert!(samples(level).contains(&sample), "{text:?} in {level:?}");
        let sample = ("app_load_sum".to_owned(), label("le_"), "0.5".to_owned());
        assert!(samples(load).contains(&sample), "{text:?} in {load:?}");
    }
    let only = |name: &str| {
        let family = family(&families, name);
        assert_eq!(family.samples.len(), 1, "{family:?}");
        let sample = &family.samples[0];
        (&*sample.name, &*sample.value, &*family.unit)
    };
    assert_eq!(only("app_nothing"), ("app_nothing", "nan", ""));
    assert_eq!(only("_9_lives:_yes"), ("_9_lives:_yes", "-5e-10", ""));
    // The unit is not the end of the name but all of it.
    assert_eq!(only("seconds"), ("seconds_total", "1", ""));
    assert_eq!(only("total"), ("total_total", "7", ""));
    // Without it the metric would have no name, and the scrape would fail as a whole.
    assert_eq!(only("_total"), ("_total_total", "8", ""));
    assert_eq!(only("app_share_percent").2, "percent");
    let time = family(&families, "app_time_milliseconds");
    assert_eq!((&*time.kind, &*time.unit), ("histogram", "milliseconds"));
    let bounds: Vec<&str> = time
        .samples
        .iter()
        .filter_map(|sample| sample.labels.get("le").map(String::as_str))
        .collect();
    assert_eq!(bounds[..3], ["0.001", "0.0025", "0.005"]);
    assert_eq!(bounds[9..12], ["1.0", "2.5", "5.0"]);
    assert_eq!(bounds[21..], ["10000.0", "+Inf"]);

    // What is ours is there with what the conventions say.
    let ours = families
        .iter()
        .filter(|family| family.name.starts_with("spanwire_"));
    let ours: BTreeMap<&str, (&str, &str)> = ours
        .map(|family| (&*family.name, (&*family.kind, &*family.unit)))
        .collect();
    assert_eq!(ours["spanwire_ipc_messages"], ("counter", ""));
    assert_eq!(
        ours["spanwire_ipc_handler_duration_seconds"],
        ("histogram", "seconds")
    );
    assert_eq!(
        ours["spanwire_error_rate_threshold_ratio"],
        ("gauge", "ratio")
    );
    assert_eq!(
        ours["spanwire_ipc_message_size_bytes"],
        ("histogram", "bytes")
    );
}

#[test]
fn names_that_clash_in_openmetrics_alone_lose_no_sample() {
    let mut app = App::start(builder());
    app.run(|_, _| {
        // A counter's name without `_total` is reserved, and with `_created` as well.
        metrics::counter!("app.jobs").increment(1);
        metrics::gauge!("app.jobs").set(2.0);
        metrics::counter!("app.sessions").increment(3);
        metrics::counter!("app.sessions.created").increment(4);
        metrics::gauge!("app.sessions.open.created").set(5.0);
        metrics::counter!("app.sessions.open").increment(6);
        metrics::gauge!("target").set(7.0);
        metrics::counter!("app.files.count").increment(8);
        metrics::histogram!("app.files").record(9.0);
        // One name too many in either format.
        metrics::gauge!("app.load.count").set(10.0);
        metrics::histogram!("app.load").record(11.0);
        metrics::counter!("app.hits").increment(12);
        metrics::gauge!("app.hits.total").set(13.0);
        // The one that OpenMetrics has no room for.
        metrics::gauge!("app.wait.created").set(14.0);
        metrics::histogram!("app.wait").record(15.0);
    });
    let families = app.scrape();
    let found: BTreeSet<(String, String)> = families
        .iter()
        .flat_map(|family| &family.samples)
        .filter(|sample| !sample.labels.contains_key("le"))
        .map(|sample| (sample.name.clone(), sample.value.clone()))
        .collect();
    let plain: BTreeSet<(String, String)> = scrape_text(app.telemetry.prometheus_addr().unwrap())
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("le="))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            (name.to_owned(), value.to_owned())
        })
        .filter(|(name, _)| !name.starts_with("app_wait_") || name.ends_with("_created"))
        .collect();
    let names = |samples: &BTreeSet<(String, String)>| -> BTreeSet<String> {
        samples.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&found), names(&plain));
    let kind = |name: &str| &*family(&families, name).kind;
    assert_eq!(
        (kind("app_jobs_total"), kind("app_jobs")),
        ("unknown", "gauge")
    );
    assert_eq!(kind("app_sessions"), "counter");
    assert_eq!(kind("app_sessions_created_total"), "unknown");
    assert_eq!(kind("target_info"), "gauge");
    let has = |name: &str| names(&found).contains(name);
    assert!(has("app_files_sum") && has("app_files_count_total"));
    assert!(has("app_load_count") && !has("app_load_sum"));
    assert!(!has("app_wait_sum"));
}

#[test]
fn a_histogram_with_negative_values_has_no_sum_in_openmetrics() {
    let mut app = App::start(builder());
    app.run(|_, _| {
        metrics::histogram!("app.drift").record(-3.0);
        metrics::histogram!("app.offset").record(0.0);
    });
    let families = app.scrape();
    let endings = |name: &str| -> Vec<String> {
        let samples = family(&families, name).samples.iter();
        let endings = samples.map(|sample| sample.name.replace(name, ""));
        endings.filter(|ending| ending != "_bucket").collect()
    };
    assert!(endings("app_drift").is_empty());
    assert_eq!(endings("app_offset"), ["_sum", "_count"]);
    let plain = scrape_text(app.telemetry.prometheus_addr().unwrap());
    assert!(plain.contains("\napp_drift_sum -3\n"), "{plain}");
}

#[test]
fn the_format_is_what_the_client_asks_for() {
    let app = App::start(builder());
    let addr = app.telemetry.prometheus_addr().unwrap();
    let plain = "text/plain; version=0.0.4; charset=utf-8";
    for (accept, expected) in [
        (PROMETHEUS, OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", plain),
        ("text/plain, application/openmetrics-text;q=0.9", plain),
        ("*/*", plain),
    ] {
        let (media_type, text) = scrape_as(addr, accept);
        assert_eq!(media_type, expected, "{accept}");
        assert_eq!(
            text.ends_with("\n# EOF\n"),
            expected == OPENMETRICS,
            "{text}"
        );
    }
}
