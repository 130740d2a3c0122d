//! What the doctor makes of what Prometheus tells it.

use expect_test::expect;
use serde_json::Value;

use crate::doctor::{Stack, app, backend, of};
use crate::process::{CommandOutput, said, spanwire};
use crate::stub::{Stub, answer, closed, json};
use spanwire_testkit::prometheus::Prometheus;
use spanwire_testkit::receiver::Receiver;

/// A Prometheus that has what a test says; what it is not told is empty.
struct Told {
    targets: String,
    ages: &'static str,
    target_info: String,
    rules: String,
    alertmanager: String,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            targets: String::new(),
            ages: "",
            target_info: String::new(),
            rules: alerts(&[]),
            alertmanager: "http://alertmanager:9093/api/v2/alerts".into(),
        }
    }
}

impl Told {
    fn start(self) -> String {
        Stub::start(move |path| {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let data = match path {
                "/-/ready" => return answer(200, "text/plain", "ready"),
                "/api/v1/status/buildinfo" => r#"{"version":""}"#.to_owned(),
                "/api/v1/status/config" => r#"{"yaml":"scrape_configs:\n"}"#.to_owned(),
                "/api/v1/status/flags" => r#"{"enable-feature":"exemplar-storage"}"#.to_owned(),
                "/api/v1/targets" => format!(r#"{{"activeTargets":[{}]}}"#, self.targets),
                "/api/v1/rules" => format!(r#"{{"groups":[{{"rules":[{}]}}]}}"#, self.rules),
                "/api/v1/alertmanagers" => format!(
                    r#"{{"activeAlertmanagers":[{{"url":"{}"}}]}}"#,
                    self.alertmanager
                ),
                _ if query.contains("target_info") => {
                    format!(r#"{{"result":[{}]}}"#, self.target_info)
                }
                _ if query.contains("timestamp") => format!(r#"{{"result":[{}]}}"#, self.ages),
                _ => return answer(404, "text/plain", "no"),
            };
            json(&format!(r#"{{"status":"success","data":{data}}}"#))
        })
        .addr()
    }
}

fn target(addr: &str, health: &str) -> String {
    format!(
        r#"{{"labels":{{"job":"spanwire","instance":"{addr}"}},"scrapeUrl":"http://{addr}/metrics","health":"{health}","lastError":"","scrapeInterval":"1s"}}"#
    )
}

/// Every alert of this version, of which some fire.
fn alerts(firing: &[&str]) -> String {
    let list = spanwire(&["alerts", "list"]).out;
    let rules = list.lines().map(|line| {
        let name = line.split(' ').next().unwrap();
        let state = match firing.contains(&name) {
            true => "firing",
            false => "inactive",
        };
        format!(r#"{{"name":"{name}","type":"alerting","state":"{state}"}}"#)
    });
    rules.collect::<Vec<_>>().join(",")
}

const AGE_OF_TEST: &str = r#"{"metric":{"job":"test"},"value":[1,"2"]}"#;

#[test]
fn an_app_without_a_scrape_target_is_reported() {
    let (telemetry, _parts) = app()
        .resource_attribute("service.instance.id", "id-1")
        .build()
        .unwrap();
    let endpoint = telemetry.prometheus_addr().unwrap();
    let info = |id: &str, job: &str| {
        format!(
            r#"{{"metric":{{"job":"{job}","instance":"box:1","service_instance_id":"{id}"}},"value":[1,"1"]}}"#
        )
    };
    let port = endpoint.port().to_string();
    let mut text = String::new();
    for (target_addr, target_info) in [
        ("127.0.0.1:1", info("id-2", "spanwire")),
        // A container maps the port, or the app sends its metrics itself.
        ("127.0.0.1:1", info("id-1", "spanwire")),
        ("127.0.0.1:1", info("id-1", "paint-tool")),
        (&format!("host.docker.internal:{port}"), String::new()),
    ] {
        let prometheus = Told {
            targets: target(target_addr, "up"),
            target_info,
            ages: r#"{"metric":{"job":"spanwire"},"value":[1,"2"]}"#,
            ..Told::default()
        };
        let stack = Stack::closed()
            .with("prometheus", prometheus.start())
            .with("metrics", format!("http://me:s3cret@{endpoint}"));
        let said = stack.doctor();
        assert!(!said.out.contains("s3cret"));
        text += &of(&said, "scrape").replace(&port, "{port}");
    }
    expect![[r#"
        ok    scrape         job spanwire: 1 of 1 target up, every 1s
        warn  scrape         no target of the job spanwire has port {port}, where the app is
              remedy: add 127.0.0.1:{port} to the job's targets, in the stack to targets/spanwire.yml, unless Prometheus sees the app at another port
        ok    scrape         job spanwire: 1 of 1 target up, every 1s
        ok    scrape         job spanwire: 1 of 1 target up, every 1s
        ok    scrape         job spanwire: 1 of 1 target up, every 1s
    "#]].assert_eq(&text);
    // With no target at all.
    let stack = Stack::closed()
        .with("prometheus", Told::default().start())
        .with("metrics", format!("http://me:s3cret@{endpoint}"));
    let said = stack.doctor();
    assert!(!said.out.contains("s3cret"), "{}", said.out);
    expect![[r#"
        ok    prometheus     unknown version at http://prometheus
        fail  scrape         no target has the job spanwire; there is none at all
              remedy: in prometheus.yml below scrape_configs: {job_name: spanwire, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:{port}']}]}, and reload it
    "#]]
        .assert_eq(&(of(&said, "prometheus") + &of(&said, "scrape").replace(&port, "{port}")));
}

#[test]
fn metrics_of_another_app_are_not_taken_for_the_apps() {
    let (telemetry, _parts) = app()
        .resource_attribute("service.instance.id", "id-1")
        .build()
        .unwrap();
    let endpoint = telemetry.prometheus_addr().unwrap().to_string();
    let mut text = String::new();
    for (targets, id) in [
        (target(&closed(), "down"), "id-2"),
        (target(&closed(), "down"), "id-1"),
        (String::new(), "id-2"),
        (String::new(), "id-1"),
    ] {
        let prometheus = Told {
            targets,
            target_info: format!(
                r#"{{"metric":{{"job":"test","instance":"{id}"}},"value":[1,"1"]}}"#
            ),
            ages: AGE_OF_TEST,
            ..Told::default()
        };
        let prometheus = prometheus.start();
        let stack = Stack::closed().with("prometheus", &prometheus);
        let app = stack.doctor();
        let stack = Stack::closed()
            .with("prometheus", &prometheus)
            .with("metrics", &endpoint);
        let read = stack.doctor();
        text += "- the app is down\n";
        text += &(of(&app, "data") + &scrape_without_down(&app));
        text += &format!("- the app is id-1, and what arrives is of {id}\n");
        text += &(of(&read, "data") + &scrape_without_down(&read));
    }
    expect![[r#"
        - the app is down
        skip  data           none of the job spanwire; what arrives is of test
              note: whether that is your app cannot be seen while it is down
        - the app is id-1, and what arrives is of id-2
        skip  data           none of the job spanwire; what arrives is of test
              note: that is not the app that was read
        - the app is down
        skip  data           none of the job spanwire; what arrives is of test
              note: whether that is your app cannot be seen while it is down
        - the app is id-1, and what arrives is of id-1
        ok    data           the app's metrics arrive as test
        - the app is down
        skip  scrape         no target has the job spanwire, and metrics of Spanwire's come as test
              note: --job NAME, if that is a scrape; nothing, if they come over OTLP
        - the app is id-1, and what arrives is of id-2
        warn  scrape         no target has the job spanwire, and metrics of Spanwire's come as test, and not those of the app that was read
              remedy: --job NAME, if that is a scrape; nothing, if the app sends over OTLP and has only just started; else add it to the targets
        - the app is down
        skip  scrape         no target has the job spanwire, and metrics of Spanwire's come as test
              note: --job NAME, if that is a scrape; nothing, if they come over OTLP
        - the app is id-1, and what arrives is of id-1
        skip  scrape         no target has the job spanwire, and metrics of Spanwire's come as test
              note: --job NAME, if that is a scrape; nothing, if they come over OTLP
    "#]].assert_eq(&text);
}

/// What is said of the job, and not of its targets that are down.
fn scrape_without_down(said: &CommandOutput) -> String {
    let text = of(said, "scrape");
    let mut lines = text.lines().peekable();
    let mut kept = String::new();
    while let Some(line) = lines.next() {
        let remedy = lines.next_if(|next| next.starts_with(' '));
        if !line.contains(" is down") && !line.contains("has port") {
            kept += &format!("{line}\n{}\n", remedy.unwrap_or_default());
        }
    }
    kept
}

/// With a real Prometheus, whose configuration says more than its targets.
#[test]
fn a_job_that_is_configured_and_has_no_targets_is_not_missing() {
    let prometheus = Prometheus::with(
        "global: { scrape_interval: 1s, scrape_timeout: 1s }\nscrape_configs:\n\
         - {job_name: spanwire, file_sd_configs: [{files: [not-there.yml]}]}\n\
         - {job_name: 'the other', file_sd_configs: [{files: [not-there.yml]}]}\n\
         - {job_name: prometheus, static_configs: [{targets: ['127.0.0.1:1']}]}\n",
    );
    prometheus.wait_for("up");
    let stack = Stack::closed().with("prometheus", prometheus.url());
    let doctor = |job: &str| {
        let said = stack.hide(said(stack.command().args(["--job", job])));
        of(&said, "scrape")
    };
    expect![[r#"
        warn  scrape         the job spanwire is configured, and has no targets yet
              remedy: after a start of Prometheus, ask again in a few seconds; else the file with its targets is empty or is not there (in the stack targets/spanwire.yml)
        warn  scrape         the job the other is configured, and has no targets yet
              remedy: after a start of Prometheus, ask again in a few seconds; else the file with its targets is empty or is not there (in the stack targets/spanwire.yml)
        fail  scrape         no target has the job span; there are prometheus
              remedy: in prometheus.yml below scrape_configs: {job_name: span, scrape_interval: 1s, static_configs: [{targets: ['metrics']}]}, and reload it
    "#]].assert_eq(&(doctor("spanwire") + &doctor("the other") + &doctor("span")));
}

#[test]
fn an_alertmanager_that_does_not_answer_here_is_reported() {
    let alerting = |alertmanager: String| {
        let prometheus = Told {
            alertmanager: format!("http://{alertmanager}/api/v2/alerts"),
            ..Told::default()
        };
        let stack = Stack::closed().with("prometheus", prometheus.start());
        of(&stack.doctor(), "alerting").replace(&alertmanager, "alertmanager")
    };
    // A name of a container's network cannot be asked from here.
    let there = Stub::start(backend).addr();
    let text = alerting(closed()) + &alerting(there) + &alerting("alertmanager:9093".into());
    expect![[r#"
        warn  alerting       alerts go to http://alertmanager/api/v2/alerts, and as this machine sees it: nothing listens there
              remedy: start the Alertmanager, or take its address out of what Prometheus has (alerting in prometheus.yml, targets/alertmanager.yml)
        ok    alerting       alerts go to http://alertmanager/api/v2/alerts
        ok    alerting       alerts go to http://alertmanager/api/v2/alerts
    "#]].assert_eq(&text);
}

#[test]
fn firing_alerts_are_a_problem() {
    let (telemetry, _parts) = app().build().unwrap();
    let endpoint = telemetry.prometheus_addr().unwrap().to_string();
    let backend = Stub::start(backend).addr();
    let receiver = Receiver::start();
    let stack = |firing: &[&str]| {
        let prometheus = Told {
            targets: target(&endpoint, "up"),
            ages: r#"{"metric":{"job":"spanwire"},"value":[1,"2"]}"#,
            rules: alerts(firing),
            ..Told::default()
        };
        Stack::closed()
            .with("metrics", &endpoint)
            .with("prometheus", prometheus.start())
            .with("collector", receiver.url())
            .with("jaeger", &backend)
            .with("alertmanager", &backend)
            .with("grafana", &backend)
    };
    let summary = |firing: &[&str]| {
        let said = stack(firing).doctor();
        assert_eq!(said.code, 0, "{}", said.out);
        said.out.lines().last().unwrap().to_owned() + "\n"
    };
    let two = ["SpanwirePageGone", "SpanwireErrorRateHigh"];
    let text = summary(&[]) + &summary(&two[..1]) + &summary(&two);
    expect![[r#"
        all is well
        all is well with the telemetry; 1 alert fires: SpanwirePageGone
        all is well with the telemetry; 2 alerts fire: SpanwireErrorRateHigh, SpanwirePageGone
    "#]]
    .assert_eq(&text);
    let json = said(stack(&two[..1]).command().arg("--json"));
    let report: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(report["firing"], serde_json::json!(["SpanwirePageGone"]));
}
