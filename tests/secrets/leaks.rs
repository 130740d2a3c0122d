//! Where each secret of the app and its page comes out.

use std::fmt::Write;

use expect_test::{Expect, expect};

use crate::app::{self, FOLDER, PANICKING, REDACTED};
use crate::output::{LOGS, Output, SPOOL, TRACES};
use spanwire_testkit::child_process::is_child;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::{Answer, Receiver};

const THE_APP: &str = "leaks::be_the_app";

#[test]
fn be_the_app() {
    if is_child() {
        app::run();
    }
}

/// The app's output, with a collector that takes everything.
fn exported(environment: &[(&str, &str)]) -> Output {
    let receiver = Receiver::start();
    let url = receiver.url();
    let environment = [&[("OTEL_EXPORTER_OTLP_ENDPOINT", &*url)], environment].concat();
    Output::of_child(THE_APP, &environment).and_received(&receiver)
}

/// The app's output, with a spool and a collector that is away.
fn spooled(environment: &[(&str, &str)]) -> Output {
    let (receiver, folder) = (Receiver::start(), Folder::new("secrets"));
    receiver.answer(Answer::Close);
    let url = receiver.url();
    let path = folder.path().to_str().unwrap();
    let with_spool = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), (FOLDER, path)];
    Output::of_child(THE_APP, &[&with_spool, environment].concat()).and_spooled(&folder)
}

/// Every secret in the source of the app.
fn secrets() -> Vec<&'static str> {
    let source = include_str!("app.rs");
    let is_part = |c: char| c.is_ascii_lowercase() || " -".contains(c);
    let rests = source.split("s3cr3t").skip(1);
    let mut secrets: Vec<_> = source
        .match_indices("s3cr3t")
        .zip(rests)
        .filter_map(|((at, start), rest)| {
            let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let secret = source[at..at + start.len() + len].trim_end();
            (secret != start).then_some(secret)
        })
        .collect();
    secrets.sort_unstable();
    secrets.dedup();
    for pair in secrets.windows(2) {
        assert!(
            !pair[1].starts_with(pair[0]),
            "cannot be told apart: {pair:?}"
        );
    }
    assert!(secrets.len() > 60);
    secrets
}

/// The secrets that came out, and where.
fn check(output: &Output, expected: &Expect) {
    let mut found = String::new();
    for secret in secrets() {
        let places = output.places(secret);
        if !places.is_empty() {
            writeln!(found, "{secret}: {}", places.join(", ")).unwrap();
        }
    }
    expected.assert_eq(&found);
}

/// That is its own words, those of its page's SDK, names that are allowed, and the resource: never a
/// payload.
#[test]
fn output_has_only_what_the_app_put_there() {
    let output = exported(&[]);
    check(
        &output,
        &expect![[r#"
            s3cr3t-app-attribute: traces
            s3cr3t-app-body: logs, traces
            s3cr3t-app-context: logs, traces
            s3cr3t-app-error: logs, traces
            s3cr3t-app-field: logs, traces
            s3cr3t-app-operation: logs, traces
            s3cr3t-app-panic: logs, traces
            s3cr3t-app-status: traces
            s3cr3t-name-event: metrics, stdout, traces
            s3cr3t-name-measurement: metrics, stdout
            s3cr3t-name-span: traces
            s3cr3t-resource-attribute: logs, metrics, stdout, traces
            s3cr3t-sdk-attribute: traces
            s3cr3t-sdk-event-attribute: traces
            s3cr3t-sdk-event-name: traces
            s3cr3t-sdk-key: traces
            s3cr3t-sdk-link-attribute: traces
            s3cr3t-sdk-link-state: traces
            s3cr3t-sdk-name: traces
            s3cr3t-sdk-scope: traces
            s3cr3t-sdk-state: traces
            s3cr3t-sdk-status: traces
            s3cr3t-sdk-version: traces
        "#]],
    );
    // What cannot be read is said by its place.
    let logs = output.text(LOGS);
    assert!(logs.contains("at line 1 column"), "{logs}");
}

/// But for names in metrics, and the resource, which is offered once and removed here.
#[test]
fn a_hook_that_removes_secrets_keeps_them_out_of_all_output() {
    let output = exported(&[(REDACTED, "1")]);
    check(
        &output,
        &expect![[r#"
        s3cr3t-name-event: metrics, stdout
        s3cr3t-name-measurement: metrics, stdout
    "#]],
    );
    for place in [TRACES, LOGS] {
        assert!(!output.text(place).is_empty(), "{place}");
    }
}

/// Values are replaced; an attribute's key stays.
#[test]
fn a_hook_that_panics_lets_no_secret_out_and_is_reported() {
    let output = exported(&[(PANICKING, "1")]);
    check(
        &output,
        &expect![[r#"
        s3cr3t-name-event: metrics, stdout
        s3cr3t-name-measurement: metrics, stdout
        s3cr3t-sdk-key: traces
    "#]],
    );
    for place in [TRACES, LOGS] {
        assert!(output.text(place).contains("[redacted]"), "{place}");
    }
    let errors = output.text("stderr");
    let told = "spanwire: the redaction of traces panicked: [redacted] is sent instead";
    assert_eq!(errors.matches(told).count(), 1, "{errors}");
}

#[test]
fn the_spool_holds_what_an_export_would_have_sent() {
    check(
        &spooled(&[]),
        &expect![[r#"
            s3cr3t-app-attribute: spool
            s3cr3t-app-body: spool
            s3cr3t-app-context: spool
            s3cr3t-app-error: spool
            s3cr3t-app-field: spool
            s3cr3t-app-operation: spool
            s3cr3t-app-panic: spool
            s3cr3t-app-status: spool
            s3cr3t-name-event: spool, stdout
            s3cr3t-name-measurement: stdout
            s3cr3t-name-span: spool
            s3cr3t-resource-attribute: spool, stdout
            s3cr3t-sdk-attribute: spool
            s3cr3t-sdk-event-attribute: spool
            s3cr3t-sdk-event-name: spool
            s3cr3t-sdk-key: spool
            s3cr3t-sdk-link-attribute: spool
            s3cr3t-sdk-link-state: spool
            s3cr3t-sdk-name: spool
            s3cr3t-sdk-scope: spool
            s3cr3t-sdk-state: spool
            s3cr3t-sdk-status: spool
            s3cr3t-sdk-version: spool
        "#]],
    );
}

#[test]
fn a_hook_that_removes_secrets_keeps_them_out_of_the_spool() {
    let output = spooled(&[(REDACTED, "1")]);
    check(
        &output,
        &expect![[r#"
        s3cr3t-name-event: stdout
        s3cr3t-name-measurement: stdout
    "#]],
    );
    assert!(output.text(SPOOL).contains("handler failed"));
}
