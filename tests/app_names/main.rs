//! Whatever names an app chooses through the `metrics` facade, each scrape of it is valid and has
//! the right sums: as the format's reference parser reads it, and as a real Prometheus stores it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of tests are tests too, and a test may print"
)]

mod app;
mod replay;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use spanwire_testkit::openmetrics::parse;
use spanwire_testkit::prometheus::Prometheus;

use crate::app::{Answer, App, Series, app};
use crate::replay::Replay;

proptest! {
    #![proptest_config(Config { cases: 32, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_reference_parser_reads_every_scrape_and_finds_the_sums(app in app()) {
        let [Answer { text, .. }, _] = app.scrape();
        let families = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut found = BTreeMap::new();
        for sample in families.into_iter().flat_map(|family| family.samples) {
            let value = sample.value.parse().unwrap();
            let twice = found.insert((sample.name, sample.labels), value);
            prop_assert!(twice.is_none(), "{}", text);
        }
        app.expected().check(&found, Clone::clone);
    }
}

#[test]
fn a_real_prometheus_scrapes_a_thousand_apps_and_finds_the_sums() {
    let mut runner = TestRunner::deterministic();
    let apps: Vec<App> = (0..APPS)
        .map(|_| app().new_tree(&mut runner).unwrap().current())
        .collect();
    // Every other one in the plain text format.
    let answers = apps.iter().enumerate().map(|(n, app)| {
        let [openmetrics, text] = app.scrape();
        if n % 2 == 0 { openmetrics } else { text }
    });
    let replay = Replay::start(answers.collect());
    let prometheus = Prometheus::with(&configuration(&replay));
    let all = format!("count(up{{job=\"apps\"}} == 1) == {APPS}");
    let wait = || std::thread::sleep(std::time::Duration::from_millis(100));
    let are_up = (0..300).any(|_| {
        prometheus.query(&all).is_some() || {
            wait();
            false
        }
    });
    if !are_up {
        let down = prometheus.series("up{job=\"apps\"} != 1");
        let described = down.iter().map(|(labels, _)| {
            let n: usize = labels["instance"].parse().unwrap();
            format!("{:?}\n{}\n\n", apps[n], replay.answer(n).text)
        });
        panic!("{}", described.collect::<String>());
    }
    // A series twice in one scrape is no reason for Prometheus to call it down.
    for refused in [
        "prometheus_target_scrapes_sample_duplicate_timestamp_total",
        "prometheus_target_scrapes_sample_out_of_order_total",
    ] {
        assert_eq!(prometheus.own_metric(refused), Some(0.0), "{refused}");
    }

    for hundred in 0..APPS / 100 {
        let selector = format!("{{job=\"apps\",instance=~\"{hundred:02}..\"}}");
        let mut found: BTreeMap<usize, BTreeMap<Series, f64>> = BTreeMap::new();
        for (mut labels, value) in prometheus.series(&selector) {
            let n = labels.remove("instance").unwrap().parse().unwrap();
            labels.remove("job");
            let name = labels.remove("__name__").unwrap();
            found.entry(n).or_default().insert((name, labels), value);
        }
        assert_eq!(found.len(), 100);
        for (n, found) in found {
            println!("{:?}\n{}", apps[n], replay.answer(n).text);
            apps[n].expected().check(&found, exported);
        }
    }
}

const APPS: usize = 1_000;

/// Each app is a target of its own, called by its number.
fn configuration(replay: &Replay) -> String {
    let mut text = "global: { scrape_interval: 8s, scrape_timeout: 8s }\n\
         scrape_configs:\n  - job_name: apps\n    static_configs:\n"
        .to_owned();
    for n in 0..APPS {
        let addr = replay.addr();
        let labels = format!("{{ instance: '{n:04}', __metrics_path__: '/{n}' }}");
        let _ = writeln!(text, "      - {{ targets: ['{addr}'], labels: {labels} }}");
    }
    text
}

/// As Prometheus renames what a target says of labels that Prometheus has for it.
fn exported(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut renamed = labels.clone();
    for own in ["job", "instance"] {
        if let Some(value) = renamed.remove(own) {
            let mut name = format!("exported_{own}");
            while renamed.contains_key(&name) {
                name.insert_str(0, "exported_");
            }
            renamed.insert(name, value);
        }
    }
    renamed
}
