use std::io::{Read, Write};

use metrics::with_local_recorder;

use super::super::PrometheusRecorder;
use super::super::tests::recorder_of;
use super::*;
use crate::telemetry::prometheus::Exposition;

fn options() -> EndpointOptions {
    EndpointOptions {
        host: "127.0.0.1".into(),
        port: 0,
        allowed_hosts: vec!["scraper.example".into()],
    }
}

/// Started with the recorder in force, so that what it turned away is rendered too.
fn start() -> (Endpoint, Box<PrometheusRecorder>, Exposition) {
    let (recorder, exposition) = recorder_of("x");
    // Recorders are told apart by their address.
    let recorder = Box::new(recorder);
    let endpoint = with_local_recorder(&*recorder, || {
        Endpoint::start(options(), exposition.clone()).unwrap()
    });
    (endpoint, recorder, exposition)
}

/// Sends `request` and reads to the end; what was read before a reset counts.
fn send(addr: SocketAddr, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    let mut response = Vec::new();
    if stream.write_all(request.as_bytes()).is_ok() {
        let _ = stream.read_to_end(&mut response);
    }
    String::from_utf8(response).unwrap()
}

fn get(addr: SocketAddr, path: &str, host: &str) -> String {
    send(
        addr,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    )
}

fn status(response: &str) -> &str {
    response.split(' ').nth(1).unwrap_or("closed")
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn metrics_and_health_are_served_on_the_port_that_was_free() {
    let (endpoint, recorder, exposition) = start();
    with_local_recorder(&*recorder, || metrics::counter!("app.runs").increment(1));
    assert_ne!(endpoint.addr().port(), 0);
    let response = get(endpoint.addr(), "/metrics", "localhost");
    assert_eq!(status(&response), "200", "{response}");
    assert!(
        response.contains("content-type: text/plain; version=0.0.4"),
        "{response}"
    );
    assert_eq!(body(&response), exposition.render());
    assert!(body(&response).contains("\napp_runs_total 1\n"));
    let response = get(endpoint.addr(), "/healthz", "localhost");
    assert_eq!((status(&response), body(&response)), ("200", "ok\n"));
}

#[test]
fn head_tells_the_length_and_sends_nothing() {
    let (endpoint, ..) = start();
    let request = "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let response = send(endpoint.addr(), request);
    assert_eq!((status(&response), body(&response)), ("200", ""));
    assert!(response.contains("content-length: 3"), "{response}");
    let request = "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(status(&send(endpoint.addr(), request)), "200");
}

#[test]
fn other_paths_methods_and_forms_are_refused() {
    let (endpoint, ..) = start();
    let addr = endpoint.addr();
    for path in ["/", "/metrics/", "/favicon.ico", "//metrics"] {
        assert_eq!(status(&get(addr, path, "localhost")), "404", "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let response = send(
            addr,
            &format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        );
        assert_eq!(status(&response), "405", "{method}");
        assert!(response.contains("allow: GET, HEAD"), "{response}");
    }
    assert_eq!(status(&send(addr, "not http\r\n\r\n")), "400");
    let large = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(64 * 1024)
    );
    assert!(["431", "closed"].contains(&status(&send(addr, &large))));
    assert_eq!(status(&get(addr, "/healthz", "localhost")), "200");
}

#[test]
fn a_host_that_is_not_allowed_is_refused_told_how_and_counted() {
    let (endpoint, recorder, exposition) = start();
    let addr = endpoint.addr();
    let port = addr.port();
    for host in [
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::1]:{port}"),
        "scraper.example".into(),
        format!("host.docker.internal:{port}"),
    ] {
        assert_eq!(status(&get(addr, "/metrics", &host)), "200", "{host}");
    }
    let response = get(addr, "/metrics", "evil.example");
    assert_eq!(status(&response), "403");
    assert!(
        body(&response).contains("TelemetryBuilder::allowed_host"),
        "{response}"
    );
    assert!(!response.contains("target_info"));
    // A browser in a network whose DNS points a container's name of the machine here.
    let browser =
        "GET /metrics HTTP/1.1\r\nHost: host.docker.internal\r\nAccept-Language: en\r\n\r\n";
    assert_eq!(status(&send(addr, browser)), "403");
    assert_eq!(status(&send(addr, "GET /metrics HTTP/1.1\r\n\r\n")), "400");
    // A name in the request line does not stand in for the header.
    let absolute = "GET http://localhost/metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    assert_eq!(status(&send(addr, absolute)), "403");
    let text = with_local_recorder(&*recorder, || exposition.render());
    assert!(
        text.contains("spanwire_endpoint_refused_total{error_type=\"forbidden_host\"} 3\n"),
        "{text}"
    );
}

#[test]
fn http_1_0_needs_no_host_and_one_that_it_has_must_be_allowed() {
    let (endpoint, ..) = start();
    let addr = endpoint.addr();
    let answer = send(addr, "GET /metrics HTTP/1.0\r\n\r\n");
    assert_eq!(status(&answer), "200", "{answer}");
    assert!(answer.contains("target_info"), "{answer}");
    let evil = "GET /metrics HTTP/1.0\r\nHost: evil.example\r\n\r\n";
    assert_eq!(status(&send(addr, evil)), "403");
    // No browser speaks it, and one that did would tell itself.
    let browser = "GET /metrics HTTP/1.0\r\nOrigin: http://evil.example\r\n\r\n";
    assert_eq!(status(&send(addr, browser)), "400");
}

#[cfg(feature = "system")]
#[test]
fn on_every_interface_the_machines_own_name_is_answered_and_another_is_told_what_to_set() {
    let (_recorder, exposition) = recorder_of("x");
    let listening_on = |host: &str| {
        let options = EndpointOptions {
            host: host.into(),
            ..options()
        };
        Endpoint::start(options, exposition.clone()).unwrap()
    };
    let own = sysinfo::System::host_name().unwrap();
    let everywhere = listening_on("0.0.0.0");
    let addr = SocketAddr::from(([127, 0, 0, 1], everywhere.addr().port()));
    for host in [
        own.clone(),
        format!("{}:{}", own.to_uppercase(), addr.port()),
    ] {
        assert_eq!(status(&get(addr, "/metrics", &host)), "200", "{host}");
    }
    // A network's DNS may point the name here for a page.
    let browser = format!("GET /metrics HTTP/1.1\r\nHost: {own}\r\nAccept-Language: en\r\n\r\n");
    assert_eq!(status(&send(addr, &browser)), "403");
    let refused = get(addr, "/metrics", "another.example");
    assert_eq!(status(&refused), "403");
    for part in [
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "TelemetryBuilder::allowed_host",
    ] {
        assert!(body(&refused).contains(part), "{refused}");
    }
    // On loopback alone the name is of no use.
    let loopback = listening_on("127.0.0.1");
    assert_eq!(status(&get(loopback.addr(), "/metrics", &own)), "403");
}

#[test]
fn a_taken_port_is_an_error_that_names_the_address() {
    let (endpoint, _, exposition) = start();
    let taken = EndpointOptions {
        port: endpoint.addr().port(),
        ..options()
    };
    let error = Endpoint::start(taken, exposition.clone()).unwrap_err();
    assert!(matches!(error, EndpointError::AddressInUse { .. }));
    let told = error.to_string();
    assert!(
        told.starts_with(&format!("{} is in use", endpoint.addr())),
        "{told}"
    );
    let unknown = EndpointOptions {
        host: "no such host".into(),
        ..options()
    };
    let error = Endpoint::start(unknown, exposition).unwrap_err();
    assert!(
        matches!(error, EndpointError::UnknownHost { .. }),
        "{error}"
    );
}

#[test]
fn half_open_connections_do_not_block_others_and_those_beyond_the_limit_are_counted() {
    let (endpoint, recorder, exposition) = start();
    let addr = endpoint.addr();
    let half_open = || {
        let mut stream = std::net::TcpStream::connect(addr).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
        stream
    };
    let mut open: Vec<_> = (1..CONNECTIONS_MAX).map(|_| half_open()).collect();
    assert_eq!(status(&get(addr, "/healthz", "localhost")), "200");
    open.push(half_open());
    // Served in the order of arrival: by now every place is taken.
    assert_eq!(status(&get(addr, "/healthz", "localhost")), "closed");
    drop(open);
    while status(&get(addr, "/healthz", "localhost")) != "200" {}
    let text = with_local_recorder(&*recorder, || exposition.render());
    let refused = "spanwire_endpoint_refused_total{error_type=\"connection_limit\"} ";
    let count = text.lines().find_map(|line| line.strip_prefix(refused));
    assert!(count.unwrap().parse::<u64>().unwrap() >= 1, "{text}");
}

#[test]
fn dropping_it_frees_the_port_with_connections_open() {
    let (endpoint, ..) = start();
    let addr = endpoint.addr();
    let mut open = std::net::TcpStream::connect(addr).unwrap();
    assert_eq!(status(&get(addr, "/healthz", "localhost")), "200");
    drop(endpoint);
    // The thread is over: it has closed what was open, and the port can be bound again.
    let mut rest = Vec::new();
    let _ = open.read_to_end(&mut rest);
    assert!(rest.is_empty());
    drop(TcpListener::bind(addr).unwrap());
}

#[test]
fn a_panic_while_rendering_is_an_error_and_the_endpoint_goes_on() {
    let (_recorder, mut exposition) = recorder_of("x");
    exposition.publish = || std::panic::resume_unwind(Box::new("a bug"));
    let endpoint = Endpoint::start(options(), exposition).unwrap();
    for _ in 0..2 {
        let response = get(endpoint.addr(), "/metrics", "localhost");
        assert_eq!(status(&response), "500", "{response}");
    }
    assert_eq!(
        status(&get(endpoint.addr(), "/healthz", "localhost")),
        "200"
    );
}
