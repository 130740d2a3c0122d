//! The doctor reaches a Collector exactly when the exporter does.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use opentelemetry::trace::{Tracer, TracerProvider};
use spanwire::telemetry::Telemetry;

use crate::doctor::{Stack, of};
use crate::process::said;
use spanwire_testkit::authority::Authority;
use spanwire_testkit::receiver::Receiver;

type Environment = BTreeMap<&'static str, String>;

/// Whether a span arrives from an app in that environment.
fn exporter_delivers(environment: &Environment) -> bool {
    let environment = environment.clone();
    let (telemetry, parts) = Telemetry::builder("paint-tool")
        .environment(move |name| environment.get(name).cloned())
        .prometheus_port(0)
        .without_system()
        .quiet()
        .build()
        .unwrap();
    if let Some(provider) = &parts.tracer_provider {
        provider.tracer("test").start("span");
    }
    let report = telemetry.shutdown(Duration::from_secs(5));
    report.spans.exported > 0
}

/// What the doctor says about the Collector in that environment.
fn doctor(environment: &Environment) -> String {
    let stack = Stack::closed().without("collector");
    of(&said(stack.command().envs(environment)), "collector")
}

fn agree(environment: &Environment, delivers: bool) -> String {
    assert_eq!(exporter_delivers(environment), delivers, "{environment:?}");
    let text = doctor(environment);
    assert_eq!(text.contains("takes traces"), delivers, "{text}");
    text
}

#[test]
fn doctor_uses_private_authority_and_client_certificate() {
    let authority = Authority::new("company");
    let receiver = Receiver::start_tls(authority.server_for_known_clients());
    let (certificate, key) = authority.client_files();
    let path = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let mut environment = Environment::from([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()),
        ("OTEL_TRACES_SAMPLER", "always_on".to_owned()),
    ]);
    agree(&environment, false);
    environment.insert("OTEL_EXPORTER_OTLP_CERTIFICATE", path(authority.file()));
    agree(&environment, false);
    environment.insert("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", path(certificate));
    environment.insert("OTEL_EXPORTER_OTLP_CLIENT_KEY", path(key));
    agree(&environment, true);
}

#[test]
fn doctor_says_what_to_make_instead_of_a_cas_certificate() {
    let authority = Authority::new("company");
    let (server, file) = authority.self_signed_server(true);
    let receiver = Receiver::start_tls(server);
    let certificate = file.to_str().unwrap().to_owned();
    let environment = Environment::from([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url()),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate),
        ("OTEL_TRACES_SAMPLER", "always_on".to_owned()),
    ]);
    let text = agree(&environment, false);
    assert!(text.contains("-addext basicConstraints="), "{text}");
}

#[test]
fn doctor_sends_user_password_and_query_as_the_exporter_does() {
    let receiver = Receiver::start();
    let endpoint = format!("http://me:w%40rd@{}/v1/traces?team=1", receiver.addr());
    let environment = Environment::from([
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
        ("OTEL_TRACES_SAMPLER", "always_on".to_owned()),
    ]);
    agree(&environment, true);
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    for request in received {
        assert_eq!(request.headers["authorization"], "Basic bWU6d0ByZA==");
        assert_eq!(request.query.as_deref(), Some("team=1"));
    }
}

#[test]
fn doctor_uses_proxy_and_its_exemptions() {
    let receiver = Receiver::start();
    // An address of this machine that does not look like one, so that a proxy is used.
    let elsewhere = format!("http://127.1:{}", receiver.addr().port());
    let environment = |proxy: String, exempt: &str| {
        Environment::from([
            ("OTEL_EXPORTER_OTLP_ENDPOINT", elsewhere.clone()),
            ("OTEL_TRACES_SAMPLER", "always_on".to_owned()),
            ("ALL_PROXY", proxy),
            ("NO_PROXY", exempt.to_owned()),
        ])
    };
    let forwarding = proxy(Some(receiver.addr()));
    agree(&environment(format!("http://{forwarding}"), ""), true);

    let refusing = proxy(None);
    let refusing = format!("http://me:s3cret@{refusing}");
    let text = agree(&environment(refusing.clone(), ""), false);
    assert!(text.contains("ALL_PROXY puts a proxy in between"), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    agree(&environment(refusing, "127.*"), true);
}

/// Opens tunnels to that address, or none.
fn proxy(to: Option<SocketAddr>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || tunnel(stream, to));
        }
    });
    addr
}

fn tunnel(mut client: TcpStream, to: Option<SocketAddr>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(client.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    let Some(server) = to.and_then(|to| TcpStream::connect(to).ok()) else {
        let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        return;
    };
    let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    let (mut from_server, mut to_client) = (server, client);
    let _ = std::io::copy(&mut from_server, &mut to_client);
}
