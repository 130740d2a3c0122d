//! What the app and its page measure themselves.

use serde_json::json;
use spanwire::ipc::Ipc;
use spanwire::measurement::{self, Measurement};
use spanwire::semconv::{OTHER_NAMES_MAX, REGISTERED_NAMES_MAX};
use spanwire::testing::Capture;

use spanwire_testkit::child_process;
use spanwire_testkit::model_page::ModelPage;

/// The lines of `spanwire.measurement`. Names are process-wide, so each test has its own.
fn measurements(capture: &Capture) -> Vec<String> {
    let metrics = capture.metrics();
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix("spanwire.measurement"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_measurement_is_the_last_value_by_name_category_and_unit() {
    let capture = Capture::new();
    capture.run(|| {
        measurement::record("a.layers", 3.0);
        measurement::record("a.layers", 12.0);
        let fps = Measurement::new("a.fps")
            .category("render")
            .unit("{frame}/s");
        fps.record(60.0);
        fps.clone().record(59.5);
        fps.record(f64::NAN);
        fps.record(f64::INFINITY);
        Measurement::new("a.fps").record(1.0);
        // A unit that is spelled like a category is none.
        Measurement::new("a.fps").unit("render").record(2.0);
        Measurement::new("a.fps").category("render").record(3.0);
    });
    assert_eq!(
        measurements(&capture),
        [
            r#"{spanwire.measurement.category="render",spanwire.measurement.name="a.fps"} 3"#,
            r#"{spanwire.measurement.category="render",spanwire.measurement.name="a.fps",spanwire.measurement.unit="{frame}/s"} 59.5"#,
            r#"{spanwire.measurement.name="a.fps"} 1"#,
            r#"{spanwire.measurement.name="a.fps",spanwire.measurement.unit="render"} 2"#,
            r#"{spanwire.measurement.name="a.layers"} 12"#,
        ]
    );
}

#[test]
fn a_page_records_too_and_a_bad_name_is_counted() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let page = ModelPage::load(&ipc, "p1");
        let record = |name: &str, category: &str, unit: &str| {
            page.send(
                &ipc,
                &[json!({"kind": "record", "name": name, "value": 7.5, "category": category, "unit": unit})],
            );
        };
        page.send(&ipc, &[json!({"kind": "record", "name": "b.zoom", "value": -2})]);
        record("b.paint", "render", "ms");
        let long = "x".repeat(129);
        for name in ["", "a\n", "a\u{200b}", &long] {
            record(name, "render", "ms");
            record("b.bad", name, "ms");
            record("b.bad", "render", name);
        }
        page.send(&ipc, &[json!({"kind": "record", "name": "b.zoom", "value": null})]);
        let errors = |error| {
            let labels = [("error.type", error), ("spanwire.webview.name", "main")];
            capture.counter("spanwire.page.errors", &labels)
        };
        assert_eq!(errors("invalid_name"), 12);
        let malformed = [("error.type", "malformed"), ("spanwire.ipc.direction", "inbound")];
        assert_eq!(capture.counter("spanwire.ipc.messages", &malformed), 1);
    });
    assert_eq!(
        measurements(&capture),
        [
            r#"{spanwire.measurement.category="render",spanwire.measurement.name="b.paint",spanwire.measurement.unit="ms"} 7.5"#,
            r#"{spanwire.measurement.name="b.zoom"} -2"#,
        ]
    );
}

#[test]
fn endless_names_make_as_many_series_as_the_caps_allow() {
    // The caps are the process's, and the tests beside use some of them: a process of its own.
    let test = "measurements::endless_names_make_as_many_series_as_the_caps_allow";
    if !child_process::is_child() {
        child_process::run(&mut child_process::command(test));
        return;
    }
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let page = ModelPage::load(&ipc, "p1");
        for n in 0..1_000 {
            let record =
                json!({"kind": "record", "name": "zoom", "value": n, "category": format!("c{n}")});
            page.send(&ipc, &[record]);
        }
        assert_eq!(measurements(&capture).len(), OTHER_NAMES_MAX + 1);
        for n in 0..1_000 {
            measurement::record(&format!("app{n}"), f64::from(n));
        }
        measurement::record("no name", -1.0);
    });
    let all = measurements(&capture);
    assert_eq!(all.len(), REGISTERED_NAMES_MAX + OTHER_NAMES_MAX + 1);
    let other = r#"{spanwire.measurement.category="_OTHER",spanwire.measurement.name="_OTHER"} -1"#;
    assert!(all.iter().any(|line| line == other), "{all:?}");
}

#[test]
fn web_vitals_are_durations_in_seconds_by_name_and_rating() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let page = ModelPage::load(&ipc, "p1");
        for (name, rating, value) in [
            ("ttfb", "good", 120.0),
            ("lcp", "needs_improvement", 3_000.0),
            ("lcp", "needs_improvement", 3_500.0),
            ("inp", "poor", 900.0),
            ("cls", "good", 0.1),
        ] {
            page.send(
                &ipc,
                &[json!({"kind": "vital", "name": name, "rating": rating, "value": value})],
            );
        }
    });
    let vital = |name, rating| {
        let labels = [
            ("browser.web_vital.name", name),
            ("browser.web_vital.rating", rating),
        ];
        capture.histogram("spanwire.page.web_vital.duration", &labels)
    };
    assert_eq!(vital("ttfb", "good"), (1, 0.12));
    assert_eq!(vital("lcp", "needs_improvement"), (2, 6.5));
    assert_eq!(vital("inp", "poor"), (1, 0.9));
    let malformed = [
        ("error.type", "malformed"),
        ("spanwire.ipc.direction", "inbound"),
    ];
    assert_eq!(capture.counter("spanwire.ipc.messages", &malformed), 1);
}

#[test]
fn long_tasks_of_the_page_add_up_and_none_is_longer_than_the_script_tells() {
    let capture = Capture::new();
    capture.run(|| {
        let ipc = Ipc::builder("main").build();
        let page = ModelPage::load(&ipc, "p1");
        for value in [120.0, 380.0, 1e12, -1.0] {
            page.send(&ipc, &[json!({"kind": "long_task", "value": value})]);
        }
    });
    let labels = [("spanwire.webview.name", "main")];
    let long = capture.histogram("spanwire.page.long_task.duration", &labels);
    assert_eq!(long, (3, 10.5));
}
