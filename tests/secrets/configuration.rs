//! Secrets in the configuration: neither a warning, a complaint nor a report shows them.

use std::time::Duration;

use spanwire::telemetry::{Exporter, MetricsExporter, Sampler, Telemetry};

use crate::output::Output;
use spanwire_testkit::child_process::is_child;
use spanwire_testkit::receiver::{Answer, Receiver};
use spanwire_testkit::scrape::scrape_as;

/// Starts and ends telemetry as the environment says, and prints all that it says of itself.
#[test]
fn be_the_app() {
    if !is_child() {
        return;
    }
    let deadline = Duration::from_secs(20);
    let builder = Telemetry::builder("careless")
        .prometheus_port(0)
        .metrics(MetricsExporter::PrometheusAndOtlp)
        .logs(Exporter::Otlp)
        .traces(Exporter::Otlp)
        .sampler(Sampler::ParentBasedAlwaysOn)
        .otlp_timeout(Duration::from_secs(2))
        .without_system();
    let builder = match std::env::var("SPANWIRE_TEST_BUILDER_ENDPOINT") {
        Ok(url) => builder.otlp_endpoint(url),
        Err(_) => builder,
    };
    let builder = match std::env::var("SPANWIRE_TEST_BUILDER_HEADER") {
        Ok(value) => builder.otlp_header("authorization", value),
        Err(_) => builder,
    };
    println!("{builder:?}");
    let telemetry = builder.install().unwrap();
    println!("{telemetry:?}");
    for warning in telemetry.warnings() {
        println!("{warning}\n{warning:?}");
    }
    tracing::info_span!("work").in_scope(|| tracing::info!("a record"));
    println!("{:?}", telemetry.flush(deadline));
    let addr = telemetry.prometheus_addr().unwrap();
    for accept in ["text/plain", "application/openmetrics-text;version=1.0.0"] {
        println!("{}", scrape_as(addr, accept).1);
    }
    let report = telemetry.shutdown(deadline);
    println!("{report}\n{report:?}");
}

/// That environment's output, with `{}` for the address of a collector that refuses.
fn output(environment: &[(&str, &str)]) -> Output {
    let receiver = Receiver::start();
    receiver.answer(Answer::Status(403));
    let addr = receiver.addr().to_string();
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, value.replace("{}", &addr)))
        .collect();
    let environment: Vec<_> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    Output::of_child("configuration::be_the_app", &environment).and_received(&receiver)
}

/// The secret comes out nowhere, and the child had something to say.
fn check(environment: &[(&str, &str)], said: &str) {
    let output = output(environment);
    assert_eq!(output.around("s3cr3t"), "", "{environment:?}");
    let errors = output.text("stderr");
    assert!(errors.contains(said), "{environment:?}\n{errors}");
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";

#[test]
fn a_refused_export_does_not_show_its_headers() {
    let header = (HEADERS, "authorization=Bearer%20s3cr3t-header");
    check(&[(ENDPOINT, "http://{}"), header], "403");
    let option = ("SPANWIRE_TEST_BUILDER_HEADER", "Bearer s3cr3t-header");
    check(&[(ENDPOINT, "http://{}"), option], "403");
}

#[test]
fn headers_that_cannot_be_used_are_not_shown() {
    let endpoint = (ENDPOINT, "http://{}");
    for value in ["authorization: Bearer s3cr3t-header", "a b=s3cr3t-header"] {
        check(&[endpoint, (HEADERS, value)], HEADERS);
    }
    let option = ("SPANWIRE_TEST_BUILDER_HEADER", "Bearer\ns3cr3t-header");
    check(&[endpoint, option], "otlp_header");
}

#[test]
fn user_and_password_of_an_endpoint_are_not_shown() {
    check(&[(ENDPOINT, "http://me:s3cr3t-password@{}")], "403");
    let nobody = "http://me:s3cr3t-password@127.0.0.1:1";
    check(&[(ENDPOINT, nobody)], "127.0.0.1:1");
    check(&[("SPANWIRE_TEST_BUILDER_ENDPOINT", nobody)], "127.0.0.1:1");
}

#[test]
fn a_token_in_an_endpoints_query_is_not_shown() {
    let value = "http://127.0.0.1:1/otlp?token=s3cr3t-query";
    check(&[(ENDPOINT, value)], ENDPOINT);
    check(
        &[("SPANWIRE_TEST_BUILDER_ENDPOINT", value)],
        "otlp_endpoint",
    );
}

#[test]
fn a_token_in_an_endpoints_path_is_not_shown() {
    // One that is in use, and others that are not.
    check(&[(ENDPOINT, "http://{}/ingest/s3cr3t-path")], "403");
    for value in [
        "ftp://127.0.0.1:1/ingest/s3cr3t-path",
        "127.0.0.1:1/ingest/s3cr3t-path",
        "http://127.0.0.1:port/ingest/s3cr3t-path",
    ] {
        check(&[(ENDPOINT, value)], ENDPOINT);
        check(
            &[("SPANWIRE_TEST_BUILDER_ENDPOINT", value)],
            "otlp_endpoint",
        );
    }
}

#[test]
fn resource_attributes_that_cannot_be_used_are_not_shown() {
    for value in ["team=a,s3cr3t-resource", "s3cr3t-key%zz=s3cr3t-resource"] {
        check(&[(ENDPOINT, "http://{}"), (RESOURCE, value)], RESOURCE);
    }
}
