//! The app's start, phase by phase: one trace and a gauge. Each test is a process of its own, since a
//! process has one start.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]
#![expect(
    clippy::disallowed_methods,
    reason = "times of other processes are of the wall clock"
)]

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use spanwire::Telemetry;
use spanwire::ipc::observe::{Observer, PageScript};
use spanwire::ipc::{Call, Ipc, Received};
use spanwire::startup::{Phase, reached};
use spanwire_testkit::child_process::{is_child, run_alone};
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::receiver::{Receiver, text};
use spanwire_testkit::scrape::scrape;

/// Tail sampling that keeps nothing for its rate alone.
fn install(receiver: &Receiver) -> Telemetry {
    let environment = |name: &str| (name == "SPANWIRE_TRACES_PER_SECOND").then(|| "0".to_owned());
    Telemetry::builder("start")
        .environment(environment)
        .prometheus_port(0)
        .otlp_endpoint(receiver.url())
        .without_system()
        .install()
        .unwrap()
}

fn shutdown(telemetry: &Telemetry) {
    telemetry.shutdown(Duration::from_secs(20));
}

/// The page's word, as it was posted at this time of its clock.
fn say(ipc: &Ipc, page: &ModelPage, sent: &Value, messages: &[Value]) {
    let text = page.batch(messages);
    let sent = format!(r#","sent":{sent},"messages""#);
    let text = text.replacen(r#","messages""#, &sent, 1);
    assert_eq!(ipc.receive(&text, None), Received::Ours);
}

/// All that a page says of its own start, posted as its document began.
fn start_page(ipc: &Ipc, id: &str) -> ModelPage {
    let page = ModelPage::unannounced(ipc, id);
    say(ipc, &page, &json!(0), &[json!({"kind": "ready"})]);
    say(
        ipc,
        &page,
        &json!(0),
        &[json!({"kind": "dom_ready", "at": 0})],
    );
    let painted = json!({"kind": "vital", "name": "fcp", "rating": "good", "value": 0});
    say(ipc, &page, &json!(0), &[painted]);
    page
}

fn wire(name: &str) -> Ipc {
    let ipc = Ipc::builder(name).build();
    ipc.on("save", |_: &Call<'_>| ()).unwrap();
    ipc
}

/// The phases that the gauge has, by their times.
fn gauge(telemetry: &Telemetry) -> Vec<String> {
    let samples = scrape(telemetry.prometheus_addr().unwrap());
    let mut phases: Vec<_> = samples
        .iter()
        .filter(|sample| sample.name == "spanwire_startup_duration_seconds")
        .map(|sample| {
            assert!((0.0..60.0).contains(&sample.value), "{sample:?}");
            (
                sample.value,
                sample.label("spanwire_startup_phase").to_owned(),
            )
        })
        .collect();
    phases.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    phases.into_iter().map(|(_, phase)| phase).collect()
}

/// The phases of the one trace of the start that came, in their order; it holds together.
fn trace(receiver: &Receiver) -> Vec<String> {
    let spans = receiver.spans();
    let mut spans: Vec<&Span> = spans
        .iter()
        .filter(|span| span.name.starts_with("startup"))
        .collect();
    spans.sort_by_key(|span| (span.start_time_unix_nano, span.end_time_unix_nano));
    let Some(at) = spans.iter().position(|span| span.name == "startup") else {
        assert!(spans.is_empty(), "{spans:?}");
        return Vec::new();
    };
    let root = spans.remove(at);
    assert_eq!(
        text(&root.attributes, "spanwire.sampling.reason").as_deref(),
        Some("startup")
    );
    let mut at = root.start_time_unix_nano;
    let mut phases = Vec::new();
    // Those that take no time are in the order in which they were made.
    for span in &spans {
        assert_eq!(span.trace_id, root.trace_id);
        assert_eq!(span.parent_span_id, root.span_id);
        assert_eq!(span.start_time_unix_nano, at, "{}", span.name);
        at = span.end_time_unix_nano;
        let phase = text(&span.attributes, "spanwire.startup.phase").unwrap();
        assert_eq!(span.name, format!("startup {phase}"));
        phases.push(phase);
    }
    assert_eq!(at, root.end_time_unix_nano);
    assert_eq!(
        text(&root.attributes, "spanwire.startup.phase").as_ref(),
        phases.last()
    );
    phases
}

/// When the start's trace begins, after 1970.
fn began(receiver: &Receiver) -> Duration {
    let spans = receiver.spans();
    let root = spans.iter().find(|span| span.name == "startup").unwrap();
    Duration::from_nanos(root.start_time_unix_nano)
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
}

#[test]
fn a_start_is_one_trace_and_one_value_a_phase_from_the_start_to_the_first_answer() {
    const SPAWNED: &str = "SPANWIRE_TEST_SPAWNED_NS";
    let spawned = since_1970().as_nanos().to_string();
    run_alone(
        "a_start_is_one_trace_and_one_value_a_phase_from_the_start_to_the_first_answer",
        &[(SPAWNED, &spawned)],
        || {
            let receiver = Receiver::start();
            // Before there is telemetry.
            reached(Phase::EventLoop);
            reached(Phase::Window);
            let telemetry = install(&receiver);
            let (ipc, second) = (wire("main"), wire("second"));
            reached(Phase::Webview);
            let mut page = start_page(&ipc, "p1");
            start_page(&second, "p1");
            reached(Phase::Window);
            page.call(&ipc, "save", json!(1));
            page.pump(&ipc);

            // A page that is loaded again is no start.
            let mut again = start_page(&ipc, "p2");
            again.call(&ipc, "save", json!(1));
            again.pump(&ipc);
            let order = [
                "event_loop",
                "window",
                "telemetry",
                "webview",
                "navigation",
                "script",
                "dom_ready",
                "first_paint",
                "first_call",
            ];
            let mut gauge = gauge(&telemetry);
            assert_eq!(gauge.last().unwrap(), "first_call");
            assert_eq!(gauge[..4], order[..4]);
            gauge.sort_unstable();
            let mut all = order;
            all.sort_unstable();
            assert_eq!(gauge, all);
            shutdown(&telemetry);
            let mut trace = trace(&receiver);
            assert_eq!(trace[..4], order[..4]);
            assert_eq!(trace.last().unwrap(), "first_call");
            trace.sort_unstable();
            assert_eq!(trace, all);
            // The system tells a start in hundredths of a second.
            let spawned: u64 = std::env::var(SPAWNED).unwrap().parse().unwrap();
            let spawned = Duration::from_nanos(spawned);
            let began = began(&receiver);
            assert!(
                began + Duration::from_millis(30) >= spawned,
                "{began:?} {spawned:?}"
            );
            assert!(began <= since_1970());
        },
    );
}

#[test]
fn an_app_without_a_webview_has_the_phases_that_it_marks_when_it_ends() {
    run_alone(
        "an_app_without_a_webview_has_the_phases_that_it_marks_when_it_ends",
        &[],
        || {
            let receiver = Receiver::start();
            let telemetry = install(&receiver);
            reached(Phase::EventLoop);
            assert_eq!(gauge(&telemetry), ["telemetry", "event_loop"], "at once");
            assert!(trace(&receiver).is_empty());
            shutdown(&telemetry);
            assert_eq!(trace(&receiver), ["telemetry", "event_loop"]);
        },
    );
}

#[test]
fn a_process_that_marks_nothing_and_has_no_page_has_no_start() {
    run_alone(
        "a_process_that_marks_nothing_and_has_no_page_has_no_start",
        &[],
        || {
            let receiver = Receiver::start();
            let telemetry = install(&receiver);
            // A page without a script of Spanwire's.
            let ipc = wire("main");
            let mut page = ModelPage::load(&ipc, "p1");
            page.call(&ipc, "save", json!(1));
            page.pump(&ipc);
            assert!(gauge(&telemetry).is_empty());
            shutdown(&telemetry);
            assert!(trace(&receiver).is_empty());
        },
    );
}

#[test]
fn a_page_of_another_message_layer_marks_its_phases_by_its_script() {
    run_alone(
        "a_page_of_another_message_layer_marks_its_phases_by_its_script",
        &[],
        || {
            let receiver = Receiver::start();
            let telemetry = install(&receiver);
            let script = PageScript::new();
            let observer = Observer::builder("main").page_script(&script).build();
            let nonce = script.nonce();
            let report = |messages: &str| {
                let text = format!(
                    r#"{{"spanwire":1,"nonce":"{nonce}","page":"p1","sent":0,"messages":[{messages}]}}"#
                );
                observer.page_report(&text).unwrap();
            };
            report(r#"{"kind":"ready"}"#);
            report(r#"{"kind":"dom_ready","at":0}"#);
            report(r#"{"kind":"vital","name":"fcp","value":0,"rating":"good"}"#);
            report(r#"{"kind":"settled","ran":[[1,0,0]]}"#);
            shutdown(&telemetry);
            let mut phases = trace(&receiver);
            assert_eq!(phases.remove(0), "telemetry");
            phases.sort_unstable();
            assert_eq!(
                phases,
                [
                    "dom_ready",
                    "first_call",
                    "first_paint",
                    "navigation",
                    "script"
                ]
            );
        },
    );
}

#[test]
fn a_pages_times_that_cannot_be_lie_between_its_wire_and_now() {
    run_alone(
        "a_pages_times_that_cannot_be_lie_between_its_wire_and_now",
        &[],
        || {
            let receiver = Receiver::start();
            let telemetry = install(&receiver);
            reached(Phase::Window);
            let ipc = wire("main");
            let page = ModelPage::unannounced(&ipc, "p1");
            // A document of thirty years, and one that is parsed in the far future.
            say(&ipc, &page, &json!(1e12), &[json!({"kind": "ready"})]);
            let parsed = json!({"kind": "dom_ready", "at": 1e12});
            say(
                &ipc,
                &page,
                &json!(0),
                &[parsed, json!({"kind": "dom_ready", "at": -1})],
            );
            say(
                &ipc,
                &page,
                &json!(0),
                &[json!({"kind": "dom_ready", "at": "x"})],
            );
            // What the page says is of the time of its first batch.
            let mut phases = gauge(&telemetry);
            assert_eq!(phases[..3], ["telemetry", "window", "navigation"]);
            phases.sort_unstable();
            assert_eq!(
                phases,
                ["dom_ready", "navigation", "script", "telemetry", "window"]
            );
            shutdown(&telemetry);
            let began = began(&receiver);
            let spans = receiver.spans();
            let last = spans.iter().find(|span| span.name == "startup dom_ready");
            let last = Duration::from_nanos(last.unwrap().end_time_unix_nano);
            assert!(began <= last && last <= since_1970(), "{last:?}");
        },
    );
}

#[test]
fn marks_that_were_complete_before_telemetry_are_not_lost() {
    run_alone(
        "marks_that_were_complete_before_telemetry_are_not_lost",
        &[],
        || {
            assert!(is_child());
            let receiver = Receiver::start();
            let ipc = wire("main");
            reached(Phase::Webview);
            let mut page = start_page(&ipc, "p1");
            page.call(&ipc, "save", json!(1));
            page.pump(&ipc);
            let telemetry = install(&receiver);
            assert_eq!(gauge(&telemetry).len(), 6);
            shutdown(&telemetry);
            assert_eq!(trace(&receiver).len(), 6);
        },
    );
}
