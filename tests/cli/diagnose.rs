//! The diagnosis of small apps, each with one fault, by a real Prometheus.

use expect_test::expect;
use serde_json::Value;

use crate::ailing_app::AilingApp;
use crate::process::{CommandOutput, command, said};
use crate::stub::{Stub, answer, closed, json};
use spanwire_testkit::prometheus::Prometheus;

/// Each fault with the finding that it is, and what must be named.
const FAULTS: &[(&str, &str, &str)] = &[
    ("slow-handler", "handler-slow", "load"),
    ("slow-first-call", "handler-slow", "spell"),
    ("late-answers", "calls-withdrawn", "load"),
    ("call-loop", "calls-in-a-loop", "title"),
    ("stuck-worker", "queue-stalled", "previews"),
    ("asleep", "app-stood-still", "scrapes"),
    ("failing-handler", "handler-failing", "load"),
    ("silent-handler", "calls-unsettled", "load"),
    ("blocked-ui", "ui-thread-blocked", "save"),
    ("slow-poll", "operation-meanwhile", "poll"),
    ("hung-ui", "ui-thread-hung", "UI thread"),
    ("large-reply", "payload-large", "thumbnail"),
    ("flood", "event-flood", "moved"),
    ("full-wire", "messages-dropped", "refresh"),
    ("full-queue", "queue-dropped", "jobs"),
    ("failing-operation", "operation-failing", "backup"),
    ("slow-operation", "operation-slow", "index"),
    ("leak", "memory-growth", "host"),
    ("slow-listener", "page-thread-saturated", "tick"),
    ("busy-page", "page-thread-saturated", "main"),
    ("page-errors", "page-errors", "uncaught"),
    ("failing-listener", "page-errors", "listeners of tick"),
    ("reload-loop", "page-reloading", "main"),
    ("unknown-event", "input-refused", "renamed"),
    ("page-gone", "page-gone", "main"),
    ("frozen-page", "page-unresponsive", "main"),
];

/// Two at once, each of which must be told and be no consequence of the other.
const PAIRS: &[[(&str, &str, &str); 2]] = &[
    [
        ("slow-handler", "handler-slow", "load"),
        ("failing-operation", "operation-failing", "backup"),
    ],
    [
        ("blocked-ui", "ui-thread-blocked", "save"),
        ("unknown-event", "input-refused", "renamed"),
    ],
    [
        ("flood", "event-flood", "moved"),
        ("failing-handler", "handler-failing", "load"),
    ],
    [
        ("slow-listener", "page-thread-saturated", "tick"),
        ("leak", "memory-growth", "host"),
    ],
];

const HEALTHY: &str = "healthy";

#[test]
fn each_fault_is_named_with_its_culprit_and_a_healthy_app_has_none() {
    let mut expected: Vec<Expected> = vec![(HEALTHY.to_owned(), Vec::new())];
    expected.extend(
        FAULTS
            .iter()
            .map(|(fault, id, culprit)| ((*fault).to_owned(), vec![(*id, *culprit)])),
    );
    expected.extend(
        PAIRS
            .iter()
            .map(|[(one, id, culprit), (other, id2, culprit2)]| {
                (
                    format!("{one}+{other}"),
                    vec![(*id, *culprit), (*id2, *culprit2)],
                )
            }),
    );
    let wrong: String = expected
        .chunks(APPS_AT_ONCE)
        .map(wrongly_diagnosed)
        .collect();
    assert!(wrong.is_empty(), "{wrong}");
}

/// More of them would keep each other from the processor, which is a finding, too.
const APPS_AT_ONCE: usize = 6;

/// An app's faults, and each finding with its culprit.
type Expected = (String, Vec<(&'static str, &'static str)>);

/// Runs an app for each, and says what is not found, or is and should not be.
fn wrongly_diagnosed(expected: &[Expected]) -> String {
    let collector = closed();
    let mut apps: Vec<(&str, AilingApp)> = expected
        .iter()
        .map(|(job, _)| {
            (
                job.as_str(),
                AilingApp::start(job, &format!("http://{collector}")),
            )
        })
        .collect();
    let scrapes: String = apps
        .iter()
        .map(|(job, app)| {
            format!(
                "  - {{job_name: {job}, static_configs: [{{targets: ['{}']}}]}}\n",
                app.metrics
            )
        })
        .collect();
    let prometheus = Prometheus::with(&format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{scrapes}"
    ));
    let count = apps.len();
    let ready = r#"spanwire_page_state{spanwire_page_state="ready"} == 1"#;
    prometheus.wait_for(&format!("count({ready}) == {count}"));
    let uptime = prometheus.query("max(process_uptime_seconds)").unwrap();
    for (_, app) in &mut apps {
        app.end_what_ends();
    }
    let later = uptime + 14.0;
    prometheus.wait_for(&format!(
        "count(process_uptime_seconds > {later}) == {count}"
    ));
    // At once: a fault that came once is soon out of the window.
    std::thread::scope(|scope| {
        let judged: Vec<_> = expected
            .iter()
            .map(|(fault, wanted)| scope.spawn(|| wrong_of(&prometheus, fault, wanted)))
            .collect();
        judged.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// What the doctor says that is wrong of an app with that fault; nothing if it is right.
fn wrong_of(prometheus: &Prometheus, fault: &str, wanted: &[(&str, &str)]) -> String {
    let mut looks = 1;
    loop {
        let said = diagnose(prometheus.url(), fault, &["--json"]);
        let report: Value = serde_json::from_str(&said.out).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let found = found_in(findings, wanted);
        let names = |(id, culprit): &&(&str, &str)| {
            found
                .iter()
                .any(|one| one.starts_with(&format!("{id}: ")) && one.contains(culprit))
        };
        let named = wanted.iter().filter(names).count();
        if named < wanted.len() && found.len() == named && looks < LOOKS_MAX {
            // Nothing is wrong that it says. A busy machine scrapes late.
            looks += 1;
            std::thread::sleep(std::time::Duration::from_secs(1));
            continue;
        }
        let mut wrong = String::new();
        if found.len() != wanted.len() || named < wanted.len() {
            wrong += &format!("{fault}, which is {wanted:?}:\n{found:#?}\n");
        }
        if said.code != i32::from(!findings.is_empty()) {
            wrong += &format!("{fault} exits with {}: {}\n", said.code, report["verdict"]);
        }
        return wrong;
    }
}

/// How often it may look for what it has not found yet.
const LOOKS_MAX: u32 = 3;

/// What is found that is the app's, each with its culprits.
fn found_in(findings: &[Value], wanted: &[(&str, &str)]) -> Vec<String> {
    let id_of = |one: &Value| one["id"].as_str().unwrap().to_owned();
    let is_starved = findings
        .iter()
        .any(|one| id_of(one) == "host-cpu-saturated");
    findings
        .iter()
        .filter(|one| !NOT_OF_THE_APP.contains(&id_of(one).as_str()))
        .filter(|one| {
            let id = id_of(one);
            let is_wanted = wanted.iter().any(|(wanted, _)| *wanted == id);
            is_wanted || !is_starved || !OF_A_STARVED_MACHINE.contains(&id.as_str())
        })
        .map(|one| format!("{}: {} {}", id_of(one), one["says"], one["culprits"]))
        .collect()
}

/// Who else is at work on this machine, and that there is no Collector here, is no fault of an app's.
const NOT_OF_THE_APP: &[&str] = &["host-cpu-saturated", "telemetry-lost", "telemetry-spooling"];

/// What every app is where others take all the cores.
const OF_A_STARVED_MACHINE: &[&str] = &[
    "ui-thread-blocked",
    "delivery-slow",
    "handler-slow",
    "queue-waits",
    "way-to-host-slow",
    "way-to-page-slow",
];

fn diagnose(prometheus: &str, job: &str, more: &[&str]) -> CommandOutput {
    let mut doctor = command();
    doctor
        .args(["doctor", "--diagnose", "--window", "10s", "--job", job])
        .args(["--prometheus", prometheus]);
    if !more.contains(&"--jaeger") {
        doctor.args(["--jaeger", &closed()]);
    }
    said(doctor.args(more))
}

#[test]
fn a_diagnosis_without_data_says_what_is_missing() {
    let nothing = diagnose(&closed(), "spanwire", &[]);
    assert_eq!(nothing.code, 1);
    assert!(
        nothing.out.starts_with("no diagnosis: http://127.0.0.1:"),
        "{}",
        nothing.out
    );
    assert!(
        nothing.out.contains("nothing listens there"),
        "{}",
        nothing.out
    );
    let empty = knows("");
    expect![[r#"
        no diagnosis: http://prometheus has no data of the job spanwire; no app of Spanwire's sends it any: is the app running, and scraped? spanwire doctor says what is missing
    "#]]
    .assert_eq(&of(&empty, "spanwire", &[]));
    let other = knows(r#"{"metric":{"job":"paint-tool"},"value":[1,"1"]}"#);
    expect![[r#"
        no diagnosis: http://prometheus has no data of the job spanwire; it has data of paint-tool: --job NAME
    "#]]
    .assert_eq(&of(&other, "spanwire", &[]));
}

#[test]
fn a_finding_is_told_with_its_consequences_and_an_example_and_leads_the_verdict() {
    let prometheus = Stub::start(|path| {
        let labels = r#""job":"spanwire","instance":"app:9464""#;
        let series = |more: &str, value: &str| {
            format!(r#"{{"metric":{{{labels}{more}}},"value":[1,"{value}"]}}"#)
        };
        let save = r#","spanwire_webview_name":"main","spanwire_ipc_event":"save""#;
        let result = if path.contains("count_over_time") {
            series("", "300")
        } else if path.contains("target_info") {
            series(r#","service_name":"paint-tool""#, "1")
        } else if path.contains("histogram_quantile%280.95%2C%20rate%28spanwire_main_thread_delay")
        {
            series("", "0.48")
        } else if path.contains("spanwire_main_thread_blocked") {
            series(save, "0.9") + "," + &series(&save.replace("save", "load"), "0.02")
        } else if path.contains("spanwire_ipc_delivery_duration_seconds_bucket")
            && !path.contains("visible")
        {
            series(r#","spanwire_webview_name":"main""#, "0.52")
        } else {
            String::new()
        };
        json(&format!(
            r#"{{"status":"success","data":{{"result":[{result}]}}}}"#
        ))
    });
    let jaeger = Stub::start(|path| match path {
        "/api/services" => json(r#"{"data":["paint-tool"]}"#),
        _ if path.contains("service=paint-tool") && path.contains("spanwire.thread") => json(
            r#"{"data":[{"traceID":"4bf92f","spans":[{"operationName":"save","duration":480000}]}]}"#,
        ),
        _ => answer(404, "text/plain", "no"),
    });
    let text = of(&prometheus, "spanwire", &["--jaeger", &jaeger.addr()]);
    expect![[r#"
        warning   ui-thread-blocked     What keeps the UI thread from its work?
                  evidence  one of 20 wakes of the UI thread waited 480 ms or longer
                  stage     ui thread
                  culprit   handlers of save (webview main) kept it for 90 % of the time
                  culprit   handlers of load (webview main) kept it for 2 % of the time
                  instance  app:9464
                  so also   delivery-slow: one of 20 messages to webview main is acknowledged after 520 ms or later
                  remedy    move the handler's work off the UI thread: Ipc::on_async or on_deferred, in Tauri an async command; if no handler is named, the app blocks it elsewhere, in its event loop or a window's callback
                  runbook   runbooks/SpanwireMainThreadBlocked.md
                  trace     http://jaeger/trace/4bf92f

        ui-thread-blocked: one of 20 wakes of the UI thread waited 480 ms or longer; handlers of save (webview main) kept it for 90 % of the time
    "#]].assert_eq(&text.replace(&jaeger.addr(), "jaeger"));
}

#[test]
fn a_prometheus_that_takes_its_time_is_waited_for() {
    let slow = Stub::start(|path| {
        // Longer than a server may take that is only asked whether it is there.
        if path.contains("count_over_time") {
            std::thread::sleep(std::time::Duration::from_secs(3));
        }
        let present = r#"{"metric":{"job":"spanwire"},"value":[1,"300"]}"#;
        let result = if path.contains("count_over_time") {
            present
        } else {
            ""
        };
        json(&format!(
            r#"{{"status":"success","data":{{"result":[{result}]}}}}"#
        ))
    });
    let said = diagnose(&slow.addr(), "spanwire", &[]);
    expect!["nothing is wrong, by the last 10s\n"].assert_eq(&said.out);
    assert_eq!(said.code, 0);
}

/// A Prometheus that has no series but these, of whatever it is asked for by job.
fn knows(jobs: &'static str) -> Stub {
    Stub::start(move |path| {
        let result = if path.contains("count%20by") {
            jobs
        } else {
            ""
        };
        json(&format!(
            r#"{{"status":"success","data":{{"result":[{result}]}}}}"#
        ))
    })
}

fn of(prometheus: &Stub, job: &str, more: &[&str]) -> String {
    let said = diagnose(&prometheus.addr(), job, more);
    assert_eq!(said.code, 1, "{said:?}");
    said.out.replace(&prometheus.addr(), "prometheus")
}
