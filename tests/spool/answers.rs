//! What is counted and kept under every answer that is not the one of a healthy collector, with a
//! server that speaks to the socket itself.

use spanwire::telemetry::FlushError;
use spanwire_testkit::faulty_collector::{
    Answer, CUT, FORBIDDEN, FaultyCollector, GARBAGE, REDIRECT, SIGN_IN, UNAUTHORIZED,
};
use spanwire_testkit::folder::Folder;

use crate::app::{App, SECOND, builder};

#[test]
fn what_is_answered_by_no_collector_waits_until_there_is_one() {
    for answer in [SIGN_IN, GARBAGE, UNAUTHORIZED, FORBIDDEN, REDIRECT] {
        let text = String::from_utf8_lossy(answer);
        let server = FaultyCollector::start(Answer::Bytes(answer));
        let folder = Folder::new("spool_answers_none");
        let app = App::start(builder(&server.url(), folder.path()));
        app.span("a");
        app.span("b");
        assert!(server.taken().is_empty(), "{text}");
        assert_eq!(app.items("spooled"), 2.0, "{text}");
        server.answer(Answer::Taken);
        app.wait_until("the spool is sent", |app| app.items("replayed") == 2.0);
        assert_eq!(server.taken(), ["a", "b"], "{text}");
        let report = app.telemetry.shutdown(5 * SECOND).spans;
        assert_eq!(
            (report.exported, report.lost, report.spooled),
            (2, 0, 0),
            "{text}"
        );
    }
}

#[test]
fn what_is_answered_by_no_collector_is_lost_without_a_spool() {
    let server = FaultyCollector::start(Answer::Bytes(SIGN_IN));
    let telemetry = spanwire::Telemetry::builder("test")
        .environment(|_| None)
        .prometheus_port(0)
        .otlp_endpoint(server.url())
        .otlp_timeout(2 * SECOND)
        .sampler(spanwire::telemetry::Sampler::ParentBasedAlwaysOn)
        .without_system()
        .quiet();
    let app = App::start(telemetry);
    app.span_unflushed("a");
    assert_eq!(app.telemetry.flush(20 * SECOND), Err(FlushError::Lost(1)));
    let report = app.telemetry.shutdown(2 * SECOND).spans;
    let error = report.last_error.unwrap();
    assert!(error.contains("not OTLP"), "{error}");
    assert_eq!((report.exported, report.lost), (0, 1));
}

#[test]
fn a_collector_whose_answer_is_cut_or_endless_has_taken_the_request_once() {
    for answer in [Answer::Bytes(CUT), Answer::Endless] {
        let server = FaultyCollector::start(answer);
        let folder = Folder::new("spool_answers_cut");
        let app = App::start(builder(&server.url(), folder.path()));
        app.span("a");
        assert_eq!(
            (server.taken(), server.requests()),
            (vec!["a".into()], 1),
            "{answer:?}"
        );
        let report = app.telemetry.shutdown(5 * SECOND).spans;
        assert_eq!(
            (report.exported, report.lost, report.spooled),
            (1, 0, 0),
            "{answer:?}"
        );
    }
}

/// Spans in one request of some 16 MB, more than sockets buffer.
fn large_batch(app: &App) -> Vec<String> {
    let names: Vec<String> = (0..16)
        .map(|n| format!("{n:02}{}", "x".repeat(1_000_000)))
        .collect();
    for name in &names {
        app.span_unflushed(name);
    }
    names
}

#[test]
fn a_request_that_is_too_large_arrives_in_pieces() {
    for answer in [Answer::UnreadAbove(2_500_000), Answer::ReadAbove(2_500_000)] {
        let server = FaultyCollector::start(answer);
        let folder = Folder::new("spool_answers_large");
        let app = App::start(builder(&server.url(), folder.path()).otlp_timeout(20 * SECOND));
        let names = large_batch(&app);
        app.telemetry.flush(60 * SECOND).unwrap();
        // So much may take longer than it is waited for in memory.
        app.wait_until("everything is answered", |app| app.size() == 0.0);
        assert!(
            server.taken() == names,
            "{answer:?}: {} taken",
            server.taken().len()
        );
        let report = app.telemetry.shutdown(5 * SECOND).spans;
        assert_eq!(
            (report.exported, report.lost, report.spooled),
            (16, 0, 0),
            "{answer:?}"
        );
    }
}

#[test]
fn a_request_that_is_too_large_for_the_disks_collector_arrives_in_pieces() {
    let server = FaultyCollector::start(Answer::Bytes(UNAUTHORIZED));
    let folder = Folder::new("spool_answers_large_spooled");
    let app = App::start(builder(&server.url(), folder.path()).otlp_timeout(20 * SECOND));
    let names = large_batch(&app);
    app.telemetry.flush(60 * SECOND).unwrap();
    assert_eq!(app.items("spooled"), 16.0);
    server.answer(Answer::ReadAbove(2_500_000));
    app.wait_until("the spool is sent", |app| app.items("replayed") == 16.0);
    assert!(server.taken() == names, "{} taken", server.taken().len());
    assert_eq!(app.telemetry.shutdown(5 * SECOND).spans.exported, 16);
}

#[test]
fn a_single_span_that_is_too_large_is_lost_and_the_next_one_arrives() {
    let server = FaultyCollector::start(Answer::UnreadAbove(100_000));
    let folder = Folder::new("spool_answers_single");
    let app = App::start(builder(&server.url(), folder.path()));
    app.span_unflushed(&"x".repeat(16_000_000));
    assert_eq!(app.telemetry.flush(20 * SECOND), Err(FlushError::Lost(1)));
    app.span("small");
    assert_eq!(server.taken(), ["small"]);
    let report = app.telemetry.shutdown(5 * SECOND).spans;
    assert_eq!((report.exported, report.lost, report.spooled), (1, 1, 0));
    assert!(report.last_error.unwrap().contains("413"));
}

#[test]
fn a_request_at_which_the_collector_always_fails_does_not_block_what_is_behind_it() {
    let server = FaultyCollector::start(Answer::Bytes(UNAUTHORIZED));
    let folder = Folder::new("spool_answers_poison");
    let app = App::start(builder(&server.url(), folder.path()));
    for name in ["a", "poison", "b", "c"] {
        app.span(name);
    }
    server.answer(Answer::BreaksAt("poison"));
    app.wait_until("the rest is sent", |app| app.items("replayed") == 3.0);
    assert_eq!(server.taken(), ["a", "b", "c"]);
    assert_eq!(app.dropped("refused"), 1.0);
    let report = app.telemetry.shutdown(5 * SECOND).spans;
    assert_eq!((report.exported, report.lost, report.spooled), (3, 1, 0));
}
