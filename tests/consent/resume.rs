//! What comes back after a pause, and what of the pause does not.

use std::io::{Read, Write};
use std::net::TcpStream;

use opentelemetry::trace::{Span as _, SpanBuilder, Tracer, TracerProvider};
use spanwire::telemetry::{Pending, Sampler, Telemetry};
use spanwire_testkit::child_process::run_alone;
use spanwire_testkit::receiver::{Receiver, body};
use spanwire_testkit::spooling_process::wall_clock;

use crate::app::{App, SECOND, builder, get};

fn names(receiver: &Receiver) -> Vec<String> {
    let mut names: Vec<String> = receiver.spans().into_iter().map(|span| span.name).collect();
    names.sort();
    names
}

#[test]
fn spans_that_began_before_the_resume_do_not_leave_and_later_ones_do() {
    for sampler in [
        Sampler::Tail,
        Sampler::AlwaysOn,
        Sampler::ParentBasedAlwaysOn,
    ] {
        let receiver = Receiver::start();
        let app = App::start(builder(&receiver.url()).sampler(sampler));
        app.within(|| {
            tracing::info_span!("before").in_scope(|| tracing::info!("log before"));
            let open = tracing::info_span!("open before");
            open.in_scope(|| ());
            app.telemetry.pause(Pending::Keep);
            let paused = tracing::info_span!("in the pause");
            paused.in_scope(|| tracing::info!("log in the pause"));
            tracing::info_span!("all in the pause").in_scope(|| ());
            let began = wall_clock();
            app.telemetry.resume().unwrap();
            drop((open, paused));
            // A span with an explicit start time: it began in the pause.
            let tracer = app.parts.tracer_provider.as_ref().unwrap().tracer("own");
            let told = SpanBuilder::from_name("told").with_start_time(began);
            tracer.build(told).end();
            tracing::info_span!("after").in_scope(|| tracing::info!("log after"));
        });
        app.telemetry.shutdown(20 * SECOND);
        assert_eq!(names(&receiver), ["after", "before"], "{sampler:?}");
        let logs: Vec<String> = receiver.logs().iter().map(body).collect();
        assert_eq!(logs, ["log before", "log after"], "{sampler:?}");
    }
}

#[test]
fn metrics_go_on_where_they_were_without_what_happened_in_the_pause() {
    let receiver = Receiver::start();
    let app = App::start(builder(&receiver.url()));
    app.within(|| {
        let count = metrics::counter!("app.count");
        let time = metrics::histogram!("app.time");
        let open = metrics::gauge!("app.open");
        let last = metrics::gauge!("app.last");
        count.increment(3);
        time.record(0.5);
        open.increment(2.0);
        last.set(1.0);
        app.telemetry.pause(Pending::Discard);
        count.increment(100);
        time.record(0.5);
        open.decrement(1.0);
        last.set(7.0);
        metrics::counter!("app.only_in_the_pause", "what" => "x").increment(1);
        let late = metrics::counter!("app.late");
        let late_open = metrics::gauge!("app.late_open");
        late_open.increment(2.0);
        app.telemetry.resume().unwrap();
        let value = |series| app.value(series);
        assert_eq!(value("app_count_total"), Some(3.0));
        assert_eq!(value("app_time_count"), Some(1.0));
        // What is open now is known; what was set is not.
        assert_eq!(value("app_open"), Some(1.0));
        assert_eq!(value("app_last"), Some(1.0));
        assert_eq!(value("app_only_in_the_pause_total{what=\"x\"}"), None);
        assert_eq!(value("app_late_total"), None);
        count.increment(1);
        time.record(0.5);
        last.set(8.0);
        late.increment(1);
        late_open.decrement(1.0);
        assert_eq!(value("app_count_total"), Some(4.0));
        assert_eq!(value("app_time_count"), Some(2.0));
        assert_eq!(value("app_last"), Some(8.0));
        assert_eq!(value("app_late_total"), Some(1.0));
        assert_eq!(value("app_late_open"), Some(1.0));
    });
    app.telemetry.shutdown(20 * SECOND);
    // Over OTLP too.
    let metrics = receiver.metrics();
    let has = |name: &str| metrics.iter().any(|metric| metric.name == name);
    assert!(has("app.count") && has("app.late") && !has("app.only_in_the_pause"));
}

/// The endpoint counts what it refuses in a number of its own; the counter gets it at a scrape.
#[test]
fn totals_that_are_told_at_a_scrape_leave_out_the_pause() {
    let test = "resume::totals_that_are_told_at_a_scrape_leave_out_the_pause";
    run_alone(test, &[("OTEL_EXPORTER_PROMETHEUS_PORT", "0")], || {
        let telemetry = Telemetry::builder("test").install().unwrap();
        let addr = telemetry.prometheus_addr().unwrap();
        let refused = || {
            let (_, text) = get(addr, "/metrics");
            let series = "spanwire_endpoint_refused_total{error_type=\"forbidden_host\"} ";
            let value = text.lines().find_map(|line| line.strip_prefix(series));
            value.unwrap_or_else(|| panic!("{text}")).to_owned()
        };
        let refuse = || {
            let mut stream = TcpStream::connect(addr).unwrap();
            let request = b"GET /metrics HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n";
            stream.write_all(request).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        };
        refuse();
        assert_eq!(refused(), "1");
        refuse();
        // The counter has not got the second one yet.
        telemetry.pause(Pending::Discard);
        for _ in 0..5 {
            refuse();
        }
        telemetry.resume().unwrap();
        assert_eq!(refused(), "2");
        refuse();
        assert_eq!(refused(), "3");
    });
}

#[test]
fn a_page_that_is_messaged_in_the_pause_leaves_no_series_and_no_span() {
    use spanwire::Ipc;
    use spanwire::ipc::Call;
    let receiver = Receiver::start();
    let app = App::start(builder(&receiver.url()));
    let provider = app.parts.tracer_provider.clone().unwrap();
    app.within(|| {
        let ipc = Ipc::builder("main").tracer_provider(&provider).build();
        for event in ["before", "paused", "after"] {
            ipc.on(event, |_: &Call<'_>| ()).unwrap();
        }
        ipc.page_ready("p1").unwrap();
        let call = |id: u64, event: &str| {
            let nonce = ipc.nonce();
            let message = format!(r#"{{"kind":"call","id":{id},"event":"{event}","at":8}}"#);
            let batch = format!(
                r#"{{"spanwire":1,"nonce":"{nonce}","page":"p1","sent":9,"messages":[{message}]}}"#
            );
            let _ = ipc.receive(&batch, None);
        };
        call(1, "before");
        app.telemetry.pause(Pending::Keep);
        call(2, "paused");
        app.telemetry.resume().unwrap();
        call(3, "after");
        let (_, text) = get(app.addr(), "/metrics");
        let has = |event: &str| text.contains(&format!("spanwire_ipc_event=\"{event}\""));
        assert!(has("before") && has("after") && !has("paused"), "{text}");
        ipc.close();
    });
    app.telemetry.shutdown(20 * SECOND);
    let names = names(&receiver);
    let has = |event: &str| names.iter().any(|name| name.contains(event));
    assert!(has("after") && !has("paused"), "{names:?}");
}
