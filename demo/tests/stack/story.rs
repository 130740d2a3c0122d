//! What happens, in order, and what must hold meanwhile.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::http::wait;
use crate::servers::Servers;
use crate::webhook::Webhook;
use crate::{alertmanager, boards, jaeger, prometheus, routes, step};

/// Faults that are begun together, the alerts that they set off, and how long that may take.
struct Trouble {
    faults: &'static [&'static str],
    alerts: &'static [&'static str],
    limit: Duration,
}

const TROUBLES: &[Trouble] = &[
    Trouble {
        faults: &[
            "failing-handler",
            "failing-operation",
            "import-flood",
            "failing-page",
        ],
        alerts: &[
            "SpanwireErrorRateHigh",
            "SpanwireOperationErrorRateHigh",
            "SpanwireQueueMessagesDropped",
        ],
        limit: Duration::from_secs(60),
    },
    Trouble {
        faults: &["full-queue", "stuck-importer"],
        alerts: &[
            "SpanwireMessagesDropped",
            "SpanwireDeliveryBudgetFastBurn",
            "SpanwireDeliveryBudgetSlowBurn",
            "SpanwireQueueNearlyFull",
        ],
        limit: Duration::from_secs(60),
    },
    Trouble {
        faults: &["slow-listener", "slow-handler"],
        alerts: &[
            "SpanwireHandlerSlow",
            "SpanwireDeliverySlow",
            "SpanwireLatencyBudgetFastBurn",
            "SpanwireLatencyBudgetSlowBurn",
        ],
        limit: Duration::from_secs(90),
    },
    Trouble {
        faults: &["frozen-page"],
        alerts: &["SpanwirePageUnresponsive"],
        limit: Duration::from_secs(60),
    },
    Trouble {
        faults: &["dead-page"],
        alerts: &["SpanwirePageGone"],
        limit: Duration::from_secs(60),
    },
    Trouble {
        faults: &["blocked-ui"],
        alerts: &["SpanwireMainThreadBlocked"],
        limit: Duration::from_secs(60),
    },
    Trouble {
        faults: &["hung-ui"],
        alerts: &["SpanwireMainThreadHung"],
        limit: Duration::from_secs(60),
    },
    Trouble {
        faults: &["leak"],
        alerts: &["SpanwireMemoryGrowth"],
        limit: Duration::from_secs(150),
    },
];

/// Those that look back for days: here they end minutes after their cause.
const LASTING: &[&str] = &[
    "SpanwireDeliveryBudgetFastBurn",
    "SpanwireDeliveryBudgetSlowBurn",
    "SpanwireLatencyBudgetFastBurn",
    "SpanwireLatencyBudgetSlowBurn",
];

pub fn run() {
    let webhook = Webhook::listen();
    let servers = Servers::up();
    let from = prometheus::now();
    let mut app = App::start(&[("OTEL_LOGS_EXPORTER", "otlp")]);

    silence_when_all_is_well();
    the_trace_of_a_click();
    exemplars_open();
    for trouble in TROUBLES {
        a_trouble_is_alerted_of(trouble, &mut app);
    }
    collector_away(&servers);
    prometheus_away(&servers);
    let app = app_killed(app);
    every_expression_has_data(from);
    every_rule_works(from);
    app.quit();
    routes::agree();
    lasting_alerts_end();
    the_webhook_heard_of_it(&webhook);
}

fn silence_when_all_is_well() {
    step!("an app that does well sets off no alert");
    prometheus::wait_for(
        "count_over_time(up{job=\"spanwire\"}[1m]) > 20 and on () sum(rate(spanwire_ipc_messages_total[20s])) > 1",
        Duration::from_secs(90),
    );
    let active = alertmanager::active().expect("the Alertmanager answers");
    assert!(active.is_empty(), "{active:?}");
}

fn the_trace_of_a_click() {
    step!("a click is one trace, from the page to Rust and back");
    wait("a whole trace", Duration::from_secs(60), || {
        let traces = jaeger::with_span("assets.open")?;
        match traces.iter().find(|trace| is_whole(trace)) {
            Some(_) => Ok(()),
            None => Err(format!("none among {traces:#?}")),
        }
    });
}

/// The page's call, Rust's handler, its answer, and what the page did with it.
fn is_whole(trace: &jaeger::Trace) -> bool {
    let client = trace.find("assets.open", "client");
    let server = client.and_then(|client| trace.child(client, "assets.open", "server"));
    let reply = server.and_then(|server| trace.child(server, "reply assets.open", "internal"));
    reply.is_some_and(|reply| {
        let processed = trace.child(reply, "process assets.open", "consumer");
        processed.is_some()
    })
}

fn exemplars_open() {
    step!("a trace that an exemplar names is there");
    for name in [
        "spanwire_ipc_handler_duration_seconds_bucket",
        "spanwire_ipc_delivery_duration_seconds_bucket",
        "spanwire_operation_duration_seconds_bucket",
    ] {
        let found = wait(
            &format!("exemplars of {name}"),
            Duration::from_secs(60),
            || {
                let found = prometheus::exemplars(name)?;
                if found.is_empty() {
                    Err("none".to_owned())
                } else {
                    Ok(found)
                }
            },
        );
        for exemplar in found.iter().rev().take(5) {
            let trace = wait(&exemplar.series, Duration::from_secs(15), || {
                jaeger::by_id(&exemplar.trace_id)
            });
            assert!(!trace.spans.is_empty(), "{}", exemplar.trace_id);
        }
    }
}

fn a_trouble_is_alerted_of(trouble: &Trouble, app: &mut App) {
    step!("{:?} set off {:?}", trouble.faults, trouble.alerts);
    for fault in trouble.faults {
        app.begin(fault);
    }
    alertmanager::wait_for(trouble.alerts, trouble.limit);
    step!("  and they end with it");
    for fault in trouble.faults {
        app.end(fault);
    }
    let lasting = |name: &&&str| !LASTING.contains(*name);
    let ending: Vec<&str> = trouble.alerts.iter().filter(lasting).copied().collect();
    alertmanager::wait_without(&ending, Duration::from_secs(150));
}

fn collector_away(servers: &Servers) {
    step!("without the Collector the app goes on, and says what it loses");
    servers.stop("collector");
    alertmanager::wait_for(&["SpanwireTelemetryLost"], Duration::from_secs(120));
    messages_flow();
    step!("  and with it again, spans arrive");
    servers.start("collector");
    let since = prometheus::now();
    let exported = format!(
        "sum(increase(otel_sdk_exporter_span_exported_total{{error_type=\"\"}}[10s] @ {})) > 0",
        since + 15.0
    );
    wait("later exports", Duration::from_secs(90), || {
        if prometheus::now() < since + 15.0 {
            return Err("it is early".to_owned());
        }
        match prometheus::query(&exported)? {
            found if found.is_empty() => Err("nothing was exported".to_owned()),
            _ => Ok(()),
        }
    });
    alertmanager::wait_without(&["SpanwireTelemetryLost"], Duration::from_secs(120));
}

fn prometheus_away(servers: &Servers) {
    step!("Prometheus is restarted, and series go on");
    let before = prometheus::query("sum(spanwire_ipc_messages_total)").expect("it answers");
    servers.stop("prometheus");
    servers.start("prometheus");
    prometheus::wait_for(
        "count_over_time(up{job=\"spanwire\"}[10s]) >= 5",
        Duration::from_secs(60),
    );
    let after = prometheus::query("sum(spanwire_ipc_messages_total)").expect("it answers");
    assert!(after[0].samples[0].1 >= before[0].samples[0].1);
    let resets = prometheus::query("sum(resets(spanwire_ipc_messages_total[1m]))");
    assert!(resets.expect("it answers")[0].samples[0].1 == 0.0);
    messages_flow();
}

fn messages_flow() {
    prometheus::wait_for(
        "sum(rate(spanwire_ipc_messages_total{outcome=\"ok\"}[5s])) > 0",
        Duration::from_secs(30),
    );
}

fn app_killed(app: App) -> App {
    step!("an app that was killed is missed, until another comes");
    app.kill();
    alertmanager::wait_for(&["SpanwireTargetDown"], Duration::from_secs(60));
    let next = App::start(&[]);
    alertmanager::wait_without(&["SpanwireTargetDown"], Duration::from_secs(90));
    next
}

fn every_expression_has_data(from: f64) {
    let to = prometheus::now();
    let panels = boards::panels();
    step!(
        "each of {} expressions of panels had data in these {:.0} s",
        panels.len(),
        to - from
    );
    let mut empty = Vec::new();
    for panel in &panels {
        let found = prometheus::query_range(&panel.expression, from, to);
        let has_data = match &found {
            Ok(series) => series
                .iter()
                .any(|one| one.samples.iter().any(|(_, value)| !value.is_nan())),
            Err(_) => false,
        };
        if !has_data {
            let error = found.err().unwrap_or_default();
            empty.push(format!(
                "{}\n    {}\n    {error}",
                panel.place, panel.expression
            ));
        }
    }
    assert!(
        empty.is_empty(),
        "{} without data:\n{}",
        empty.len(),
        empty.join("\n")
    );
}

fn every_rule_works(from: f64) {
    let rules = prometheus::rules().expect("Prometheus answers");
    step!("each of {} rules had data", rules.len());
    assert!(rules.len() > 40, "only {} rules are loaded", rules.len());
    let to = prometheus::now();
    let mut wrong = Vec::new();
    for rule in &rules {
        let found = prometheus::query_range(&rule.query, from, to);
        if !rule.error.is_empty() || !found.as_ref().is_ok_and(|series| !series.is_empty()) {
            wrong.push(format!("{rule:?}: {:?}", found.err()));
        }
        let is_tested = rule.name == "SpanwireTelemetryLost"
            || rule.name == "SpanwireTargetDown"
            || TROUBLES
                .iter()
                .any(|trouble| trouble.alerts.contains(&rule.name.as_str()));
        if rule.is_alert && !is_tested {
            wrong.push(format!("nothing here sets off {}", rule.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn lasting_alerts_end() {
    step!("alerts of budgets end when the budget is no longer spent");
    let app = App::start(&[]);
    alertmanager::wait_without(LASTING, Duration::from_secs(600));
    app.quit();
}

fn the_webhook_heard_of_it(webhook: &Webhook) {
    step!("the webhook was told");
    for (alert, status) in [
        ("SpanwireErrorRateHigh", "firing"),
        ("SpanwirePageUnresponsive", "firing"),
        ("SpanwirePageUnresponsive", "resolved"),
    ] {
        wait(alert, Duration::from_secs(120), || {
            if webhook.was_told(alert, status) {
                Ok(())
            } else {
                Err(format!("not {status}"))
            }
        });
    }
}

pub fn say(text: &str) {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    let started = STARTED.get_or_init(Instant::now);
    println!("stack: {:4} s  {text}", started.elapsed().as_secs());
}
