//! One process, and a collector that is away for a while.

use spanwire::telemetry::{FlushError, Telemetry};

use crate::app::{App, SECOND, builder, log_texts, span_names};
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{Answer, Receiver};

#[test]
fn spooled_spans_are_sent_in_order_when_the_collector_is_back() {
    for answer in [
        Answer::Status(503),
        Answer::Status(408),
        Answer::Status(429),
        Answer::Close,
        Answer::Hang,
    ] {
        let (folder, receiver) = (Folder::new("spool"), Receiver::start());
        let app = App::start(builder(&receiver.url(), folder.path()));
        for (outcome, value) in [("spooled", 0.0), ("replayed", 0.0)] {
            assert_eq!(app.items(outcome), value);
        }
        assert_eq!((app.size(), app.dropped("spool_full")), (0.0, 0.0));
        app.span("before");

        receiver.answer(answer);
        for name in ["1", "2", "3"] {
            app.span(name);
        }
        app.log("said");
        assert_eq!(app.items("spooled"), 4.0, "{answer:?}");
        assert!(app.size() > 0.0);
        let on_disk: u64 = folder
            .segments()
            .iter()
            .map(|file| file.metadata().unwrap().len())
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "it is small")]
        let on_disk = on_disk as f64;
        assert_eq!(app.size(), on_disk);

        receiver.answer(Answer::Ok);
        app.wait_until("empty", |app| app.size() == 0.0);
        assert_eq!(app.items("replayed"), 4.0);
        app.span("after");
        let names = span_names(&receiver);
        assert_eq!(names, ["before", "1", "2", "3", "after"], "{answer:?}");
        assert_eq!(log_texts(&receiver), ["said"]);
        let url = receiver.url();
        let port = url.rsplit(':').next().unwrap();
        let series = format!(
            "otel_sdk_exporter_span_exported_total\
             {{otel_component_name=\"otlp_http_span_exporter/0\",\
             otel_component_type=\"otlp_http_span_exporter\",\
             server_address=\"127.0.0.1\",server_port=\"{port}\"}}"
        );
        assert_eq!(app.value(&series), 5.0);
        assert_eq!(folder.segments(), Vec::<std::path::PathBuf>::new());
        let report = app.telemetry.shutdown(10 * SECOND);
        assert_eq!(report.spans.to_string(), "5 exported, 0 dropped, 0 lost");
        assert_eq!(report.logs.to_string(), "1 exported, 0 dropped, 0 lost");
        drop(app);
        assert_eq!(folder.files(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn a_compressed_request_is_replayed_unchanged() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Status(503));
    let gzip = |name: &str| (name == "OTEL_EXPORTER_OTLP_COMPRESSION").then(|| "gzip".to_owned());
    let app = App::start(builder(&receiver.url(), folder.path()).environment(gzip));
    app.span("small");
    assert_eq!(app.items("spooled"), 1.0);
    receiver.answer(Answer::Ok);
    app.wait_until("empty", |app| app.size() == 0.0);
    assert_eq!(span_names(&receiver), ["small"]);
    let headers = &receiver.received()[0].headers;
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers["content-type"], "application/x-protobuf");
}

#[test]
fn a_refused_request_is_lost_and_not_spooled() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Status(400));
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.span_that_fails("unwanted");
    assert_eq!(app.items("spooled"), 0.0);
    let report = app.telemetry.shutdown(10 * SECOND);
    assert_eq!((report.spans.spooled, report.spans.lost), (0, 1));
}

#[test]
fn a_refused_replay_is_counted_and_does_not_block_the_next() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Status(503));
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.span("unwanted");
    app.span("wanted");
    receiver.answer(Answer::StatusFor(1, 400));
    app.wait_until("empty", |app| app.size() == 0.0);
    assert_eq!(app.dropped("refused"), 1.0);
    assert_eq!(app.items("replayed"), 1.0);
    assert_eq!(span_names(&receiver), ["wanted"]);
    let report = app.telemetry.shutdown(10 * SECOND);
    assert_eq!(
        report.spans.to_string(),
        "1 exported, 0 dropped, 1 lost (the collector refused what was spooled)"
    );
}

#[test]
fn a_replay_that_is_denied_access_stays_spooled() {
    for status in [401, 403, 407, 302] {
        let (folder, receiver) = (Folder::new("spool"), Receiver::start());
        receiver.answer(Answer::Status(503));
        let app = App::start(builder(&receiver.url(), folder.path()));
        app.span("waits");
        receiver.answer(Answer::StatusFor(1, status));
        app.wait_until("empty", |app| app.size() == 0.0);
        assert_eq!(app.dropped("refused"), 0.0, "{status}");
        assert_eq!(span_names(&receiver), ["waits"], "{status}");
    }
}

#[test]
fn spans_rejected_on_replay_are_counted() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Status(503));
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.span("unwanted");
    receiver.answer(Answer::Reject(1));
    app.wait_until("empty", |app| app.size() == 0.0);
    assert_eq!((app.dropped("rejected"), app.items("replayed")), (1.0, 0.0));
}

#[test]
fn a_full_spool_stays_within_its_bound_and_drops_the_oldest() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Close);
    let app = App::start(builder(&receiver.url(), folder.path()).spool_max_bytes(4_000));
    let names: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    for name in &names {
        app.span_unflushed(name);
        // What was dropped to make room is a loss that a flush tells.
        let flushed = app.telemetry.flush(20 * SECOND);
        assert!(matches!(flushed, Ok(()) | Err(FlushError::Lost(_))));
        assert!(app.size() <= 4_000.0);
    }
    let dropped = app.dropped("spool_full");
    assert!(dropped > 0.0);
    receiver.answer(Answer::Ok);
    app.wait_until("empty", |app| app.size() == 0.0);
    let arrived = span_names(&receiver);
    assert!(names.ends_with(&arrived), "{arrived:?}");
    let report = app.telemetry.shutdown(10 * SECOND).spans;
    assert_eq!(report.exported + report.lost, 30);
    #[expect(clippy::cast_precision_loss, reason = "it is small")]
    let lost = report.lost as f64;
    assert_eq!(lost, dropped);
}

#[test]
fn headers_are_not_spooled_and_a_replay_sends_the_current_ones() {
    const SECRET: &str = "hunter2-of-before";
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Close);
    let app =
        App::start(builder(&receiver.url(), folder.path()).otlp_header("authorization", SECRET));
    app.span("secret");
    drop(app);
    let files = folder.segments();
    assert_eq!(files.len(), 1);
    for file in &files {
        let bytes = std::fs::read(file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("secret"), "the span is there");
        assert!(!text.contains(SECRET) && !text.contains("authorization"));
    }
    #[cfg(unix)]
    for file in files {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }
    receiver.answer(Answer::Ok);
    let app = App::start(
        builder(&receiver.url(), folder.path()).otlp_header("authorization", "of-today"),
    );
    app.wait_until("replayed", |app| app.items("replayed") == 1.0);
    let received = receiver.received();
    assert_eq!(received[0].headers["authorization"], "of-today");
}

#[test]
fn a_folder_that_cannot_be_made_is_a_warning_and_an_error_when_strict() {
    let folder = Folder::new("spool");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("spool");
    let receiver = Receiver::start();
    let (telemetry, parts) = builder(&receiver.url(), &below).build().unwrap();
    let [warning] = telemetry.warnings() else {
        panic!("{:?}", telemetry.warnings());
    };
    let text = warning.to_string();
    assert!(text.contains("spool_dir") && text.contains("what cannot be sent is lost"));
    drop((telemetry, parts));
    let error = builder(&receiver.url(), &below).strict().build();
    assert!(error.unwrap_err().to_string().contains("spool_dir"));

    let path = below.to_str().unwrap().to_owned();
    let builder = Telemetry::builder("test")
        .environment(move |name| (name == "SPANWIRE_SPOOL_DIR").then(|| path.clone()))
        .prometheus_port(0)
        .without_system();
    let (telemetry, _) = builder.build().unwrap();
    assert!(
        telemetry.warnings()[0]
            .to_string()
            .starts_with("SPANWIRE_SPOOL_DIR=")
    );
}

#[test]
fn a_shutdown_reports_what_is_spooled_within_its_deadline() {
    for answer in [Answer::Close, Answer::Hang, Answer::Status(503)] {
        let (folder, receiver) = (Folder::new("spool"), Receiver::start());
        receiver.answer(answer);
        // A request may take longer than the shutdown.
        let patient = builder(&receiver.url(), folder.path()).otlp_timeout(20 * SECOND);
        let app = App::start(patient);
        app.span_unflushed("late");
        let began = spanwire::clock::now();
        let report = app.telemetry.shutdown(4 * SECOND);
        assert!(spanwire::clock::now().since(began) < 8 * SECOND);
        assert_eq!(
            (report.spans.spooled, report.spans.lost),
            (1, 0),
            "{report}"
        );
        let text = report.to_string();
        assert!(
            text.starts_with("spans: 0 exported, 1 spooled, 0 dropped, 0 lost ("),
            "{text}"
        );
    }
}

#[test]
fn a_shutdown_after_a_replay_reports_replayed_spans_as_exported() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Close);
    let app = App::start(builder(&receiver.url(), folder.path()));
    app.span("1");
    receiver.answer(Answer::Ok);
    app.wait_until("empty", |app| app.size() == 0.0);
    app.span_unflushed("2");
    let report = app.telemetry.shutdown(10 * SECOND);
    assert_eq!(report.spans.to_string(), "2 exported, 0 dropped, 0 lost");
}

#[test]
fn spans_for_a_collector_known_to_be_away_are_spooled_at_once() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Hang);
    let app = App::start(builder(&receiver.url(), folder.path()).otlp_timeout(5 * SECOND));
    app.span("1");
    for name in ["2", "3"] {
        app.span_unflushed(name);
        assert_eq!(app.telemetry.flush(4 * SECOND), Ok(()));
    }
    assert_eq!(app.items("spooled"), 3.0);
    let report = app.telemetry.shutdown(10 * SECOND);
    let text = report.spans.to_string();
    let reason = format!("{} did not answer in time", receiver.url());
    assert_eq!(
        text,
        format!("0 exported, 3 spooled, 0 dropped, 0 lost ({reason})")
    );
}

#[cfg(unix)]
#[test]
fn a_folder_that_is_deleted_is_made_again_and_what_was_in_it_is_counted() {
    let (folder, receiver) = (Folder::new("spool"), Receiver::start());
    receiver.answer(Answer::Status(503));
    let spool = folder.path().join("spool");
    let app = App::start(builder(&receiver.url(), &spool));
    app.span("1");
    std::fs::remove_dir_all(&spool).unwrap();
    app.span_unflushed("2");
    // The first one is told as a loss where it is found to be one.
    assert_eq!(app.telemetry.flush(20 * SECOND), Err(FlushError::Lost(1)));
    app.span("3");
    assert_eq!(app.dropped("deleted"), 1.0);
    assert_eq!(folder.segments().len(), 1);
    receiver.answer(Answer::Ok);
    app.wait_until("empty", |app| app.size() == 0.0);
    assert_eq!(span_names(&receiver), ["2", "3"]);
    assert_eq!(app.dropped("corrupt"), 0.0);
    let report = app.telemetry.shutdown(10 * SECOND).spans;
    assert_eq!((report.exported, report.spooled, report.lost), (2, 0, 1));
}
