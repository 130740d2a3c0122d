//! The performance client: each name of it, and that what it applies is in force.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use serde_json::json;
use spanwire::Telemetry;
use spanwire::ipc::{Ipc, Limits};
use spanwire::report::prelude::*;
use spanwire::report::{
    Advice, ApplyOptimizationError, Facts, GetMetricError, GetMetricsError, GetOptimizationsError,
    MetricSource, Optimization, OptimizationInfo, Recommendation, RecordMetricError, Severity,
    StartProfilingError, StopProfilingError,
};
use spanwire::telemetry::TailSampling;
use spanwire::testing::Capture;
use spanwire::timer::{monitor, operation};
use spanwire_testkit::child_process;
use spanwire_testkit::model_page::ModelPage;
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::scrape::scrape_text;

mod older_names;

/// What no method of the client waits for.
fn now<T>(future: impl Future<Output = T>) -> T {
    future
        .now_or_never()
        .expect("a client's future is done at once")
}

fn client(config: PerformanceConfig) -> Arc<dyn PerformanceClient> {
    Arc::new(create_performance_client_with_config(config))
}

fn info(client: &dyn PerformanceClient, id: &str) -> OptimizationInfo {
    let all = now(client.get_optimizations()).unwrap();
    let ids: Vec<_> = all.iter().map(|of| of.id.clone()).collect();
    let found = all.into_iter().find(|of| of.id == id);
    found.unwrap_or_else(|| panic!("{id} is not among {ids:?}"))
}

fn fps(value: f64) -> Metric {
    Metric::new("fps", MetricCategory::Rendering, value, "{frame}/s").with_id("fps")
}

#[test]
fn a_client_can_be_shared_and_is_a_trait_object() {
    let shared = client(PerformanceConfig::new());
    let thread = std::thread::spawn({
        let shared = Arc::clone(&shared);
        move || now(shared.record_metric(fps(1.0)))
    });
    thread.join().unwrap().unwrap();
    assert_eq!(now(shared.get_metrics()).unwrap().len(), 1);
}

#[test]
fn a_snapshot_has_an_id_a_time_metrics_memory_and_cpu() {
    let client = create_performance_client();
    let before = SystemTime::UNIX_EPOCH;
    now(client.record_metric(fps(59.0))).unwrap();
    now(client.record_metric(fps(60.0))).unwrap();
    let other = Metric::new("rtt", MetricCategory::Network, 12.0, "ms");
    now(client.record_metric(other)).unwrap();
    let snapshot = now(client.create_snapshot()).unwrap();
    let again = now(client.create_snapshot()).unwrap();
    assert_ne!(snapshot.id, again.id);
    assert!(snapshot.timestamp > before && again.timestamp >= snapshot.timestamp);
    assert_eq!(snapshot.metric_count(), 2, "the last of each id");
    assert_eq!(snapshot.metrics[0].value, 60.0);
    assert!(snapshot.memory_usage > 1 << 20);
    assert!(again.cpu_usage.unwrap() >= 0.0);
}

#[test]
fn metrics_come_back_as_they_were_recorded_and_the_last_of_an_id() {
    let client = client(PerformanceConfig::new());
    let metric = Metric {
        id: "m1".into(),
        name: "texture.upload".into(),
        category: MetricCategory::Custom("gfx".into()),
        value: 12.5,
        unit: "ms".into(),
        timestamp: SystemTime::UNIX_EPOCH,
        metadata: HashMap::from([("texture".into(), "wood".into())]),
    };
    now(client.record_metric(metric.clone())).unwrap();
    now(client.record_metric(fps(59.0))).unwrap();
    now(client.record_metric(fps(60.0))).unwrap();
    let all = now(client.get_metrics()).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[0], metric);
    assert_eq!(now(client.get_metric("fps")).unwrap().value, 60.0);
    assert_eq!(
        now(client.get_metric("none")),
        Err(GetMetricError::NotFound)
    );
    let tagged = fps(1.0).with_metadata("page", "start");
    assert_eq!(tagged.metadata["page"], "start");
}

#[test]
fn a_recorded_metric_reaches_prometheus_without_its_id_and_metadata() {
    child_process::run_alone(
        "a_recorded_metric_reaches_prometheus_without_its_id_and_metadata",
        &[],
        || {
            let telemetry = Telemetry::builder("paint-tool")
                .environment(|_| None)
                .prometheus_port(0)
                .install()
                .unwrap();
            let client = client(PerformanceConfig::new());
            let metric = fps(59.5).with_metadata("user", "secret");
            now(client.record_metric(metric)).unwrap();
            let text = scrape_text(telemetry.prometheus_addr().unwrap());
            let line = text
                .lines()
                .find(|line| line.starts_with("spanwire_measurement{"))
                .unwrap();
            assert!(
                line.contains(r#"spanwire_measurement_name="fps""#),
                "{line}"
            );
            assert!(line.contains(r#"category="rendering""#), "{line}");
            assert!(line.ends_with(" 59.5"), "{line}");
            assert!(!text.contains("secret"));
        },
    );
}

#[test]
fn an_invalid_metric_is_refused_with_the_field_that_is_wrong() {
    let client = client(PerformanceConfig::new());
    let wrong = |change: fn(&mut Metric)| {
        let mut metric = fps(1.0);
        change(&mut metric);
        match now(client.record_metric(metric)) {
            Err(RecordMetricError::InvalidMetric { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(wrong(|of| of.id = String::new()), "id");
    assert_eq!(wrong(|of| of.name = " ".into()), "name");
    assert_eq!(wrong(|of| of.name = "n".repeat(129)), "name");
    assert_eq!(
        wrong(|of| of.category = MetricCategory::Custom("\n".into())),
        "category"
    );
    assert_eq!(wrong(|of| of.value = f64::NAN), "value");
    assert_eq!(wrong(|of| of.unit = "\"".into()), "unit");
    let large = |of: &mut Metric| {
        of.metadata.insert("k".into(), "v".repeat(5_000));
    };
    assert_eq!(wrong(large), "metadata");
    assert_eq!(now(client.get_metrics()).unwrap(), []);
}

#[test]
fn a_report_has_its_snapshots_a_summary_optimizations_and_recommendations() {
    let client = client(PerformanceConfig::new());
    now(client.record_metric(fps(60.0))).unwrap();
    now(client.create_snapshot()).unwrap();
    let minute = Duration::from_secs(60);
    let report = now(client.generate_report("warm-up", minute)).unwrap();
    assert_eq!((&*report.name, report.duration), ("warm-up", minute));
    assert_eq!(report.id.len(), 32);
    assert_eq!(report.snapshots.len(), 2, "that before, and one now");
    assert_eq!(report.summary.snapshots, 2);
    assert_eq!(report.summary.metrics["rendering"], 1);
    let memory = report.summary.memory_bytes.unwrap();
    assert!(memory.min <= memory.mean && memory.mean <= memory.max);
    // There is no wire and no telemetry, so there is nothing to optimise, and it says why.
    assert_eq!(report.optimizations, []);
    let text = report.display_summary();
    assert!(text.starts_with("Performance report: warm-up\n- Time: 60.0 s, 2 snapshots"));
    assert!(text.contains("Not measured: "), "{text}");
    assert!(text.contains("the client was given no wire"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["snapshots"][0]["metrics"][0]["category"], "rendering");
}

/// Counts the snapshots that a session's own thread takes.
struct Ticks(Arc<AtomicU32>);

impl MetricSource for Ticks {
    fn collect(&self) -> Vec<Metric> {
        if std::thread::current().name() == Some("spanwire-report") {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Vec::new()
    }
}

#[test]
fn a_session_takes_snapshots_until_it_is_stopped_and_knows_whether_one_runs() {
    let ticks = Arc::new(AtomicU32::new(0));
    let config = PerformanceConfig::new()
        .with_profile_interval(Duration::from_millis(10))
        .with_metric_source(Ticks(Arc::clone(&ticks)));
    let client = client(config);
    let not_running = now(client.stop_profiling());
    assert!(matches!(not_running, Err(StopProfilingError::NotProfiling)));
    let earlier = now(client.create_snapshot()).unwrap();
    now(client.start_profiling()).unwrap();
    let running = now(client.start_profiling());
    assert!(matches!(
        running,
        Err(StartProfilingError::AlreadyProfiling)
    ));
    let began = spanwire::clock::now();
    while ticks.load(Ordering::Relaxed) < 3 {
        assert!(spanwire::clock::now().since(began) < Duration::from_secs(30));
        std::thread::yield_now();
    }
    let report = now(client.stop_profiling()).unwrap();
    // One at its start, those of its thread, and one at its end.
    let expected = ticks.load(Ordering::Relaxed) as usize + 2;
    assert_eq!(report.snapshots.len(), expected);
    assert!(report.snapshots.iter().all(|of| of.id != earlier.id));
    assert!(report.duration > Duration::ZERO);
    let stopped = now(client.stop_profiling());
    assert!(matches!(stopped, Err(StopProfilingError::NotProfiling)));
    now(client.start_profiling()).unwrap();
    now(client.stop_profiling()).unwrap();
}

#[test]
fn a_report_counts_what_happened_in_its_time_and_not_before() {
    let test = "a_report_counts_what_happened_in_its_time_and_not_before";
    child_process::run_alone(test, &[], || {
        let ipc = Ipc::builder("main").queue_capacity(1_000).build();
        let client = client(PerformanceConfig::new().with_ipc(&ipc));
        for _ in 0..10 {
            operation("before").record(Duration::from_secs(2), false);
        }
        for n in 0..1_100 {
            let _ = ipc.emit("before", &n);
        }
        now(client.create_snapshot()).unwrap();
        now(client.start_profiling()).unwrap();
        operation("within").record(Duration::from_millis(1), true);
        let session = now(client.stop_profiling()).unwrap();
        let summary = &session.summary;
        assert_eq!(
            (summary.operations, summary.operations_failed),
            (Some(1), Some(0))
        );
        assert_eq!(summary.messages_lost, Some(0));
        assert!(summary.counted_over <= session.duration + Duration::from_secs(1));
        let ids: Vec<_> = session.recommendations.iter().map(|of| &*of.id).collect();
        for of_before in ["operation.failing", "operation.slow", "ipc.dropped"] {
            assert!(!ids.contains(&of_before), "{ids:?}");
        }
        // An hour ago is before all of it.
        let all = now(client.generate_report("all", Duration::from_secs(3_600))).unwrap();
        assert_eq!(
            (all.summary.operations, all.summary.operations_failed),
            (Some(11), Some(10))
        );
        assert_eq!(all.summary.messages_lost, Some(100));
    });
}

#[test]
fn larger_batches_send_more_in_one_script_and_undo_sends_as_before() {
    let mut limits = Limits::default();
    limits.batch_len_max = 2;
    let ipc = Ipc::builder("main").limits(limits).build();
    let client = client(PerformanceConfig::new().with_ipc(&ipc));
    let mut page = ModelPage::load(&ipc, "p1");
    page.pump(&ipc);
    let mut scripts = || {
        for n in 0..8 {
            ipc.emit("step", &n).unwrap();
        }
        let mut sent = Vec::new();
        while let Some(script) = ipc.next_script() {
            let text = script.text().to_owned();
            sent.push(text.matches(r#""event":"step""#).count());
            if let Some(answer) = page.run(&script, spanwire_testkit::model_page::Eval::Runs) {
                page.send(&ipc, &[answer]);
            }
        }
        sent.retain(|messages| *messages > 0);
        sent
    };
    let id = "ipc.batch_len:main";
    assert_eq!(scripts(), [2, 2, 2, 2]);
    assert_eq!(
        info(&*client, id).evidence.unwrap(),
        "up to 8 messages waited at once"
    );
    assert_eq!(now(client.apply_optimization(id)), Ok(true));
    assert_eq!(scripts(), [8]);
    assert!(info(&*client, id).is_applied);
    assert_eq!(
        info(&*client, id).setting,
        "8 messages in one script of main"
    );
    assert_eq!(
        now(client.apply_optimization(id)),
        Ok(false),
        "it is applied already"
    );
    assert_eq!(now(client.undo_optimization(id)), Ok(true));
    assert_eq!(scripts(), [2, 2, 2, 2]);
    assert!(!info(&*client, id).is_applied);
    assert_eq!(now(client.undo_optimization(id)), Ok(false));
}

#[test]
fn coalescing_leaves_the_latest_of_an_event_and_undo_sends_each() {
    let ipc = Ipc::builder("main").build();
    let client = client(PerformanceConfig::new().with_ipc(&ipc));
    let mut page = ModelPage::load(&ipc, "p1");
    let mut delivered = || {
        for n in 0..5 {
            ipc.emit("progress", &n).unwrap();
            ipc.emit("done", &n).unwrap();
        }
        page.log.clear();
        page.pump(&ipc);
        let of = |event: &str| page.log.iter().filter(|line| line.contains(event)).count();
        (of("progress"), of("done"))
    };
    let id = "ipc.coalesce:main/progress";
    assert_eq!(delivered(), (5, 5));
    assert_eq!(now(client.apply_optimization(id)), Ok(true));
    assert_eq!(delivered(), (1, 5), "the other event is as before");
    assert!(
        info(&*client, id)
            .setting
            .starts_with("the latest progress")
    );
    assert_eq!(now(client.undo_optimization(id)), Ok(true));
    assert_eq!(delivered(), (5, 5));
}

#[test]
fn an_event_that_is_replayed_is_never_coalesced() {
    let ipc = Ipc::builder("main").build();
    assert!(ipc.set_coalesced("saved", true));
    assert!(!ipc.set_coalesced("saved", true));
    for n in 0..3 {
        ipc.emit_replay("saved", &n).unwrap();
    }
    let mut page = ModelPage::load(&ipc, "p1");
    page.pump(&ipc);
    let saved = page.log.iter().filter(|line| line.contains("saved"));
    assert_eq!(saved.count(), 3);
}

#[test]
fn fewer_event_spans_are_made_and_undo_makes_as_many_as_before() {
    let capture = Capture::new();
    capture.run(|| {
        let mut limits = Limits::default();
        limits.event_spans_per_second_max = 20;
        let provider = capture.tracer_provider();
        let ipc = Ipc::builder("main")
            .limits(limits)
            .tracer_provider(&provider)
            .build();
        let client = client(PerformanceConfig::new().with_ipc(&ipc));
        let mut page = ModelPage::load(&ipc, "p1");
        page.pump(&ipc);
        let mut spans = || {
            capture.clock().advance(Duration::from_secs(10));
            let before = capture.finished_spans().len();
            for n in 0..50 {
                ipc.emit("step", &n).unwrap();
            }
            page.pump(&ipc);
            capture.finished_spans().len() - before
        };
        let id = "ipc.event_spans:main";
        assert_eq!(spans(), 20);
        assert_eq!(now(client.apply_optimization(id)), Ok(true));
        assert_eq!(spans(), 2);
        assert_eq!(now(client.undo_optimization(id)), Ok(true));
        assert_eq!(spans(), 20);
    });
}

#[test]
fn messages_from_before_the_client_do_not_speak_for_fewer_spans() {
    let capture = Capture::new();
    capture.run(|| {
        let mut limits = Limits::default();
        limits.event_spans_per_second_max = 20;
        let ipc = Ipc::builder("main").limits(limits).build();
        let mut page = ModelPage::load(&ipc, "p1");
        let mut flood = || {
            for n in 0..2_000 {
                ipc.emit("step", &n).unwrap();
            }
            page.pump(&ipc);
        };
        flood();
        let client = client(PerformanceConfig::new().with_ipc(&ipc));
        let evidence = || info(&*client, "ipc.event_spans:main").evidence;
        capture.clock().advance(Duration::from_secs(10));
        assert_eq!(evidence(), None);
        flood();
        let said = evidence().unwrap();
        assert!(
            said.starts_with("200 messages a second cross main"),
            "{said}"
        );
    });
}

#[test]
fn fewer_traces_are_kept_and_undo_keeps_as_many_as_before() {
    child_process::run_alone(
        "fewer_traces_are_kept_and_undo_keeps_as_many_as_before",
        &[],
        || {
            let receiver = Receiver::start();
            let telemetry = Telemetry::builder("paint-tool")
                .environment(|_| None)
                .prometheus_port(0)
                .otlp_endpoint(receiver.url())
                .tail(TailSampling::new().traces_per_second(20).slow_factor(0))
                .install()
                .unwrap();
            let client = client(PerformanceConfig::new().with_telemetry(&telemetry));
            // The rate refills with real time, which is what this is about: no time is asserted.
            let phase = |name: &'static str| {
                std::thread::sleep(Duration::from_millis(1_100));
                for _ in 0..200 {
                    monitor(name).time(|| ());
                }
                telemetry.flush(Duration::from_secs(10)).unwrap();
                let spans = receiver.spans();
                spans.iter().filter(|span| span.name == name).count()
            };
            let id = "telemetry.traces_per_second";
            let before = phase("before");
            assert_eq!(now(client.apply_optimization(id)), Ok(true));
            assert_eq!(telemetry.sampling_rate().unwrap().traces_per_second(), 2);
            let applied = phase("applied");
            assert_eq!(now(client.undo_optimization(id)), Ok(true));
            let undone = phase("undone");
            assert!(
                before >= 20 && undone >= 20 && (2..20).contains(&applied),
                "{before} before, {applied} applied, {undone} undone"
            );
        },
    );
}

#[test]
fn an_undo_leaves_what_the_app_has_set_since() {
    let ipc = Ipc::builder("main").build();
    let client = client(PerformanceConfig::new().with_ipc(&ipc));
    let id = "ipc.batch_len:main";
    assert_eq!(now(client.apply_optimization(id)), Ok(true));
    ipc.set_batch_len_max(7);
    assert_eq!(now(client.undo_optimization(id)), Ok(false));
    assert_eq!(ipc.batch_len_max(), 7);
}

#[test]
fn nothing_is_applied_by_itself_unless_the_app_asks_and_then_only_what_loses_nothing() {
    let wire = || {
        let mut limits = Limits::default();
        limits.batch_len_max = 10;
        let ipc = Ipc::builder("main").limits(limits).build();
        for n in 0..2_000 {
            ipc.emit("progress", &n).unwrap();
        }
        ipc
    };
    let by_hand = wire();
    let client_by_hand = client(PerformanceConfig::new().with_ipc(&by_hand));
    now(client_by_hand.create_snapshot()).unwrap();
    assert_eq!(by_hand.batch_len_max(), 10);

    let automatic = wire();
    let config = PerformanceConfig::new().with_ipc(&automatic);
    let client = client(config.with_auto_optimize(true));
    now(client.create_snapshot()).unwrap();
    assert_eq!(automatic.batch_len_max(), 40);
    let coalesce = info(&*client, "ipc.coalesce:main/progress");
    assert!(coalesce.evidence.is_some() && !coalesce.is_lossless);
    assert!(!coalesce.is_applied && !automatic.is_coalesced("progress"));
    // What the app undid stays undone.
    assert_eq!(
        now(client.undo_optimization("ipc.batch_len:main")),
        Ok(true)
    );
    now(client.create_snapshot()).unwrap();
    assert_eq!(automatic.batch_len_max(), 10);
}

#[test]
fn an_optimization_that_is_not_there_is_not_found() {
    let ipc = Ipc::builder("main").build();
    let client = client(PerformanceConfig::new().with_ipc(&ipc));
    let none = Err(ApplyOptimizationError::NotFound);
    assert_eq!(now(client.apply_optimization("none")), none);
    assert_eq!(now(client.undo_optimization("none")), none);
    assert_eq!(
        now(client.apply_optimization("ipc.batch_len:main")),
        Ok(true)
    );
    drop(ipc);
    assert_eq!(now(client.apply_optimization("ipc.batch_len:main")), none);
}

#[test]
fn what_is_off_says_so_and_recording_goes_on() {
    let config = PerformanceConfig::new()
        .with_profiling(false)
        .with_metrics(false)
        .with_optimizations(false);
    let client = client(config);
    now(client.record_metric(fps(1.0))).unwrap();
    assert_eq!(now(client.get_metrics()), Err(GetMetricsError::Off));
    assert_eq!(now(client.get_metric("fps")), Err(GetMetricError::Off));
    let off = now(client.start_profiling());
    assert!(matches!(off, Err(StartProfilingError::Off)));
    let off = now(client.get_optimizations());
    assert_eq!(off, Err(GetOptimizationsError::Off));
    let off = now(client.apply_optimization("any"));
    assert_eq!(off, Err(ApplyOptimizationError::Off));
    assert_eq!(now(client.create_snapshot()).unwrap().metric_count(), 0);
}

#[test]
fn metrics_optimizations_and_advice_of_the_apps_own_take_part_and_may_panic() {
    struct Cache;
    impl MetricSource for Cache {
        fn collect(&self) -> Vec<Metric> {
            let bad = Metric::new("bad", MetricCategory::Memory, f64::NAN, "");
            vec![Metric::new("cache", MetricCategory::Memory, 3.0, ""), bad]
        }
    }
    struct Broken;
    impl MetricSource for Broken {
        fn collect(&self) -> Vec<Metric> {
            panic!("broken")
        }
    }
    impl Advice for Broken {
        fn id(&self) -> &str {
            "app.broken"
        }
        fn assess(&self, _: &Facts) -> Vec<Recommendation> {
            panic!("broken")
        }
    }
    struct Smaller(Arc<AtomicU32>);
    impl Optimization for Smaller {
        fn id(&self) -> &str {
            "app.smaller"
        }
        fn title(&self) -> &str {
            "Smaller previews"
        }
        fn setting(&self) -> String {
            self.0.load(Ordering::Relaxed).to_string()
        }
        fn evidence(&self, facts: &Facts) -> Option<String> {
            Some(format!("{} snapshots", facts.snapshots.len()))
        }
        fn apply(&self) -> bool {
            self.0.swap(128, Ordering::Relaxed) != 128
        }
        fn undo(&self) -> bool {
            self.0.swap(512, Ordering::Relaxed) != 512
        }
    }
    struct Always;
    impl Advice for Always {
        fn id(&self) -> &str {
            "app.always"
        }
        fn assess(&self, _: &Facts) -> Vec<Recommendation> {
            let of = Recommendation::new(self.id(), Severity::Critical, "it is so", "change it");
            vec![of.with_optimization("app.smaller")]
        }
    }
    let size = Arc::new(AtomicU32::new(512));
    let client = client(
        PerformanceConfig::new()
            .with_metric_source(Cache)
            .with_metric_source(Broken)
            .with_optimization(Smaller(Arc::clone(&size)))
            .with_advice(Broken)
            .with_advice(Always),
    );
    let snapshot = now(client.create_snapshot()).unwrap();
    let names: Vec<_> = snapshot.metrics.iter().map(|of| &*of.name).collect();
    assert_eq!(names, ["cache"]);
    assert_eq!(now(client.apply_optimization("app.smaller")), Ok(true));
    assert_eq!(size.load(Ordering::Relaxed), 128);
    assert_eq!(
        info(&*client, "app.smaller").evidence.unwrap(),
        "1 snapshots"
    );
    assert_eq!(now(client.undo_optimization("app.smaller")), Ok(true));
    assert_eq!(size.load(Ordering::Relaxed), 512);
    let report = now(client.generate_report("own", Duration::from_secs(60))).unwrap();
    let first = &report.recommendations[0];
    assert_eq!(
        (&*first.id, first.severity),
        ("app.always", Severity::Critical)
    );
    let line = "critical app.always: it is so; change it";
    assert!(report.display_summary().contains(line));
}

#[test]
fn rules_recommend_from_what_was_measured_and_nothing_without_data() {
    let test = "rules_recommend_from_what_was_measured_and_nothing_without_data";
    child_process::run_alone(test, &[], || {
        let mut limits = Limits::default();
        limits.batch_len_max = 10;
        let ipc = Ipc::builder("main")
            .queue_capacity(1_500)
            .limits(limits)
            .build();
        let client = client(PerformanceConfig::new().with_ipc(&ipc));
        let report = || now(client.generate_report("now", Duration::from_secs(60))).unwrap();
        assert_eq!(report().recommendations, []);

        for n in 0..1_600 {
            let _ = ipc.emit("progress", &n);
        }
        for n in 0..10 {
            operation("save").record(Duration::from_secs(2), n > 3);
        }
        let report = report();
        let ids: Vec<_> = report.recommendations.iter().map(|of| &*of.id).collect();
        assert_eq!(
            ids,
            [
                "operation.failing",
                "ipc.dropped",
                "operation.slow",
                "ipc.queue.backed_up",
                "ipc.event.chatty"
            ],
            "the gravest first: {:#?}",
            report.recommendations
        );
        let mut recommended = report.recommendations.iter();
        assert!(recommended.all(|of| of.finding.is_some()));
        // Each optimisation that is recommended can be applied.
        for recommended in &report.recommendations {
            if let Some(id) = &recommended.optimization {
                assert_eq!(now(client.apply_optimization(id)), Ok(true), "{id}");
            }
        }
        assert_eq!(
            report.recommendations[0].evidence,
            "4 of 10 operations failed"
        );
        assert_eq!(report.summary.operations_failed, Some(4));
        assert_eq!(report.summary.messages_lost, Some(100));
    });
}

#[test]
fn vitals_of_the_page_become_suggestions() {
    let ipc = Ipc::builder("main").build();
    let client = client(PerformanceConfig::new().with_ipc(&ipc));
    let page = ModelPage::load(&ipc, "p1");
    assert_eq!(now(client.get_ux_improvements()), []);
    let vital = |name: &str, ms: u32, rating: &str| {
        let vital = json!({"kind": "vital", "name": name, "value": ms, "rating": rating});
        page.send(&ipc, &[vital]);
    };
    vital("fcp", 900, "good");
    vital("lcp", 3_000, "needs_improvement");
    vital("inp", 620, "poor");
    let improvements = now(client.get_ux_improvements());
    let found: Vec<_> = improvements
        .iter()
        .map(|of| (&*of.webview, of.vital, of.seconds, of.severity))
        .collect();
    assert_eq!(
        found,
        [
            ("main", "inp", 0.62, Severity::Critical),
            ("main", "lcp", 3.0, Severity::Warning),
        ]
    );
    assert!(improvements.iter().all(|of| !of.suggestion.is_empty()));
    let report = now(client.generate_report("ux", Duration::from_secs(60))).unwrap();
    assert_eq!(report.recommendations[0].id, "page.inp");
}
