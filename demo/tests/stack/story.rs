//! What happens, in order, and what must hold meanwhile.

use std::iter::once;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::http::wait;
use crate::servers::Servers;
use crate::webhook::Webhook;
use crate::{alertmanager, boards, jaeger, prometheus, report, routes, step};

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
        faults: &["silent-handler"],
        alerts: &["SpanwireCallsUnsettled"],
        limit: Duration::from_secs(60),
    },
    // Ten thousand messages that wait are late too, so this comes after those that are late.
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
        faults: &["empty-page"],
        alerts: &["SpanwirePageInert"],
        limit: Duration::from_secs(90),
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

/// What makes messages late. It comes first, and in an app whose page is still: drawing a page that uses
/// itself makes some late on a busy machine, and these alerts would be there before their fault.
const LATE: Trouble = Trouble {
    faults: &["slow-listener", "slow-handler"],
    alerts: &[
        "SpanwireHandlerSlow",
        "SpanwireDeliverySlow",
        "SpanwirePageThreadSaturated",
        "SpanwireLatencyBudgetFastBurn",
        "SpanwireLatencyBudgetSlowBurn",
    ],
    limit: Duration::from_secs(90),
};

/// Those that look back for days: here they end minutes after their cause.
const LASTING: &[&str] = &[
    "SpanwireDeliveryBudgetFastBurn",
    "SpanwireDeliveryBudgetSlowBurn",
    "SpanwireLatencyBudgetFastBurn",
    "SpanwireLatencyBudgetSlowBurn",
];

/// Those that are not about what the app does but about its life and what is around it.
const AROUND: &[&str] = &[
    "SpanwireStartupSlow",
    "SpanwireTargetDown",
    "SpanwireTelemetrySpooling",
    "SpanwireTelemetryLost",
];

/// Those that nothing here sets off, so their rules may be without data. Their rule tests do.
const NOT_SET_OFF: &[&str] = &[
    // They compare with an hour in which the event came seldom, and no fault here comes seldom first.
    "SpanwireEventRateGrown",
    "SpanwireMessageSizeGrown",
    // No fault loads its page again and again.
    "SpanwirePageReloadLoop",
    // The machine is whoever's it is.
    "SpanwireHostCpuSaturated",
];

pub fn run() {
    let webhook = Webhook::listen();
    let servers = Servers::up();
    let from = prometheus::now();
    // Far from what is usual and from what the faults do, on a busy machine too.
    let threshold = ("SPANWIRE_IPC_SLOW_THRESHOLD_MS", "300");
    let mut app = App::still(&[threshold]);
    messages_are_in_time();
    a_trouble_is_alerted_of(&LATE, &mut app);
    app.quit();
    let mut app = App::start(&[
        threshold,
        // Every operation is slow: panels have a colour for that, and no fault does it.
        ("SPANWIRE_SLOW_THRESHOLD_MS", "1"),
    ]);

    silence_when_all_is_well();
    the_trace_of_a_click();
    exemplars_open();
    for trouble in TROUBLES {
        a_trouble_is_alerted_of(trouble, &mut app);
    }
    prometheus_away(&servers);
    let next = Next::after(from);
    app_killed(app);
    offline_and_back(&servers);
    let mut app = next.start();
    collector_away(&servers, &mut app);
    every_expression_has_data(&mut app, from);
    every_rule_works(from);
    every_query_is_answered(from);
    routes::agree();
    app.quit();
    lasting_alerts_end();
    the_webhook_heard_of_it(&webhook);
}

/// Cards look at minutes, so they are green before the first message that is late, or not at all.
fn messages_are_in_time() {
    step!("a page that is still gets its messages in time");
    prometheus::wait_for(
        "histogram_quantile(0.99, sum by (le) (rate(spanwire_ipc_delivery_duration_seconds_bucket[5m]))) <= 0.15",
        Duration::from_secs(90),
    );
}

fn silence_when_all_is_well() {
    step!("an app that does well sets off no alert");
    prometheus::wait_for(
        "count_over_time(up{job=\"spanwire\"}[1m]) > 20 and on () sum(rate(spanwire_ipc_messages_total[20s])) > 1",
        Duration::from_secs(90),
    );
    let mut active = alertmanager::active().expect("the Alertmanager answers");
    // On a machine that is busy with something else the app is slow, and its alerts are right.
    active.retain(|name| {
        !["Slow", "Latency", "Blocked", "Saturated"]
            .iter()
            .any(|of| name.contains(of))
    });
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
    alertmanager::wait_without(trouble.alerts, Duration::from_secs(300));
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

fn collector_away(servers: &Servers, app: &mut App) {
    step!("without the Collector the app goes on, and says what it loses");
    alertmanager::wait_without(&["SpanwireTelemetryLost"], Duration::from_secs(120));
    servers.stop("collector");
    // What fails is logged, and a log record is telemetry too.
    app.begin("failing-handler");
    alertmanager::wait_for(&["SpanwireTelemetryLost"], Duration::from_secs(120));
    for signal in ["span", "log", "metric_data_point"] {
        prometheus::wait_for(
            &format!("otel_sdk_exporter_{signal}_exported_total{{error_type!=\"\"}} > 0"),
            Duration::from_secs(120),
        );
    }
    messages_flow();
    app.end("failing-handler");
    step!("  and with it again, spans arrive");
    servers.start("collector");
    // One that began after that.
    wait("a new trace", Duration::from_secs(90), || {
        let since = prometheus::query("otel_sdk_exporter_span_exported_total{error_type=\"\"}")?;
        let before = since.first().and_then(|series| series.samples.first());
        let Some((_, before)) = before else {
            return Err("nothing was exported".to_owned());
        };
        std::thread::sleep(Duration::from_secs(2));
        let now = prometheus::query("otel_sdk_exporter_span_exported_total{error_type=\"\"}")?;
        match now.first().and_then(|series| series.samples.first()) {
            Some((_, after)) if after > before => Ok(()),
            _ => Err(format!("still {before} exported")),
        }
    });
    alertmanager::wait_without(&["SpanwireTelemetryLost"], Duration::from_secs(120));
}

fn prometheus_away(servers: &Servers) {
    step!("Prometheus is restarted, and series go on");
    let before = prometheus::query("sum(spanwire_ipc_messages_total)").expect("it answers");
    servers.stop("prometheus");
    servers.start("prometheus");
    messages_flow();
    let after = prometheus::query("sum(spanwire_ipc_messages_total)").expect("it answers");
    assert!(after[0].samples[0].1 >= before[0].samples[0].1);
    let resets = prometheus::query("sum(resets(spanwire_ipc_messages_total[1m]))");
    assert!(resets.expect("it answers")[0].samples[0].1 == 0.0);
}

/// From now on, and not before: what is looked at lies behind this call.
fn messages_flow() {
    let since = prometheus::now();
    let flow = format!(
        "sum(rate(spanwire_ipc_messages_total{{spanwire_outcome=\"ok\"}}[5s])) > 0 \
         and on () timestamp(up{{job=\"spanwire\"}}) > {}",
        since + 5.0
    );
    prometheus::wait_for(&flow, Duration::from_secs(30));
}

fn app_killed(app: App) {
    step!("an app that was killed is missed, until another comes");
    alertmanager::wait_without(&["SpanwireTargetDown"], Duration::from_secs(60));
    app.kill();
    alertmanager::wait_for(&["SpanwireTargetDown"], Duration::from_secs(60));
    step!("  which starts slowly");
    let next = App::late();
    alertmanager::wait_for(&["SpanwireStartupSlow"], Duration::from_secs(60));
    alertmanager::wait_without(&["SpanwireTargetDown"], Duration::from_secs(90));
    alertmanager::wait_without(&["SpanwireStartupSlow"], Duration::from_secs(90));
    // Whose operations are not slow.
    prometheus::wait_for(
        "sum(rate(spanwire_operation_duration_seconds_count[4s])) > 0 \
         and on () spanwire_operation_slow_threshold_seconds == 1",
        Duration::from_secs(60),
    );
    next.quit();
}

/// Without a network the spans go to the disk, where a kill does not reach them.
fn offline_and_back(servers: &Servers) {
    step!("offline, spans wait on disk, and outlive their app");
    let folder = servers.folder("spool");
    let spool = folder.to_str().expect("it is Unicode");
    let app = App::still(&[("SPANWIRE_SPOOL_DIR", spool)]);
    prometheus::wait_for("spanwire_spool_size_bytes == 0", Duration::from_secs(60));
    alertmanager::wait_without(&["SpanwireTelemetrySpooling"], Duration::from_secs(60));
    servers.stop("collector");
    let left = prometheus::now();
    alertmanager::wait_for(&["SpanwireTelemetrySpooling"], Duration::from_secs(180));
    let killed = prometheus::now();
    app.kill();
    step!("  and arrive with the next one");
    servers.start("collector");
    let report = servers.folder("report");
    std::fs::create_dir_all(&report).expect("it can be made");
    let history = report.join("history.db");
    let history_path = history.to_str().expect("it is Unicode");
    let app = App::still(&[
        ("SPANWIRE_SPOOL_DIR", spool),
        ("SPANWIRE_HISTORY", history_path),
    ]);
    prometheus::wait_for(
        "spanwire_spool_items_total{spanwire_outcome=\"replayed\"} > 0",
        Duration::from_secs(120),
    );
    wait("a trace from before", Duration::from_secs(60), || {
        jaeger::between(left + 5.0, killed - 5.0)
    });
    alertmanager::wait_without(&["SpanwireTelemetrySpooling"], Duration::from_secs(120));
    app.quit();
    step!("a report of it is replayed into the Collector, and Jaeger has its traces");
    report::is_replayed(&history);
}

/// An app that exports all that it can by both routes, and has thresholds of which what the others
/// did stays just below: panels have colours for that.
struct Next {
    slow_ms: f64,
    error_rate: f64,
}

impl Next {
    fn after(from: f64) -> Self {
        Self {
            slow_ms: 1400.0 * usual(USUAL_DURATION, from),
            error_rate: (1.4 * usual(USUAL_FAILURES, from)).min(1.0),
        }
    }

    fn start(self) -> App {
        App::start(&[
            ("OTEL_LOGS_EXPORTER", "otlp"),
            ("OTEL_METRICS_EXPORTER", "prometheus,otlp"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
            // The last bound of the histograms: what is slower is not above it.
            ("SPANWIRE_IPC_SLOW_THRESHOLD_MS", "1000"),
            (
                "SPANWIRE_SLOW_THRESHOLD_MS",
                &format!("{:.0}", self.slow_ms),
            ),
            (
                "SPANWIRE_ERROR_RATE_THRESHOLD",
                &format!("{:.3}", self.error_rate),
            ),
        ])
    }
}

const USUAL_DURATION: &str =
    "histogram_quantile(0.99, sum by (le) (rate(spanwire_operation_duration_seconds_bucket[5m])))";
const USUAL_FAILURES: &str = "instance:spanwire_operations_failed:ratio5m > 0";

/// The middle of what an expression was.
fn usual(expression: &str, from: f64) -> f64 {
    let series = prometheus::query_range(expression, from, prometheus::now());
    let samples = series.expect("Prometheus answers").into_iter();
    let mut values: Vec<f64> = samples
        .flat_map(|one| one.samples)
        .map(|(_, value)| value)
        .filter(|value| value.is_finite())
        .collect();
    assert!(!values.is_empty(), "{expression} never was anything");
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Those that show a fault have it under the fault, which was before, or is now and then here.
fn every_expression_has_data(app: &mut App, from: f64) {
    const FAULTS: &[&str] = &[
        "failing-handler",
        "failing-operation",
        "slow-listener",
        "slow-handler",
    ];
    let mut panels = boards::panels();
    step!("each of {} expressions of panels has data", panels.len());
    for _ in 0..30 {
        let to = prometheus::now();
        panels.retain(|panel| {
            let found = prometheus::query_range(&panel.expression, from, to);
            let mut samples = found.unwrap_or_else(|error| panic!("{}: {error}", panel.place));
            !samples
                .iter_mut()
                .any(|one| one.samples.iter().any(|(_, value)| !value.is_nan()))
        });
        if panels.is_empty() {
            return;
        }
        for fault in FAULTS {
            app.begin(fault);
        }
        std::thread::sleep(Duration::from_secs(6));
        for fault in FAULTS {
            app.end(fault);
        }
        std::thread::sleep(Duration::from_secs(5));
    }
    let left: Vec<String> = panels
        .iter()
        .map(|panel| format!("{}\n    {}", panel.place, panel.expression))
        .collect();
    panic!("{} never had data:\n{}", left.len(), left.join("\n"));
}

fn every_rule_works(from: f64) {
    let rules = prometheus::rules().expect("Prometheus answers");
    step!("each of {} rules had data", rules.len());
    assert!(rules.len() > 40, "only {} rules are loaded", rules.len());
    let to = prometheus::now();
    let mut wrong = Vec::new();
    for rule in &rules {
        let found = prometheus::query_range(&rule.query, from, to);
        let may_be_silent = NOT_SET_OFF.contains(&rule.name.as_str());
        let has_data = found.as_ref().is_ok_and(|series| !series.is_empty());
        if !rule.error.is_empty() || !(has_data || may_be_silent && found.is_ok()) {
            wrong.push(format!("{rule:?}: {:?}", found.err()));
        }
        let is_tested = AROUND.contains(&rule.name.as_str())
            || may_be_silent
            || once(&LATE)
                .chain(TROUBLES)
                .any(|trouble| trouble.alerts.contains(&rule.name.as_str()));
        if rule.is_alert && !is_tested {
            wrong.push(format!("nothing here sets off {}", rule.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a dashboard asks for is asked in Grafana's way: at one time or over time, with exemplars or
/// without. That a query has an answer is `every_expression_has_data`.
fn every_query_is_answered(from: f64) {
    let panels = boards::panels();
    let variables = boards::variables();
    let annotations = boards::annotations();
    step!(
        "Prometheus answers {} queries of panels, {} of variables and {} of annotations",
        panels.len(),
        variables.len(),
        annotations.len()
    );
    let to = prometheus::now();
    let mut wrong = Vec::new();
    for panel in &panels {
        if let Err(error) = panel.ask(from, to) {
            wrong.push(format!("{}: {error}", panel.place));
        }
    }
    for variable in &variables {
        match prometheus::label_values(&variable.series, &variable.label) {
            Ok(values) if !values.is_empty() => {}
            found => wrong.push(format!("{}: {found:?}", variable.place)),
        }
    }
    for (place, expression) in &annotations {
        match prometheus::query_range(expression, from, to) {
            Ok(series) if !series.is_empty() => {}
            found => wrong.push(format!("{place}: {:?}", found.err())),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn lasting_alerts_end() {
    step!("alerts of budgets end when the budget is no longer spent");
    // Drawing alone makes messages late where no graphics processor helps, so nothing is drawn.
    let app = App::still(&[]);
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
