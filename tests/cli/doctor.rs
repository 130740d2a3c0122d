use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use expect_test::expect;
use serde_json::Value;
use spanwire::telemetry::{Pending, Telemetry, TelemetryBuilder};

use crate::process::{CommandOutput, command, said, spanwire};
use crate::stub::{Stub, answer, closed, dated, json};
use spanwire_testkit::authority::Authority;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::prometheus::Prometheus;
use spanwire_testkit::receiver::{Answer, Receiver};

/// The servers that a run is pointed at, by flag. All are named, lest one that happens to run on
/// this machine is asked.
pub(crate) struct Stack(Vec<(&'static str, String)>);

const FLAGS: [&str; 6] = [
    "metrics",
    "prometheus",
    "collector",
    "jaeger",
    "alertmanager",
    "grafana",
];

impl Stack {
    pub(crate) fn closed() -> Self {
        Self(FLAGS.map(|flag| (flag, closed())).to_vec())
    }

    fn silent() -> Self {
        Self(FLAGS.map(|flag| (flag, Stub::silent().addr())).to_vec())
    }

    pub(crate) fn with(mut self, flag: &'static str, place: impl Into<String>) -> Self {
        let place = place.into();
        for (name, is) in &mut self.0 {
            if *name == flag {
                is.clone_from(&place);
            }
        }
        self
    }

    pub(crate) fn without(mut self, flag: &str) -> Self {
        self.0.retain(|(name, _)| *name != flag);
        self
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = command();
        command.arg("doctor");
        for (flag, place) in &self.0 {
            command.arg(format!("--{flag}")).arg(place);
        }
        command
    }

    /// What the doctor says, with names instead of addresses.
    pub(crate) fn doctor(&self) -> CommandOutput {
        self.hide(said(&mut self.command()))
    }

    pub(crate) fn hide(&self, mut said: CommandOutput) -> CommandOutput {
        for (flag, place) in &self.0 {
            let place = place.trim_start_matches("http://");
            said.out = said.out.replace(place, flag);
        }
        said
    }
}

/// The lines of one check.
pub(crate) fn of(said: &CommandOutput, what: &str) -> String {
    let mut text = String::new();
    let mut ours = false;
    for line in said.out.lines() {
        if !line.starts_with(' ') {
            ours = line.split_whitespace().nth(1) == Some(what);
        }
        if ours {
            text += line;
            text.push('\n');
        }
    }
    text
}

pub(crate) fn app() -> TelemetryBuilder {
    Telemetry::builder("paint-tool")
        .service_version("1.2.3")
        .environment(|_| None)
        .prometheus_port(0)
        .without_system()
        .quiet()
}

/// A small Jaeger, Alertmanager or Grafana.
pub(crate) fn backend(path: &str) -> Option<String> {
    let dashboards = [
        "fleet",
        "ipc",
        "laggy",
        "live",
        "operations",
        "process",
        "telemetry",
    ];
    let found = dashboards.map(|name| format!(r#"{{"uid":"spanwire-{name}"}}"#));
    match path.split('?').next().unwrap() {
        "/api/v3/services" => json(r#"{"services":["jaeger","paint-tool"]}"#),
        "/api/v2/status" => json(r#"{"versionInfo":{"version":"0.34.2"}}"#),
        "/api/health" => json(r#"{"database":"ok","version":"13.2.0"}"#),
        "/api/search" => json(&format!("[{}]", found.join(","))),
        "/api/frontend/settings" => json(r#"{"datasources":{"P":{"type":"prometheus"}}}"#),
        _ => answer(404, "text/plain", "no"),
    }
}

#[test]
fn where_nothing_runs_every_named_server_is_a_problem() {
    let said = Stack::closed().doctor();
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    expect![[r#"
        ok    environment    no variable that Spanwire reads is set here, so the defaults hold
        fail  endpoint       http://metrics/metrics: nothing listens there
              remedy: start the app; if it runs, its log or Telemetry::warnings says why it does not listen, and Telemetry::prometheus_addr where it does: --metrics URL
        fail  prometheus     http://prometheus: nothing listens there
              remedy: start it, or correct --prometheus
        fail  collector      http://collector/v1/traces: nothing listens there
              remedy: start the Collector, with an OTLP receiver over HTTP on that port
        fail  jaeger         http://jaeger: nothing listens there
              remedy: start it, or correct --jaeger
        fail  alertmanager   http://alertmanager: nothing listens there
              remedy: start it, or correct --alertmanager
        fail  grafana        http://grafana: nothing listens there
              remedy: start it, or correct --grafana
        skip  clock          no server told the time

        6 problems
    "#]].assert_eq(&said.out);
}

/// With a real Prometheus that was told what `alerts export` says.
#[test]
fn a_stack_that_works_has_no_problems() {
    let (telemetry, _parts) = app().build().unwrap();
    let endpoint = telemetry.prometheus_addr().unwrap().to_string();
    let backend = Stub::start(backend).addr();
    let receiver = Receiver::start();
    let folder = Folder::new("cli");
    let exported = said(command().args(["alerts", "export"]).arg(folder.path()));
    let (_, rest) = exported.out.split_once("prometheus.yml:\n\n").unwrap();
    let (config, _) = rest.split_once("\n\n").unwrap();
    let config: String = config
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("  ").unwrap()))
        .collect();
    let config = config
        .replace("127.0.0.1:9464", &endpoint)
        .replace("127.0.0.1:9093", &backend);
    let prometheus = Prometheus::with(&config);
    prometheus.wait_for("spanwire_error_rate_threshold_ratio");
    // Its own start has to be over, and the rules evaluated once.
    prometheus.wait_for("up == 1");

    let stack = Stack::closed()
        .with("metrics", &endpoint)
        .with("prometheus", prometheus.url())
        .with("collector", receiver.url())
        .with("jaeger", &backend)
        .with("alertmanager", &backend)
        .with("grafana", &backend);
    let mut said = stack.doctor();
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    // What differs from machine to machine and from run to run.
    said.out = said.out.replace(&backend, "backend");
    let version = of(&said, "prometheus")
        .split_whitespace()
        .nth(2)
        .map(str::to_owned);
    said.out = said.out.replace(&version.unwrap(), "{version}");
    let series = of(&said, "endpoint");
    let series = series.split_whitespace().rev().nth(1).unwrap();
    said.out = said.out.replace(&format!("{series} series"), "{n} series");
    let age = of(&said, "data");
    let age = age.split_whitespace().rev().nth(2).unwrap();
    said.out = said.out.replace(&format!("is {age} s old"), "is {n} s old");
    expect![[r#"
        ok    environment    no variable that Spanwire reads is set here, so the defaults hold
        ok    endpoint       paint-tool 1.2.3 at http://metrics/metrics: {n} series
        ok    prometheus     {version} at http://prometheus
        ok    scrape         job spanwire: 1 of 1 target up, every 1s
        ok    data           the newest sample of an app is {n} s old
        ok    rules          27 alerts loaded, none fires
        ok    alerting       alerts go to http://jaeger/api/v2/alerts
        ok    exemplars      Prometheus stores them
        ok    collector      http://collector/v1/traces takes traces
        ok    jaeger         http://jaeger has traces of paint-tool
        ok    alertmanager   0.34.2 at http://jaeger
        ok    grafana        13.2.0 at http://jaeger
        ok    grafana        it has 7 dashboards
        ok    clock          within 2 s of this machine's: the app, Prometheus, the Collector

        all is well
    "#]]
    .assert_eq(&said.out);

    // The same, for a program.
    let json = crate::process::said(stack.command().arg("--json"));
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["ok"], true);
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings.iter().all(|found| found["status"] == "ok"),
        "{report}"
    );
}

/// A real Prometheus says in its own words why it cannot scrape.
#[test]
fn each_target_that_is_down_gets_its_own_remedy() {
    let forbidding = Stub::start(|_| answer(403, "text/plain", "no")).addr();
    let elsewhere = Stub::start(|_| answer(404, "text/plain", "no")).addr();
    let strange = Stub::start(|_| answer(200, "text/plain", "up_and_about 1\n")).addr();
    let gone = closed();
    let prometheus = Prometheus::with(&format!(
        "global: {{ scrape_interval: 2m, scrape_timeout: 1s }}\nscrape_configs:\n\
         - {{job_name: app, scrape_interval: 1s, static_configs: [{{targets: ['{forbidding}', '{elsewhere}', '{gone}']}}]}}\n\
         - {{job_name: other, scrape_interval: 1s, static_configs: [{{targets: ['{strange}']}}]}}\n"
    ));
    prometheus.wait_for("count(up == 0) == 3 and on () count(up == 1) == 1");
    let stack = Stack::closed().with("prometheus", prometheus.url());
    let doctor = |job: &str| {
        let mut said = stack.hide(said(stack.command().args(["--job", job])));
        for (addr, name) in [
            (&forbidding, "forbidding"),
            (&elsewhere, "elsewhere"),
            (&gone, "gone"),
        ] {
            said.out = said.out.replace(addr, name);
        }
        assert_eq!(said.code, 1);
        said
    };
    let scrape = of(&doctor("app"), "scrape");
    let mut lines: Vec<&str> = scrape.lines().collect();
    lines.sort_unstable();
    expect![[r#"
              remedy: TelemetryBuilder::allowed_host("127.0.0.1"): the app refuses a Host that it does not know
              remedy: metrics_path: /metrics, and the port of the app
              remedy: nothing listens there as Prometheus sees it: start the app, or take it out of the targets when it sends its metrics over OTLP alone; from within a container, 127.0.0.1 is the container and the machine is host.docker.internal
        fail  scrape         http://elsewhere/metrics is down: server returned HTTP status 404 x
        fail  scrape         http://forbidding/metrics is down: server returned HTTP status 403 x
        fail  scrape         http://gone/metrics is down: Get "http://gone/metrics": dial tcp gone: connect: connection refused
    "#]].assert_eq(&(lines.join("\n") + "\n"));
    let other = doctor("other");
    expect![[r#"
        ok    scrape         job other: 1 of 1 target up, every 1s
        fail  data           job other is up, and has none of Spanwire's metrics
              remedy: the target is another program's port, metric_relabel_configs drop them, or it was scraped for the first time just now
        warn  rules          none of Spanwire's alerts is loaded
              remedy: spanwire alerts export DIR, which says what to put into prometheus.yml
        warn  alerting       Prometheus has no Alertmanager, so alerts notify no one
              remedy: in prometheus.yml: alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:9093']}]}]}
    "#]].assert_eq(
        &(of(&other, "scrape")
            + &of(&other, "data")
            + &of(&other, "rules")
            + &of(&other, "alerting")),
    );
    expect![[r#"
        fail  scrape         no target has the job spanwire; there are app, other
              remedy: in prometheus.yml below scrape_configs: {job_name: spanwire, scrape_interval: 1s, static_configs: [{targets: ['metrics']}]}, and reload it
    "#]].assert_eq(&of(&doctor("spanwire"), "scrape"));
}

#[test]
fn an_app_that_is_scraped_twice_is_reported() {
    let (telemetry, _parts) = app()
        .resource_attribute("service.instance.id", "id-1")
        .build()
        .unwrap();
    let port = telemetry.prometheus_addr().unwrap().port();
    let prometheus = Prometheus::with(&format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n\
         - {{job_name: spanwire, static_configs: [{{targets: ['127.0.0.1:{port}', 'localhost:{port}']}}]}}\n"
    ));
    prometheus.wait_for("count(target_info) == 2");
    let stack = Stack::closed().with("prometheus", prometheus.url());
    let routes = of(&stack.doctor(), "routes").replace(&port.to_string(), "{port}");
    expect![[r#"
        warn  routes         the metrics of 1 app come in more than once: id-1 as spanwire 127.0.0.1:{port}, spanwire localhost:{port}
              remedy: one way for each app: scrape it once, or OTEL_METRICS_EXPORTER=otlp and no scrape; until then sums over jobs count twice
    "#]].assert_eq(&routes);
}

#[test]
fn servers_that_never_answer_are_given_up_in_time() {
    let started = Instant::now();
    let said = Stack::silent().doctor();
    let took = started.elapsed();
    assert_eq!(said.code, 1);
    let silent = said.out.matches("no answer in time").count();
    assert_eq!(silent, FLAGS.len(), "{}", said.out);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

/// Each answers in time, and so often that it would take half a minute one after the other.
#[test]
fn a_server_that_answers_slowly_is_given_up_in_time() {
    let slow = Stub::start(|path| {
        std::thread::sleep(Duration::from_millis(1_900));
        match path {
            "/api/v1/status/buildinfo" => json(r#"{"status":"success","data":{"version":"3"}}"#),
            _ => json(r#"{"status":"success","data":{}}"#),
        }
    });
    let started = Instant::now();
    let said = Stack::closed().with("prometheus", slow.addr()).doctor();
    let took = started.elapsed();
    assert!(said.out.contains("no answer in time"), "{}", said.out);
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn what_the_app_says_is_not_in_place_is_no_ok() {
    let app = |_: &str| {
        answer(
            200,
            "text/plain",
            "# TYPE spanwire_telemetry_problems gauge\n\
             spanwire_telemetry_problems{error_type=\"recorder_taken\"} 1\n\
             spanwire_telemetry_problems{error_type=\"subscriber_taken\"} 1\n\
             spanwire_telemetry_problems{error_type=\"spans_filtered\"} 1\n\
             spanwire_telemetry_problems{error_type=\"a later one\"} 1\n",
        )
    };
    let place = Stub::start(app);
    let said = Stack::closed().with("metrics", place.addr()).doctor();
    let text = of(&said, "endpoint") + &of(&said, "traces");
    expect![[r#"
        ok    endpoint       at http://metrics/metrics: 4 series
        warn  endpoint       the app's metrics are not there: it has a metrics recorder of its own, which has them
              remedy: TelemetryBuilder::build and a fan-out to TelemetryParts::recorder; docs/guide/existing.md
        warn  endpoint       the app says: a later one
              remedy: see its log
        warn  traces         the app's tracing subscriber has no layer of Spanwire's, so its handlers and operations are in no trace
              remedy: TelemetryBuilder::build and TelemetryParts::layer in that subscriber; docs/guide/existing.md
        warn  traces         a filter of the app's whole tracing subscriber, such as RUST_LOG=warn, turns down handlers' spans, so they are in no trace
              remedy: give that filter to the app's own layer, by Layer::with_filter; docs/guide/existing.md
    "#]].assert_eq(&text);
}

#[test]
fn a_tauri_app_says_by_which_way_its_commands_are_seen() {
    for (way, expected) in [
        (
            "seam",
            "ok    tauri          Tauri 2.12.5: every command is seen\n",
        ),
        (
            "untested",
            "warn  tauri          Tauri 2.12.5: only commands in a handler wrapped in traced(…) are seen, without their errors (untested)\n      \
             remedy: raise tauri-plugin-spanwire to a version that was tested with that Tauri\n",
        ),
    ] {
        let app = move |_: &str| {
            let text = format!(
                "# TYPE target_info gauge\n\
                 target_info{{spanwire_tauri_version=\"2.12.5\",spanwire_tauri_way=\"{way}\"}} 1\n\
                 # TYPE spanwire_page_loads counter\nspanwire_page_loads_total 1\n"
            );
            answer(200, "text/plain", &text)
        };
        let place = Stub::start(app);
        let said = Stack::closed().with("metrics", place.addr()).doctor();
        assert_eq!(of(&said, "tauri"), expected);
    }
}

#[test]
fn another_server_at_the_apps_port_is_not_taken_for_the_app() {
    let page = |_: &str| answer(200, "text/html", "<html>a dev server</html>");
    let metrics = |_: &str| answer(200, "text/plain", "# TYPE go_threads gauge\ngo_threads 7\n");
    let lost = |_: &str| answer(404, "text/plain", "404 page not found\n\u{1b}[31m");
    let newer = |_: &str| {
        answer(
            200,
            "text/plain",
            "# TYPE spanwire_teleport_seconds gauge\nspanwire_teleport_seconds 1\n\
             # TYPE otel_sdk_exporter_span_exported_total counter\n\
             otel_sdk_exporter_span_exported_total{error_type=\"timeout\"} 7\n\
             otel_sdk_exporter_span_exported_total 9\n\
             spanwire_endpoint_refused_total{error_type=\"forbidden_host\"} 3\n\
             target_info{service_name=\"a\\n\u{1b}[31mb\"} 1\n",
        )
    };
    let mut text = String::new();
    for place in [
        Stub::start(page),
        Stub::start(metrics),
        Stub::start(lost),
        Stub::start(newer),
    ] {
        let said = Stack::closed().with("metrics", place.addr()).doctor();
        assert!(!said.out.contains('\u{1b}'));
        text += &["endpoint", "version", "losses"]
            .map(|what| of(&said, what))
            .concat();
    }
    // Not one of the names that the endpoint knows, and the same address for the resolver.
    let (telemetry, _parts) = app().build().unwrap();
    let port = telemetry.prometheus_addr().unwrap().port();
    let said = Stack::closed()
        .with("metrics", format!("127.1:{port}"))
        .doctor();
    text += &of(&said, "endpoint");
    expect![[r#"
        fail  endpoint       http://metrics/metrics: something else answers there, without metrics of Spanwire's
              remedy: another program has the port: give the app another by OTEL_EXPORTER_PROMETHEUS_PORT, and the doctor by --metrics
        fail  endpoint       http://metrics/metrics: something else answers there, without metrics of Spanwire's
              remedy: another program has the port: give the app another by OTEL_EXPORTER_PROMETHEUS_PORT, and the doctor by --metrics
        fail  endpoint       http://metrics/metrics: HTTP 404: 404 page not found [31m
              remedy: the path is /metrics; if it is that, another program has the port
        ok    endpoint       a [31mb at http://metrics/metrics: 5 series
        warn  endpoint       since its start it refused 3 requests for their Host
              remedy: TelemetryBuilder::allowed_host with the name by which the app is scraped, if those were yours
        warn  version        the app has metrics that spanwire 0.1.0 does not know: spanwire_teleport_seconds
              remedy: cargo install spanwire --features cli, in the version that the app uses, and export dashboards and alerts anew
        warn  losses         since its start the app could not send 7 spans (timeout)
              remedy: see the collector below, and runbooks/SpanwireTelemetryLost.md, which `spanwire alerts export DIR` writes
        fail  endpoint       http://metrics/metrics: the app refuses the Host 127.1
              remedy: TelemetryBuilder::allowed_host("127.1"), or ask it by 127.0.0.1
    "#]].assert_eq(&text);
}

#[test]
fn each_refusal_of_a_collector_gets_its_own_remedy() {
    let mut text = String::new();
    let mut ask = |place: &str| {
        let stack = Stack::closed().with("collector", place);
        let said = stack.doctor();
        text += &of(&said, "collector").replace(place.trim_start_matches("https://"), "collector");
    };
    let receiver = Receiver::start();
    for status in [401, 404, 415, 503] {
        receiver.answer(Answer::Status(status));
        ask(&receiver.url());
    }
    // A gRPC server greets with a frame of HTTP/2.
    ask(&Stub::start(|_| Some("\0\0\u{6}\u{4}\0\0\0\0\0\0\u{5}\0\0@\0".into())).addr());
    ask(&Stub::start(|_| answer(200, "text/html", "<html>")).addr());
    ask(&Stub::start(|_| {
        answer(
            400,
            "text/plain",
            "Client sent an HTTP request to an HTTPS server.\n",
        )
    })
    .addr());
    let plain = Receiver::start();
    ask(&plain.url().replace("http://", "https://"));
    let authority = Authority::new("strangers");
    let secure = Receiver::start_tls(authority.server());
    ask(&secure.url());
    expect![[r#"
        fail  collector      http://collector/v1/traces: HTTP 401
              remedy: OTEL_EXPORTER_OTLP_HEADERS needs the token: authorization=Bearer%20…; it is not sent to what --collector names
        fail  collector      http://collector/v1/traces: HTTP 404
              remedy: OTEL_EXPORTER_OTLP_ENDPOINT is the base, to which /v1/traces is added; a signal's own endpoint is the whole URL
        fail  collector      http://collector/v1/traces: HTTP 415
              remedy: that is no OTLP receiver over HTTP: its usual port is 4318
        warn  collector      http://collector/v1/traces: HTTP 503
              remedy: it has too much to do, or what is behind it is away
        fail  collector      http://collector/v1/traces: what is there does not speak HTTP/1.1 (http parse fail: invalid HTTP version)
              remedy: that port speaks something else: TLS (https://), or gRPC (Spanwire speaks OTLP over HTTP, port 4318)
        fail  collector      http://collector/v1/traces: HTTP 200, and not as a receiver answers
              remedy: another program has the port: a receiver answers in application/x-protobuf
        fail  collector      http://collector/v1/traces: HTTP 400: Client sent an HTTP request to an HTTPS server.
              remedy: the receiver has TLS: https://
        fail  collector      collector/v1/traces: TLS failed (received corrupt message of type InvalidContentType)
              remedy: the receiver has no TLS: the endpoint is http:// and not https://
        fail  collector      collector/v1/traces: TLS failed (invalid peer certificate: UnknownIssuer)
              remedy: a private CA goes into OTEL_EXPORTER_OTLP_CERTIFICATE; a receiver without TLS is http://
    "#]].assert_eq(&text);
}

/// The environment is read as the app reads it: where to, with which headers, trusting whom.
#[test]
fn the_collector_of_the_environment_is_probed_as_the_app_exports() {
    let receiver = Receiver::start();
    let stack = Stack::closed().without("collector");
    let mut command = stack.command();
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url())
        .env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=s3cret")
        .env("OTEL_METRICS_EXPORTER", "otlp,prometheus")
        .env("OTEL_LOGS_EXPORTER", "otlp");
    let said = stack.hide(said(&mut command));
    let asked = receiver.received();
    let paths: Vec<&str> = asked.iter().map(|request| &*request.path).collect();
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        assert!(paths.contains(&path), "{paths:?}");
    }
    assert!(
        asked
            .iter()
            .all(|request| request.headers["authorization"] == "s3cret")
    );
    assert!(!said.out.contains("s3cret"));
    let text = of(&said, "environment") + &of(&said, "collector");
    expect![[r#"
        ok    environment    4 variables set here, and good: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_LOGS_EXPORTER, OTEL_METRICS_EXPORTER
        ok    collector      http://receiver/v1/traces takes traces
        ok    collector      http://receiver/v1/metrics takes metrics
        ok    collector      http://receiver/v1/logs takes logs
    "#]]
        .assert_eq(&text.replace(receiver.url().trim_start_matches("http://"), "receiver"));

    // To another address they are not sent.
    let other = Receiver::start();
    let said = crate::process::said(command.args(["--collector", &other.url()]));
    assert_eq!(said.out.matches("takes traces").count(), 1, "{}", said.out);
    assert!(!other.received()[0].headers.contains_key("authorization"));
}

/// The app is not running, so only the environment can say its name.
#[test]
fn service_name_of_the_environment_is_looked_for_in_jaeger() {
    let stack = Stack::closed().with("jaeger", Stub::start(backend).addr());
    for (environment, found) in [
        (("LANG", "C"), "traces of jaeger, paint-tool"),
        (("OTEL_SERVICE_NAME", "paint-tool"), "traces of paint-tool"),
        (
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=paint-tool"),
            "traces of paint-tool",
        ),
        (("OTEL_SERVICE_NAME", "other"), "no trace of other"),
    ] {
        let said = stack.hide(said(stack.command().envs([environment])));
        let jaeger = of(&said, "jaeger");
        assert!(jaeger.contains(found), "{jaeger}");
    }
}

#[test]
fn mistakes_in_the_environment_are_reported() {
    let stack = Stack::closed();
    let said = stack.hide(said(
        stack
            .command()
            .env("OTEL_BSP_SCHEDULE_DELAY", "soon")
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:43l8")
            .env("OTEL_EXPORTER_OTLP_ENDPONIT", "http://x")
            .env("SPANWIRE_SLOW_TRESHOLD_MS", "5")
            .env("SPANWIRE_COLOUR", "green")
            .env("SPANWIRE_ENABLED", "false"),
    ));
    expect![[r#"
        warn  environment    OTEL_EXPORTER_OTLP_ENDPOINT is not used: its port is no number from 1 to 65535; accepted is a URL like http://localhost:4318, without query; traces are off
              remedy: correct OTEL_EXPORTER_OTLP_ENDPOINT, or unset it
        warn  environment    OTEL_BSP_SCHEDULE_DELAY="soon" is not used: accepted is a whole number of milliseconds from 1 to 4294967295; the default 5000 is used
              remedy: correct OTEL_BSP_SCHEDULE_DELAY, or unset it
        warn  environment    nothing reads OTEL_EXPORTER_OTLP_ENDPONIT
              remedy: did you mean OTEL_EXPORTER_OTLP_ENDPOINT?
        warn  environment    nothing reads SPANWIRE_COLOUR
              remedy: docs/reference/environment.md in the sources of spanwire lists every variable
        warn  environment    nothing reads SPANWIRE_SLOW_TRESHOLD_MS
              remedy: did you mean SPANWIRE_SLOW_THRESHOLD_MS?
        warn  environment    telemetry is off: OTEL_SDK_DISABLED=true or SPANWIRE_ENABLED=false
              remedy: unset it where the app is started
    "#]].assert_eq(&of(&said, "environment"));
    // What is off need not answer.
    let stack = stack.without("metrics");
    let said = crate::process::said(stack.command().env("SPANWIRE_ENABLED", "false"));
    expect![[r#"
        skip  endpoint       the environment switches it off: OTEL_SDK_DISABLED or SPANWIRE_ENABLED
              note: --metrics URL probes it anyway
    "#]]
    .assert_eq(&of(&said, "endpoint"));
}

#[test]
fn a_setting_that_turns_signals_off_is_a_problem_and_no_default_is_probed() {
    let stack = Stack::closed().without("collector").without("metrics");
    let said = said(
        stack
            .command()
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://x.example/?k=s3cret")
            .env("OTEL_EXPORTER_PROMETHEUS_HOST", "0"),
    );
    expect![[r#"
        fail  environment    OTEL_EXPORTER_OTLP_ENDPOINT is not used: it has a query, and the path of a signal is to be added to it; accepted is a URL like http://localhost:4318, without query; traces are off
              remedy: correct OTEL_EXPORTER_OTLP_ENDPOINT, or unset it
        fail  environment    OTEL_EXPORTER_PROMETHEUS_HOST="0" is not used: accepted is a host name or an IP address; /metrics is off
              remedy: correct OTEL_EXPORTER_PROMETHEUS_HOST, or unset it
    "#]].assert_eq(&of(&said, "environment"));
    assert_eq!(of(&said, "collector"), "");
    expect![[r#"
        skip  endpoint       the environment switches it off: OTEL_EXPORTER_PROMETHEUS_HOST
              note: --metrics URL probes it anyway
    "#]]
    .assert_eq(&of(&said, "endpoint"));
    assert_eq!(said.code, 1);
    assert!(!said.out.contains("s3cret"), "{}", said.out);
}

#[test]
fn the_endpoint_is_probed_where_the_environment_puts_it() {
    let (telemetry, _parts) = app().build().unwrap();
    let port = telemetry.prometheus_addr().unwrap().port();
    let stack = Stack::closed().without("metrics");
    let said = said(
        stack
            .command()
            .env("OTEL_EXPORTER_PROMETHEUS_HOST", "0.0.0.0")
            .env("OTEL_EXPORTER_PROMETHEUS_PORT", port.to_string()),
    );
    let found = format!("paint-tool 1.2.3 at http://127.0.0.1:{port}/metrics");
    assert!(said.out.contains(&found), "{}", said.out);
}

#[test]
fn an_app_whose_telemetry_is_paused_is_not_called_broken() {
    let (telemetry, _parts) = app().build().unwrap();
    let addr = telemetry.prometheus_addr().unwrap();
    telemetry.pause(Pending::Keep);
    let stack = Stack::closed().with("metrics", addr.to_string());
    let endpoint = of(&stack.doctor(), "endpoint");
    assert!(
        endpoint.starts_with("warn") && endpoint.contains("telemetry is paused"),
        "{endpoint}"
    );
    telemetry.resume().unwrap();
    assert!(of(&stack.doctor(), "endpoint").starts_with("ok"));
}

#[test]
fn clock_skew_is_detected_from_the_date_of_an_answer() {
    let skewed = |by_s: u64| {
        Stub::start(move |_| {
            let date = SystemTime::now() + Duration::from_secs(by_s);
            let date = format!("date: {}\r\n", httpdate::fmt_http_date(date));
            dated(
                200,
                "text/plain",
                "# TYPE spanwire_a gauge\nspanwire_a 1\n",
                &date,
            )
        })
    };
    let clock = |by_s| {
        let stack = Stack::closed().with("metrics", skewed(by_s).addr());
        of(&stack.doctor(), "clock")
    };
    assert!(clock(0).starts_with("ok "));
    let off = clock(30);
    assert!(
        off.starts_with("warn") && off.contains("of the app is"),
        "{off}"
    );
    assert!(off.contains("ahead of this machine's"), "{off}");
    assert!(clock(3_600).starts_with("fail"));
}

#[test]
fn a_grafana_that_shows_nothing_without_a_login_is_not_a_problem() {
    let closed_to_us = Stub::start(|path| match path {
        "/api/health" => json(r#"{"database":"ok","version":"13.2.0"}"#),
        _ => answer(401, "application/json", "{}"),
    });
    let empty = Stub::start(|path| match path.split('?').next().unwrap() {
        "/api/health" => json(r#"{"database":"ok","version":"13.2.0"}"#),
        "/api/search" => json("[]"),
        _ => json(r#"{"datasources":{}}"#),
    });
    let mut text = String::new();
    for place in [closed_to_us, empty] {
        let stack = Stack::closed().with("grafana", place.addr());
        text += &of(&stack.doctor(), "grafana");
    }
    expect![[r#"
        ok    grafana        13.2.0 at http://grafana
        skip  grafana        it shows its dashboards only after a login
              note: look there yourself
        ok    grafana        13.2.0 at http://grafana
        warn  grafana        it does not show spanwire-fleet, spanwire-ipc, spanwire-laggy, spanwire-live, spanwire-operations and 2 more
              remedy: spanwire dashboards export DIR, which says what to set
        warn  grafana        no data source of the type prometheus is seen
              remedy: spanwire dashboards export DIR, which says what to set
    "#]].assert_eq(&text);
}

/// As the stack's own does, which answers to localhost alone.
#[test]
fn a_grafana_that_answers_one_host_name_is_probed_by_it() {
    let by_name = Stub::start(|path| match path.split('?').next().unwrap() {
        "/api/health" => json(r#"{"database":"ok","version":"13.2.0"}"#),
        path => dated(
            301,
            "text/html",
            "",
            &format!("location: http://localhost:3000{path}\r\n"),
        ),
    });
    let stack = Stack::closed().with("grafana", by_name.addr());
    expect![[r#"
        ok    grafana        13.2.0 at http://grafana
        warn  grafana        it redirects requests for its dashboards under this name to another name
              remedy: --grafana URL with the name that it answers to: [server] domain of its file, which enforce_domain makes the only one
    "#]].assert_eq(&of(&stack.doctor(), "grafana"));
    let ini = include_str!("../../deploy/compose/grafana/grafana.ini");
    assert!(ini.contains("\ndomain = localhost\nenforce_domain = true\n"));
    let said = spanwire(&["doctor", "--help"]);
    assert!(said.out.contains("[default: http://localhost:3000]"));
}

#[test]
fn passwords_in_addresses_are_not_shown() {
    let place = format!("http://me:s3cret@{}/metrics?key=s3cret", closed());
    let mut stack = Stack::closed();
    for (_, is) in &mut stack.0 {
        is.clone_from(&place);
    }
    let said = said(&mut stack.command());
    assert_eq!(said.code, 1);
    assert!(!(said.out + &said.err).contains("s3cret"));
}
