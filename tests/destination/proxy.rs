//! Proxies: one that cannot be used is not passed by.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver as Queue, sync_channel};

use crate::fixture::{Fixture, SECOND, SIGNALS, arrived, builder, run, turns_off, with};
use spanwire::telemetry::Proxy;
use spanwire_testkit::environment::variables;
use spanwire_testkit::receiver::Receiver;

/// Reads the head of each request for a tunnel, and opens none.
fn proxy() -> (SocketAddr, Queue<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (said, heads) = sync_channel(100);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if !matches!(stream.read(&mut byte), Ok(1)) {
                    break;
                }
                head.push(byte[0]);
            }
            let _ = said.send(String::from_utf8(head).unwrap());
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        }
    });
    (addr, heads)
}

/// A name of loopback that does not look like one, so that a proxy is asked.
fn elsewhere(receiver: &Receiver) -> String {
    let scheme = receiver.url();
    let (scheme, _) = scheme.split_once(':').unwrap();
    format!("{scheme}://127.1:{}", receiver.addr().port())
}

#[test]
fn a_proxy_that_cannot_be_used_is_not_bypassed() {
    let (addr, heads) = proxy();
    let good = format!("http://{addr}");
    for (name, value) in [
        ("ALL_PROXY", format!("socks5://{addr}")),
        ("all_proxy", format!("socks4a://me:s3cret@{addr}")),
        // There would be TLS to it, and none to the collector.
        ("HTTPS_PROXY", format!("https://{addr}")),
        ("https_proxy", "http://box:31z8".into()),
        ("HTTP_PROXY", "ftp://box".into()),
        ("http_proxy", "a b".into()),
        ("NO_PROXY", "http://127.1/s3cret".into()),
        ("no_proxy", "127.0.0.0/33".into()),
    ] {
        let is_for_https = name.eq_ignore_ascii_case("https_proxy");
        let mut fixture = match is_for_https {
            true => Fixture::tls(),
            false => Fixture::plain(),
        };
        let elsewhere = elsewhere(&fixture.receiver);
        fixture.base = with(
            fixture.base,
            variables(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &elsewhere)]),
        );
        // The last in the order, to which nothing may fall back.
        let mut bad = match name {
            "ALL_PROXY" => Vec::new(),
            _ => variables(&[("ALL_PROXY", &good)]),
        };
        bad.extend(variables(&[(name, &value)]));
        turns_off(&fixture, bad, name, &SIGNALS);
        assert!(heads.try_recv().is_err(), "the proxy was asked: {name}");
    }
}

/// As curl chooses: the scheme's own before the one for all, small letters before capitals.
#[test]
fn each_scheme_has_its_own_proxy() {
    let (http, https) = ("HTTP_PROXY", "HTTPS_PROXY");
    let (small_http, small_https) = ("http_proxy", "https_proxy");
    for (scheme, set, used) in [
        ("http", &[http, https][..], Some(http)),
        ("http", &[small_http, http], Some(small_http)),
        ("http", &["ALL_PROXY", http], Some(http)),
        ("http", &["ALL_PROXY", https], Some("ALL_PROXY")),
        ("http", &["ALL_PROXY", "all_proxy"], Some("all_proxy")),
        ("http", &[https, small_https], None),
        ("https", &[http, https], Some(https)),
        ("https", &[small_https, https], Some(small_https)),
        ("https", &["ALL_PROXY", http], Some("ALL_PROXY")),
        ("https", &[http, small_http], None),
    ] {
        let fixture = match scheme {
            "https" => Fixture::tls(),
            _ => Fixture::plain(),
        };
        let proxies: Vec<_> = set.iter().map(|name| (*name, proxy())).collect();
        let mut variables = variables(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &elsewhere(&fixture.receiver)),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ]);
        for (name, (addr, _)) in &proxies {
            variables.push(((*name).to_owned(), format!("http://{addr}")));
        }
        let builder = builder(with(fixture.base.clone(), variables));
        let resolved = builder.clone().resolve();
        let url = resolved.traces().unwrap().url().to_owned();
        let shown = resolved.proxy_for(&url).map(Proxy::variable);
        assert_eq!(shown, used, "{scheme} with {set:?}");
        run(builder);
        for (name, (_, heads)) in &proxies {
            let was_asked = heads.try_recv().is_ok();
            assert_eq!(was_asked, used == Some(*name), "{scheme} with {set:?}");
        }
    }
}

#[test]
fn a_good_proxy_is_used_except_for_exempted_hosts() {
    let receiver = Receiver::start();
    let (addr, heads) = proxy();
    let base = with(
        Fixture::base(&receiver),
        variables(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &elsewhere(&receiver)),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
            ("ALL_PROXY", &format!("http://me:w%40rd@{addr}")),
            // Not asked, so as bad as it likes.
            ("https_proxy", "socks5://box"),
        ]),
    );
    let warnings = run(builder(base.clone()));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].ends_with("no signal that is on needs it"));
    let head = heads.recv_timeout(10 * SECOND).unwrap();
    assert!(head.starts_with("CONNECT 127.1:"), "{head}");
    let decoded = "Proxy-Authorization: Basic bWU6d0ByZA==";
    assert!(head.contains(decoded), "{head}");
    assert!(!head.contains("s3cret"), "{head}");
    assert_eq!(arrived(&receiver), [""; 0]);
    while heads.try_recv().is_ok() {}

    for exempt in [
        "127.1",
        "x.y,127.*",
        "*",
        &format!("127.1:{}", receiver.addr().port()),
    ] {
        let direct = Receiver::start();
        let exempt = exempt.replace(
            &receiver.addr().port().to_string(),
            &direct.addr().port().to_string(),
        );
        let more = variables(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &elsewhere(&direct)),
            ("NO_PROXY", &exempt),
        ]);
        run(builder(with(base.clone(), more)));
        assert_eq!(arrived(&direct), ["traces"], "{exempt}");
    }
    // This machine is reached without any, and then a bad one does no harm.
    let local = Receiver::start();
    let more = variables(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &local.url()),
        ("ALL_PROXY", "socks5://box"),
    ]);
    run(builder(with(base, more)));
    assert_eq!(arrived(&local), ["traces"]);
    assert!(heads.try_recv().is_err());
}
