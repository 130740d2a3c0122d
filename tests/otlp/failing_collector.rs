//! Collectors that cannot be trusted, do not answer, refuse or reject: each loss is counted with its
//! reason, and each deadline is kept.

use std::net::TcpListener;
use std::sync::Mutex;

use spanwire::clock;
use spanwire::telemetry::{Exporter, FlushError, MetricsExporter, TelemetryBuilder};
use spanwire_testkit::authority::Authority;
use spanwire_testkit::faulty_collector::refused_url;
use spanwire_testkit::local_recorder::with_recorder_of;
use spanwire_testkit::receiver::{Answer, Receiver};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;

use crate::{SECOND, builder, one_span, run};

/// Builds, makes a span and shuts down; returns what the process logged at `warn`, and the losses.
fn failing(builder: TelemetryBuilder) -> (String, u64) {
    // The thread that exports has no subscriber but the process's.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(Logged));
    let (telemetry, parts) = builder.build().unwrap();
    one_span(&parts);
    let report = telemetry.shutdown(10 * SECOND);
    assert_eq!(report.spans.exported, 0);
    (LOGGED.lock().unwrap().join("\n"), report.spans.lost)
}

#[test]
fn a_wrong_ca_is_a_clear_error_and_a_counted_loss() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let receiver = Receiver::start_tls(theirs.server());
    let file = ours.file();
    let file = file.to_str().unwrap();
    let (log, lost) =
        failing(builder(&[("OTEL_EXPORTER_OTLP_CERTIFICATE", file)]).otlp_endpoint(receiver.url()));
    assert_eq!(lost, 1);
    let clear = format!(
        "the certificate of {} is not signed by a CA in {file}",
        receiver.url()
    );
    assert!(log.contains(&clear), "{log}");
}

#[test]
fn a_collector_that_the_system_does_not_trust_is_a_clear_error() {
    let theirs = Authority::new("theirs");
    let receiver = Receiver::start_tls(theirs.server());
    let (log, lost) = failing(builder(&[]).otlp_endpoint(receiver.url()));
    assert_eq!(lost, 1);
    let clear = format!("the certificate of {} is not signed by", receiver.url());
    assert!(log.contains(&clear), "{log}");
}

#[test]
fn a_self_signed_certificate_works_unless_it_is_a_cas_and_then_the_error_says_what_to_make() {
    let authority = Authority::new("ours");
    for (is_ca, told) in [(false, None), (true, Some("-addext basicConstraints="))] {
        let (server, file) = authority.self_signed_server(is_ca);
        let receiver = Receiver::start_tls(server);
        let certificate = ("OTEL_EXPORTER_OTLP_CERTIFICATE", file.to_str().unwrap());
        let builder = builder(&[certificate]).otlp_endpoint(receiver.url());
        let Some(told) = told else {
            let (telemetry, parts) = builder.build().unwrap();
            one_span(&parts);
            assert_eq!(telemetry.shutdown(10 * SECOND).spans.exported, 1);
            continue;
        };
        let (log, lost) = failing(builder);
        assert_eq!(lost, 1);
        let about = format!("the certificate of {} is a CA's", receiver.url());
        assert!(log.contains(&about) && log.contains(told), "{log}");
    }
}

#[test]
fn a_collector_that_refuses_connections_is_a_reported_loss() {
    let url = refused_url();
    let (log, lost) = failing(builder(&[]).otlp_endpoint(&url));
    assert_eq!(lost, 1);
    assert!(log.contains(&format!("cannot talk to {url}")), "{log}");
}

#[test]
fn a_silent_collector_does_not_hold_up_the_shutdown() {
    // The system accepts for us, and nobody ever reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (telemetry, parts) = builder(&[])
        .otlp_endpoint(url)
        .logs(Exporter::Otlp)
        .metrics(MetricsExporter::Otlp)
        .build()
        .unwrap();
    with_recorder_of(&parts, || {
        metrics::counter!("own.things").increment(3);
    });
    run(&parts, || {
        tracing::info_span!("work").in_scope(|| tracing::info!("hello"));
    });
    let started = clock::now();
    let report = telemetry.shutdown(SECOND);
    let took = clock::now().since(started);
    // Not a measurement: a tenth of what waiting for the exporter's own timeout would take.
    assert!(took < 2 * SECOND, "{took:?}");
    assert_eq!((report.spans.exported, report.spans.lost), (0, 1));
    assert_eq!((report.logs.exported, report.logs.lost), (0, 1));
    assert_eq!(report.metrics.exported, 0);
    assert!(report.metrics.lost > 0, "{report}");
}

#[test]
fn each_shutdown_and_flush_keeps_its_own_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (telemetry, parts) = builder(&[]).otlp_endpoint(url).build().unwrap();
    one_span(&parts);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| telemetry.shutdown(8 * SECOND));
        // It has begun when it exports, long before the delay of five seconds is over.
        let _connection = silent.accept().unwrap();
        let report = telemetry.shutdown(SECOND / 10);
        assert!(!long.is_finished(), "the short one waited for the long one");
        assert_eq!((report.spans.exported, report.spans.lost), (0, 1));
        assert_eq!(telemetry.flush(SECOND / 10), Err(FlushError::TimedOut));
        assert!(!long.is_finished(), "the flush waited for the shutdown");
    });
}

#[test]
fn a_collector_that_hangs_during_an_export_does_not_hold_up_the_shutdown() {
    let receiver = Receiver::start();
    receiver.answer(Answer::Hang);
    let (telemetry, parts) = builder(&[("OTEL_BSP_SCHEDULE_DELAY", "1")])
        .otlp_endpoint(receiver.url())
        .build()
        .unwrap();
    one_span(&parts);
    assert_eq!(telemetry.flush(SECOND / 2), Err(FlushError::TimedOut));
    one_span(&parts);
    let started = clock::now();
    let report = telemetry.shutdown(SECOND / 2);
    assert!(clock::now().since(started) < 2 * SECOND);
    assert_eq!((report.spans.exported, report.spans.lost), (0, 2));
}

#[test]
fn an_unavailable_collector_is_retried() {
    let receiver = Receiver::start();
    receiver.answer(Answer::StatusFor(2, 503));
    let (telemetry, parts) = builder(&[]).otlp_endpoint(receiver.url()).build().unwrap();
    one_span(&parts);
    assert_eq!(telemetry.flush(10 * SECOND), Ok(()));
    assert_eq!(receiver.spans().len(), 1);
}

#[test]
fn a_refused_batch_is_lost_and_the_next_is_exported() {
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&[]).otlp_endpoint(receiver.url()).build().unwrap();
    for answer in [Answer::Status(400), Answer::Close, Answer::Status(308)] {
        receiver.answer(answer);
        one_span(&parts);
        assert_eq!(telemetry.flush(10 * SECOND), Err(FlushError::Lost(1)));
    }
    receiver.answer(Answer::Ok);
    one_span(&parts);
    assert_eq!(telemetry.flush(10 * SECOND), Ok(()));
    let report = telemetry.shutdown(10 * SECOND);
    let cause = format!("{} answered 308 Permanent Redirect", receiver.url());
    assert_eq!(
        report.spans.to_string(),
        format!("1 exported, 0 dropped, 3 lost ({cause})")
    );
    assert_eq!(report.logs.to_string(), "not exported over OTLP");
}

#[test]
fn spans_that_a_collector_rejects_count_as_lost() {
    let receiver = Receiver::start();
    receiver.answer(Answer::Reject(2));
    let (telemetry, parts) = builder(&[]).otlp_endpoint(receiver.url()).build().unwrap();
    for _ in 0..3 {
        one_span(&parts);
    }
    let report = telemetry.shutdown(10 * SECOND);
    let told = report.spans.to_string();
    assert!(
        told.starts_with("1 exported, 0 dropped, 2 lost (the collector rejected it"),
        "{told}"
    );
}

#[test]
fn a_flush_reports_lost_metrics() {
    let receiver = Receiver::start();
    receiver.answer(Answer::Status(400));
    let (telemetry, parts) = builder(&[])
        .otlp_endpoint(receiver.url())
        .metrics(MetricsExporter::Otlp)
        .traces(Exporter::None)
        .build()
        .unwrap();
    with_recorder_of(&parts, || {
        metrics::counter!("own.things").increment(3);
    });
    let flushed = telemetry.flush(10 * SECOND);
    assert!(matches!(flushed, Err(FlushError::Lost(1..))), "{flushed:?}");
    receiver.answer(Answer::Ok);
    assert_eq!(telemetry.flush(10 * SECOND), Ok(()));
    // Totals were sent again, so in the end nothing is lost.
    let report = telemetry.shutdown(10 * SECOND);
    assert!(report.metrics.to_string().ends_with(" 0 lost"), "{report}");
}

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps what is logged at `warn`, by any thread.
struct Logged;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Logged {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                use std::fmt::Write;
                let _ = write!(self.0, " {field}={value:?}");
            }
        }
        if *event.metadata().level() == tracing::Level::WARN {
            let mut text = Text(String::new());
            event.record(&mut text);
            LOGGED.lock().unwrap().push(text.0);
        }
    }
}
