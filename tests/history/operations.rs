//! Operations, samples of the system and the start, as rows and as sums.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use spanwire::history::History;
use spanwire::history::query::{Filter, HistoryReader};
use spanwire::monitor;
use spanwire::startup::{Phase, reached};
use spanwire::telemetry::Telemetry;
use spanwire::timer::{Outcome, operation, set_current_operation};
use spanwire_testkit::child_process::run_alone;

use crate::app::{DEADLINE, builder, flush, number, place, sql};

#[derive(Debug, thiserror::Error)]
#[error("disk {0} is full")]
struct DiskFull(u32);

#[test]
fn a_sleep_of_100_ms_reads_90_to_110_ms_without_an_error() {
    run_alone(
        "operations::a_sleep_of_100_ms_reads_90_to_110_ms_without_an_error",
        &[],
        || {
            let (_folder, path) = place("sleep");
            let telemetry = builder(&path).install().unwrap();
            // A machine that has much to do wakes one late now and then, and none early.
            for _ in 0..10 {
                monitor("sleep").time(|| thread::sleep(Duration::from_millis(100)));
                flush(&telemetry);
                let best = "SELECT min(duration) FROM metrics WHERE operation = 'sleep'";
                if number(&path, best) <= 110.0 {
                    break;
                }
            }
            let rows = sql(
                &path,
                "SELECT min(duration) BETWEEN 90 AND 110, max(error), max(is_slow) FROM metrics \
                 WHERE operation = 'sleep'",
            );
            assert_eq!(rows, "1|0|0");
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let ago = format!(
                "SELECT {} - max(timestamp) BETWEEN 0 AND 60 FROM metrics",
                now.as_secs_f64()
            );
            assert_eq!(sql(&path, &ago), "1");
        },
    );
}

#[test]
fn ten_threads_give_ten_rows() {
    run_alone("operations::ten_threads_give_ten_rows", &[], || {
        let (_folder, path) = place("threads");
        let telemetry = builder(&path).install().unwrap();
        thread::scope(|scope| {
            for n in 0..10 {
                thread::Builder::new()
                    .name(format!("worker-{n}"))
                    .spawn_scoped(scope, || monitor("work").time(|| ()))
                    .unwrap();
            }
        });
        let report = telemetry.shutdown(DEADLINE);
        let query = "SELECT count(*), count(DISTINCT thread) FROM metrics WHERE operation = 'work'";
        assert_eq!(sql(&path, query), "10|10");
        let history = report.history.unwrap();
        assert_eq!((history.written, history.dropped), (10, 0));
        let session = "SELECT service, ended_at >= started_at FROM session";
        assert_eq!(sql(&path, session), "paint-tool|1");
    });
}

#[test]
fn a_run_that_was_measured_elsewhere_is_a_row_like_any_other() {
    run_alone(
        "operations::a_run_that_was_measured_elsewhere_is_a_row_like_any_other",
        &[],
        || {
            let (_folder, path) = place("recorded");
            let telemetry = builder(&path).install().unwrap();
            let upload = operation("upload");
            upload.record(Duration::from_millis(2_500), true);
            upload.record(Duration::from_millis(40), Outcome::failed("disk_full"));
            flush(&telemetry);
            let rows = sql(
                &path,
                "SELECT duration, error, is_slow FROM metrics WHERE operation = 'upload' \
                 ORDER BY duration DESC",
            );
            assert_eq!(rows, "2500.0|0|1\n40.0|1|0");
            let failed = "SELECT error_type FROM record WHERE outcome = 'error'";
            assert_eq!(sql(&path, failed), "disk_full");
        },
    );
}

#[test]
fn current_operations_are_rows_of_their_own_and_no_runs() {
    run_alone(
        "operations::current_operations_are_rows_of_their_own_and_no_runs",
        &[],
        || {
            let (_folder, path) = place("current");
            let telemetry = builder(&path).install().unwrap();
            set_current_operation("import");
            operation("import").record(Duration::from_millis(5), true);
            set_current_operation("index");
            set_current_operation(None);
            set_current_operation(None);
            // It is still the current one when the app ends.
            set_current_operation("tidy up");
            let report = telemetry.shutdown(DEADLINE).history.unwrap();
            set_current_operation(None);
            assert_eq!((report.written, report.dropped), (4, 0), "{report}");
            let rows = sql(
                &path,
                "SELECT kind, operation, outcome, is_slow, duration >= 0 FROM metrics ORDER BY id",
            );
            assert_eq!(
                rows,
                "operation|import|ok|0|1\n\
                 current_operation|import|ok|0|1\n\
                 current_operation|index|ok|0|1\n\
                 current_operation|tidy up|ok|0|1"
            );
            let reader = HistoryReader::open(&path).unwrap();
            let runs = reader.stats(&Filter::new().kind("operation")).unwrap();
            assert_eq!((runs.len(), runs[0].count), (1, 1));
        },
    );
}

#[test]
fn what_the_queue_has_no_room_for_is_dropped_and_counted() {
    run_alone(
        "operations::what_the_queue_has_no_room_for_is_dropped_and_counted",
        &[],
        || {
            const RECORDS: u64 = 100_000;
            let (_folder, path) = place("overflow");
            let telemetry = Telemetry::builder("paint-tool")
                .environment(|_| None)
                .prometheus_port(0)
                .without_system()
                .install()
                .unwrap();
            let history = History::options(&path)
                .records_per_second(1_000_000)
                .open()
                .unwrap();
            // The writer waits for this, and nothing leaves the queue meanwhile.
            let other = Connection::open(&path).unwrap();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            let flood = operation("flood");
            for _ in 0..RECORDS {
                flood.record(Duration::from_millis(1), true);
            }
            let dropped = history.report().dropped;
            assert!(dropped > 0);
            other.execute_batch("ROLLBACK").unwrap();
            history.flush(DEADLINE).unwrap();
            let text = spanwire_testkit::scrape::scrape_text(telemetry.prometheus_addr().unwrap());
            let report = history.shutdown(DEADLINE);
            assert_eq!(report.written + report.dropped, RECORDS, "{report}");
            let counted = format!(
                "spanwire_history_records_total{{spanwire_outcome=\"dropped\"}} {}",
                report.dropped
            );
            assert!(text.contains(&counted), "{counted}: {text}");
            let sums = number(&path, "SELECT sum(count) FROM rollup");
            assert_eq!(sums, report.written as f64);
        },
    );
}

#[test]
fn runs_of_absurd_length_cost_no_other_run_its_row() {
    run_alone(
        "operations::runs_of_absurd_length_cost_no_other_run_its_row",
        &[],
        || {
            let (_folder, path) = place("absurd");
            let telemetry = builder(&path).install().unwrap();
            // Minus one, in the arithmetic of whoever measured it.
            let absurd = [Duration::MAX, Duration::from_nanos(u64::MAX)];
            for _ in 0..3 {
                for duration in absurd {
                    operation("absurd").record(duration, true);
                }
                operation("work").record(Duration::from_millis(5), true);
                // It writes each time, so that later sums are added to those in the file.
                flush(&telemetry);
            }
            let report = telemetry.shutdown(DEADLINE).history.unwrap();
            assert_eq!((report.written, report.dropped), (9, 0), "{report}");
            let work = "SELECT count(*) FROM metrics WHERE operation = 'work'";
            assert_eq!(number(&path, work), 3.0);
            let sums = "SELECT max(sum) FROM rollup";
            assert_eq!(sql(&path, sums), i64::MAX.to_string());
        },
    );
}

#[test]
fn names_that_are_no_plain_text_come_back_as_they_were() {
    run_alone(
        "operations::names_that_are_no_plain_text_come_back_as_they_were",
        &[],
        || {
            let (_folder, path) = place("names");
            let telemetry = builder(&path).install().unwrap();
            let names = ["a", "a\0b", "a\0c", "it's; DROP TABLE record", "naïve ☕"];
            for name in names {
                operation(name).record(Duration::from_millis(1), true);
            }
            flush(&telemetry);
            let reader = HistoryReader::open(&path).unwrap();
            for name in names {
                let stats = reader.stats(&Filter::new().exact_name(name)).unwrap();
                let found: Vec<_> = stats
                    .iter()
                    .map(|it| (&*it.series.name, it.count))
                    .collect();
                assert_eq!(found, [(name, 1)]);
            }
        },
    );
}

#[test]
fn a_run_slower_than_its_name_usually_is_says_so_and_counts_as_slow() {
    run_alone(
        "operations::a_run_slower_than_its_name_usually_is_says_so_and_counts_as_slow",
        &[],
        || {
            let (_folder, path) = place("usual");
            let telemetry = builder(&path).install().unwrap();
            let (load, index) = (operation("load"), operation("index"));
            // The first has no past to be compared with.
            load.record(Duration::from_millis(600), true);
            for _ in 0..60 {
                load.record(Duration::from_millis(5), true);
                index.record(Duration::from_millis(600), true);
            }
            load.record(Duration::from_millis(600), true);
            load.record(Duration::from_millis(600), Outcome::failed("disk_full"));
            load.record(Duration::from_millis(2_500), true);
            flush(&telemetry);
            let rows = sql(
                &path,
                "SELECT operation, duration, slow_reason, is_slow, error FROM metrics \
                 WHERE is_slow OR error ORDER BY id",
            );
            assert_eq!(
                rows,
                "load|600.0|slower_than_usual|1|0\nload|600.0||0|1\nload|2500.0|threshold|1|0"
            );
            let sums = "SELECT sum(slow), sum(errors), sum(count) FROM rollup";
            assert_eq!(sql(&path, sums), "2|1|124");
        },
    );
}

#[test]
fn a_failed_run_says_its_error_its_fields_and_its_time() {
    run_alone(
        "operations::a_failed_run_says_its_error_its_fields_and_its_time",
        &[],
        || {
            let (_folder, path) = place("failed");
            let telemetry = builder(&path).install().unwrap();
            let failed: Result<(), _> = monitor("save")
                .field("scene", "birds")
                .slow_after(Duration::ZERO)
                .run(|| Err(DiskFull(7)));
            failed.unwrap_err();
            flush(&telemetry);
            let row = sql(
                &path,
                "SELECT outcome, error_type, slow_reason, json_extract(context, '$.scene'), \
                 json_extract(context, '$.\"exception.message\"'), weight FROM metrics",
            );
            assert_eq!(row, "error|DiskFull|threshold|birds|disk 7 is full|1.0");
            let sums = "SELECT count, errors, slow, min = max, sum = min FROM rollup";
            assert_eq!(sql(&path, sums), "1|1|1|1|1");
        },
    );
}

#[test]
fn a_failed_run_keeps_its_stack_trace_where_the_app_asks_for_backtraces() {
    run_alone(
        "operations::a_failed_run_keeps_its_stack_trace_where_the_app_asks_for_backtraces",
        &[("RUST_BACKTRACE", "1")],
        || {
            let (_folder, path) = place("trace");
            let telemetry = builder(&path).install().unwrap();
            let failed: Result<(), _> = monitor("save").run(|| Err(DiskFull(7)));
            failed.unwrap_err();
            flush(&telemetry);
            let trace = "SELECT json_extract(context, '$.\"exception.stacktrace\"') FROM metrics";
            let trace = sql(&path, trace);
            assert!(trace.contains("operations::"), "{trace}");
        },
    );
}

#[test]
fn a_very_frequent_operation_is_sampled_with_weights_and_its_sums_stay_exact() {
    run_alone(
        "operations::a_very_frequent_operation_is_sampled_with_weights_and_its_sums_stay_exact",
        &[],
        || {
            let (_folder, path) = place("sampled");
            let telemetry = builder(&path).install().unwrap();
            let stroke = operation("stroke");
            for n in 0..20_000 {
                stroke.monitor().time(|| ());
                if n % 5_000 == 0 {
                    flush(&telemetry);
                }
            }
            let report = telemetry.shutdown(DEADLINE).history.unwrap();
            assert_eq!((report.written, report.dropped), (20_000, 0));
            assert_eq!(number(&path, "SELECT sum(count) FROM rollup"), 20_000.0);
            let rows = number(&path, "SELECT count(*) FROM record");
            assert!(rows < 5_000.0, "{rows}");
            let weights = number(&path, "SELECT sum(weight) FROM record");
            assert!((15_000.0..25_000.0).contains(&weights), "{weights}");
        },
    );
}

#[test]
fn sums_and_quantiles_of_sampled_records_are_those_of_all_of_them() {
    run_alone(
        "operations::sums_and_quantiles_of_sampled_records_are_those_of_all_of_them",
        &[],
        || {
            let (_folder, path) = place("unbiased");
            let history = History::options(&path)
                .service_version("1.0")
                .open()
                .unwrap();
            let stroke = operation("stroke");
            // The first third is short: of that most is kept, and without weights it would be most.
            for n in 0..30_000 {
                let long = n >= 10_000;
                stroke.record(
                    Duration::from_millis(if long { 500 } else { 1 }),
                    n % 10 > 0,
                );
                if n % 5_000 == 0 {
                    history.flush(DEADLINE).unwrap();
                }
            }
            let report = history.shutdown(DEADLINE);
            assert_eq!((report.written, report.dropped), (30_000, 0), "{report}");
            let rows = number(&path, "SELECT count(*) FROM record");
            assert!(rows < 10_000.0, "{rows}");
            let reader = HistoryReader::open(&path).unwrap();
            let stats = |filter: Filter| reader.stats(&filter).unwrap().remove(0);
            let about = |found: f64, exact: f64| (found / exact - 1.0).abs();

            // The sums of each minute are of all.
            let all = stats(Filter::new());
            assert_eq!((all.count, all.errors), (30_000, 3_000));
            assert!(about(all.average.as_secs_f64(), 1.0 / 3e3 + 1.0 / 3.0) < 1e-6);
            let is_long = |quantile: Duration| about(quantile.as_secs_f64(), 0.5) < 0.01;
            assert!(is_long(all.p50) && is_long(all.p95), "{all:?}");

            // Only the records know the version: their weights stand for the rest.
            let kept = stats(Filter::new().version("1.0"));
            assert!(about(kept.count as f64, 30_000.0) < 0.4, "{kept:?}");
            assert!(about(kept.errors as f64, 3_000.0) < 0.4, "{kept:?}");
            assert!(
                about(kept.average.as_secs_f64(), 1.0 / 3.0) < 0.3,
                "{kept:?}"
            );
            assert!(is_long(kept.p50) && is_long(kept.p95), "{kept:?}");
        },
    );
}

#[test]
fn samples_of_the_system_and_phases_of_the_start_are_kept() {
    run_alone(
        "operations::samples_of_the_system_and_phases_of_the_start_are_kept",
        &[],
        || {
            let (_folder, path) = place("system");
            let telemetry: Telemetry = builder(&path)
                .system_interval(Duration::from_millis(20))
                .install()
                .unwrap();
            reached(Phase::Window);
            let memory = "SELECT count(*) FROM sample JOIN series ON series.id = series_id \
                          WHERE name = 'process.memory.usage' AND value > 1000000";
            let until = std::time::Instant::now() + DEADLINE;
            while sql(&path, memory) == "0" {
                assert!(std::time::Instant::now() < until, "no sample came");
                flush(&telemetry);
            }
            telemetry.shutdown(DEADLINE);
            let start = "SELECT operation, duration > 0, outcome FROM metrics \
                         WHERE kind = 'startup' ORDER BY operation";
            assert_eq!(sql(&path, start), "telemetry|1|ok\nwindow|1|ok");
        },
    );
}

#[test]
fn written_and_dropped_records_are_counted_at_the_endpoint() {
    run_alone(
        "operations::written_and_dropped_records_are_counted_at_the_endpoint",
        &[],
        || {
            let (_folder, path) = place("metric");
            let telemetry = Telemetry::builder("paint-tool")
                .environment(|_| None)
                .prometheus_port(0)
                .without_system()
                .history(&path)
                .install()
                .unwrap();
            monitor("work").time(|| ());
            flush(&telemetry);
            let addr = telemetry.prometheus_addr().unwrap();
            let text = spanwire_testkit::scrape::scrape_text(addr);
            for line in [
                "spanwire_history_records_total{spanwire_outcome=\"written\"} 1",
                "spanwire_history_records_total{spanwire_outcome=\"dropped\"} 0",
            ] {
                assert!(text.contains(line), "{text}");
            }
        },
    );
}
