//! A paused process, looked at from outside: its sockets and its disk.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

use spanwire::Ipc;
use spanwire::ipc::Call;
use spanwire::telemetry::{FlushError, Pending, Telemetry, TelemetryBuilder};
use spanwire_testkit::child_process::{clean_command, is_child, run};
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{Received, Receiver};

use crate::app::{SECOND, get};

/// What the paused process is about, in each thing that it could tell.
const SECRET: &str = "s3cret";

/// Everything that turns something on, as often as can be.
fn everything_on(url: &str, spool: &Path, temporary: &Path) -> Vec<(&'static str, String)> {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    vec![
        ("OTEL_SDK_DISABLED", "false".into()),
        ("SPANWIRE_ENABLED", "true".into()),
        ("SPANWIRE_CONSENT", "granted".into()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.into()),
        ("OTEL_TRACES_EXPORTER", "otlp".into()),
        ("OTEL_METRICS_EXPORTER", "otlp,prometheus".into()),
        ("OTEL_LOGS_EXPORTER", "otlp".into()),
        ("OTEL_TRACES_SAMPLER", "always_on".into()),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0".into()),
        ("OTEL_BSP_SCHEDULE_DELAY", "1".into()),
        ("OTEL_BLRP_SCHEDULE_DELAY", "1".into()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1".into()),
        ("SPANWIRE_SYSTEM_INTERVAL_MS", "10".into()),
        ("SPANWIRE_SPOOL_DIR", path(spool)),
        ("TMPDIR", path(temporary)),
    ]
}

/// Uses everything that records.
fn work() {
    for n in 0..200 {
        tracing::info_span!("work", otel.name = SECRET, s3cret = n)
            .in_scope(|| tracing::info!(s3cret = n, "{SECRET}"));
        metrics::counter!("s3cret.count", "s3cret" => SECRET).increment(1);
        metrics::histogram!("s3cret.time", "s3cret" => SECRET).record(1.0);
        metrics::gauge!("s3cret.state", "s3cret" => SECRET).set(1.0);
        spanwire::monitor(SECRET).time(|| ());
    }
    let ipc = Ipc::builder(SECRET).build();
    ipc.on(SECRET, |_: &Call<'_>| ()).unwrap();
    ipc.emit(SECRET, &SECRET).unwrap();
    spanwire::publish();
}

fn builder() -> TelemetryBuilder {
    Telemetry::builder("test").quiet()
}

/// The end, which sends all that there is, and the scrape right before it.
fn end(telemetry: &Telemetry) {
    let (status, text) = get(telemetry.prometheus_addr().unwrap(), "/metrics");
    assert_eq!(status, 503, "{text}");
    assert!(!text.contains(SECRET), "{text}");
    assert_eq!(telemetry.flush(20 * SECOND), Err(FlushError::Paused));
    telemetry.shutdown(20 * SECOND);
}

fn is_told_in(received: &[Received]) -> bool {
    let secret = SECRET.as_bytes();
    received
        .iter()
        .any(|one| one.body.windows(secret.len()).any(|part| part == secret))
}

#[test]
fn a_process_that_starts_paused_opens_no_connection_and_writes_no_file() {
    if is_child() {
        let telemetry = builder().start_paused().install().unwrap();
        work();
        end(&telemetry);
        return;
    }
    let (spool, temporary) = (Folder::new("spool"), Folder::new("tmp"));
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", collector.local_addr().unwrap());
    let test =
        "nothing_leaves::a_process_that_starts_paused_opens_no_connection_and_writes_no_file";
    let variables = everything_on(&url, &spool.path().join("spool"), temporary.path());
    run(clean_command(test).envs(variables));
    collector.set_nonblocking(true).unwrap();
    let unconnected = collector.accept().map(|(_, from)| from).unwrap_err();
    assert_eq!(unconnected.kind(), ErrorKind::WouldBlock);
    for folder in [&spool, &temporary] {
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_process_that_is_paused_tells_nothing_of_what_it_does_then() {
    if is_child() {
        let telemetry = builder().install().unwrap();
        tracing::info_span!("before").in_scope(|| tracing::info!("before"));
        telemetry.flush(20 * SECOND).unwrap();
        let report = telemetry.pause(Pending::Discard);
        assert_eq!(report.not_saved, None);
        work();
        end(&telemetry);
        return;
    }
    let (spool, temporary) = (Folder::new("spool"), Folder::new("tmp"));
    let receiver = Receiver::start();
    let test = "nothing_leaves::a_process_that_is_paused_tells_nothing_of_what_it_does_then";
    let variables = everything_on(&receiver.url(), spool.path(), temporary.path());
    run(clean_command(test).envs(variables));
    let received = receiver.received();
    assert!(receiver.spans().iter().any(|span| span.name == "before"));
    assert!(!is_told_in(&received));
    for folder in [&spool, &temporary] {
        assert_eq!(folder.files(), Vec::<std::path::PathBuf>::new());
    }
}

/// That the tests above would see it.
#[test]
fn the_same_process_tells_it_once_it_is_resumed() {
    if is_child() {
        let telemetry = builder().start_paused().install().unwrap();
        telemetry.resume().unwrap();
        work();
        let (status, text) = get(telemetry.prometheus_addr().unwrap(), "/metrics");
        assert_eq!((status, text.contains(SECRET)), (200, true));
        telemetry.shutdown(20 * SECOND);
        return;
    }
    let (spool, temporary) = (Folder::new("spool"), Folder::new("tmp"));
    let receiver = Receiver::start();
    let test = "nothing_leaves::the_same_process_tells_it_once_it_is_resumed";
    let variables = everything_on(&receiver.url(), spool.path(), temporary.path());
    run(clean_command(test).envs(variables));
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        let mut received = receiver.received();
        received.retain(|one| one.path == path);
        assert!(is_told_in(&received), "{path}");
    }
}
