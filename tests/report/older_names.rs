//! The names of the older systems: in the guide, in a configuration and in the environment.

use super::*;

/// What users of the older client, the scoped monitor and the live dashboard look for.
const OLDER_NAMES: &[&str] = &[
    // The performance client.
    "create_performance_client()",
    "create_performance_client_with_config(config)",
    "`prelude`",
    "PerformanceClient: Send + Sync",
    "create_snapshot()",
    "metric_count()",
    "record_metric(metric)",
    "get_metrics()",
    "id, name, category, value, unit, timestamp, metadata",
    "Network, Rendering, Cpu, Memory",
    "generate_report(name, duration)",
    "display_summary()",
    "start_profiling()",
    "stop_profiling()",
    "get_optimizations()",
    "apply_optimization(id)",
    "automatic application",
    "UX improvements",
    "with_profiling",
    "with_metrics_retention",
    "with_auto_optimize",
    "PERFORMANCE_ENABLED",
    "PERFORMANCE_PROFILE_INTERVAL",
    "PERFORMANCE_RETENTION",
    "invalid metric, not found, already profiling, not profiling",
    "plugins for metrics",
    "plugins for optimisations",
    "createPerformanceClient()",
    "record_metric({id, name, category, value, unit})",
    // The scoped monitor.
    "PerformanceMonitor(storage=None)",
    "with monitor.monitor(\"op\"):",
    "monitor.slow_threshold_ms",
    "errors are recorded and raised again",
    "nanosecond clock, many threads",
    "MetricsStorage(db_path=\"metrics.db\")",
    "insert_metric(operation, duration=, error=, is_slow=)",
    "get_metrics(op)",
    "get_metrics_in_window(op, window_seconds=, filter_slow=)",
    "count, errors, error rate, average, min, max, slow count",
    "clean-up of old rows",
    "error type, stack trace, context",
    "sampling of frequent operations",
    "alert when the error rate passes 0.1 over 3600 s",
    "SLOW_REQUEST_THRESHOLD_MS",
    "SAMPLING_WINDOW_SECONDS",
    "ERROR_RATE_THRESHOLD",
    "metrics.db",
    // The live dashboard.
    "MetricsCollector(sample_interval=1.0, history_size=300)",
    "`start`, `stop`",
    "collect_system_metrics",
    "collect_action_metrics",
    "collect_event_metrics",
    "get_latest_metrics()",
    "rolling history",
    "record_action(name, duration, success)",
    "record_event(processing_time, success)",
    "set_current_action(name or None)",
    "set_action_queue_depth(n)",
    "set_event_queue_depth(n)",
    "eight cards, four charts",
    "DashboardServer(host=, port=, metrics_collector=)",
    "start_async",
    "stop_async",
    "dashboard --host --port --interval",
    "its simulator",
    "port conflicts",
    "Ctrl-C",
    "under 1 % CPU, under 1 ms a sample",
    "a history in a database",
    "periods compared",
    "e-mail",
    "webhooks",
    "custom metrics and charts",
    "flame graphs",
    "heat maps",
    "compression",
];

#[test]
fn the_guide_for_users_of_older_systems_has_a_row_for_each_of_their_names() {
    let guide = include_str!("../../docs/guide/coming-from.md");
    let theirs: Vec<&str> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .collect();
    for name in OLDER_NAMES {
        let row = theirs.iter().find(|cell| cell.contains(name));
        assert!(row.is_some(), "no row for {name}");
    }
}

#[test]
fn a_configuration_is_built_with_the_old_names() {
    let config = PerformanceConfig::builder()
        .with_profiling(true)
        .with_metrics_retention(Duration::from_secs(600))
        .with_auto_optimize(true)
        .build();
    assert!(config.profiling && config.metrics && config.optimizations && config.auto_optimize);
    assert_eq!(config.retention, Duration::from_secs(600));
    assert_eq!(config.profile_interval, Duration::from_secs(1));
    assert!(
        !PerformanceConfig::default().auto_optimize,
        "off by default"
    );
}

#[test]
fn the_old_variables_are_taken_with_a_hint_at_ours_which_win() {
    let config = |variables: &'static [(&str, &str)]| {
        PerformanceConfig::from_environment(move |name| {
            let found = variables.iter().find(|(of, _)| *of == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    };
    let none = config(&[]);
    assert!(none.profiling && none.hints().is_empty());

    let old = config(&[
        ("PERFORMANCE_ENABLED", "false"),
        ("PERFORMANCE_PROFILE_INTERVAL", "250"),
        ("PERFORMANCE_RETENTION", "60"),
    ]);
    assert!(!old.profiling && !old.metrics && !old.optimizations);
    assert_eq!(old.profile_interval, Duration::from_millis(250));
    assert_eq!(old.retention, Duration::from_secs(60));
    let ours = [
        "SPANWIRE_ENABLED",
        "SPANWIRE_SYSTEM_INTERVAL_MS",
        "SPANWIRE_RETENTION_SECONDS",
    ];
    assert_eq!(old.hints().len(), 3);
    for (hint, name) in old.hints().iter().zip(ours) {
        assert!(hint.contains(name), "{hint}");
    }

    let both = config(&[
        ("PERFORMANCE_RETENTION", "60"),
        ("SPANWIRE_RETENTION_SECONDS", "120"),
    ]);
    assert_eq!(both.retention, Duration::from_secs(120));
    assert!(both.hints().is_empty());

    let bad = config(&[("PERFORMANCE_RETENTION", "soon")]);
    assert_eq!(bad.retention, Duration::from_secs(3_600));
    assert!(
        bad.hints()[1].contains("not a whole number"),
        "{:?}",
        bad.hints()
    );
}

#[test]
fn the_default_client_reads_the_environment_and_logs_its_hints() {
    let test = "older_names::the_default_client_reads_the_environment_and_logs_its_hints";
    child_process::run_alone(test, &[("PERFORMANCE_ENABLED", "false")], || {
        let capture = Capture::new();
        let client = capture.run(create_performance_client);
        assert_eq!(now(client.get_metrics()), Err(GetMetricsError::Off));
        assert!(capture.logs().contains("set SPANWIRE_ENABLED instead"));
    });
}
