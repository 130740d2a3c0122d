//! Statistics: the same from roll-ups and from records.

use std::time::Duration;

use proptest::prelude::*;
use spanwire::history::query::{Filter, HistoryReader, SeriesStats};

use crate::fixture::{Folder, Row, at, history, rollups, without_rollups};

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::sample::select(vec!["save", "load"]),
        0..600_000_i64,
        prop_oneof![0..2_000_i64, 0..40_000_000_i64, 0..10_000_000_000_i64],
        prop::sample::select(vec!["ok", "ok", "error", "cancelled", "timeout"]),
        any::<bool>(),
    );
    let row = row.prop_map(|(name, at_ms, duration, outcome, is_slow)| Row {
        duration,
        outcome,
        is_slow,
        ..Row::ok(name, at_ms, 0)
    });
    prop::collection::vec(row, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn stats_over_rollups_equal_stats_over_records(
        rows in rows(),
        since in prop::option::of(0..600_000_i64),
        length in prop::option::of(1..300_000_i64),
    ) {
        let folder = Folder::new();
        let path = folder.file("h.db");
        drop(history(&path, &rows));
        let reader = HistoryReader::open(&path).unwrap();
        let mut filter = Filter::new();
        if let Some(since) = since {
            filter = filter.since(at(since));
        }
        if let Some(length) = length {
            filter = filter.until(at(since.unwrap_or(0) + length));
        }
        let by_rollups = reader.stats(&filter).unwrap();
        // Roll-ups do not know versions.
        let by_records = reader.stats(&filter.clone().version("1.0")).unwrap();
        prop_assert_eq!(same_to_rounding(&by_rollups), same_to_rounding(&by_records));
        let counted: u64 = by_rollups.iter().map(|stats| stats.count).sum();
        let from = since.unwrap_or(0);
        let within = |row: &&Row| {
            let after = row.at / 1_000_000 - from;
            after >= 0 && length.is_none_or(|length| after < length)
        };
        prop_assert_eq!(counted, rows.iter().filter(within).count() as u64);
        // So do the buckets of a trend.
        let minutes = reader.trend(&filter, Duration::from_secs(120)).unwrap();
        let by_records = filter.version("1.0");
        let same = reader.trend(&by_records, Duration::from_secs(120)).unwrap();
        let in_order = |points: &[spanwire::history::query::TrendPoint]| -> Vec<_> {
            let stats: Vec<SeriesStats> = points.iter().map(|point| point.stats.clone()).collect();
            same_to_rounding(&stats)
        };
        prop_assert_eq!(in_order(&minutes), in_order(&same));
        prop_assert_eq!(minutes.iter().map(|it| it.stats.count).sum::<u64>(), counted);
    }
}

/// Sums of floating point numbers depend on their order.
fn same_to_rounding(stats: &[SeriesStats]) -> Vec<SeriesStats> {
    let mut stats = stats.to_vec();
    for one in &mut stats {
        one.average = Duration::from_micros(one.average.as_nanos().div_ceil(10_000) as u64 * 10);
        one.average = Duration::from_micros(one.average.as_micros() as u64 / 100);
    }
    stats.sort_by(|a, b| (&a.series, a.count).cmp(&(&b.series, b.count)));
    stats
}

#[test]
fn figures_are_those_of_the_records() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let mut rows: Vec<Row> = (1..=100).map(|ms| Row::ok("save", ms * 100, ms)).collect();
    rows[99] = rows[99].clone().outcome("error").slow();
    rows[98] = rows[98].clone().outcome("cancelled");
    rows.push(Row::ok("load", 10_100, 1));
    drop(history(&path, &rows));
    let stats = HistoryReader::open(&path)
        .unwrap()
        .stats(&Filter::new())
        .unwrap();
    // What took the most time in all comes first.
    let names: Vec<&str> = stats.iter().map(|stats| &*stats.series.name).collect();
    assert_eq!(names, ["save", "load"]);
    let save = &stats[0];
    assert_eq!((save.count, save.errors, save.slow), (100, 1, 1));
    assert_eq!(save.error_rate, 0.01);
    let (least, most) = save.error_rate_interval;
    assert!(least < 0.01 && 0.01 < most && most < 0.06, "{least} {most}");
    assert_eq!(save.average, Duration::from_micros(50_500));
    assert_eq!(save.min, Duration::from_millis(1));
    assert_eq!(save.max, Duration::from_millis(100));
    for (found, exact) in [(save.p50, 50.0), (save.p95, 95.0), (save.p99, 99.0)] {
        let found = found.as_secs_f64() * 1e3;
        assert!((found / exact - 1.0).abs() < 0.01, "{found} {exact}");
    }
    // From the first record to the last.
    assert!((save.per_second - 10.0).abs() < 0.01, "{}", save.per_second);
}

#[test]
fn record_that_stands_for_several_counts_as_so_many() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let mut rows = vec![Row::ok("save", 0, 10), Row::ok("save", 1_000, 100)];
    rows[0].weight = 19.0;
    rows[0].outcome = "error";
    drop(without_rollups(&path, &rows));
    let stats = HistoryReader::open(&path)
        .unwrap()
        .stats(&Filter::new())
        .unwrap();
    assert_eq!((stats[0].count, stats[0].errors), (20, 19));
    assert_eq!(stats[0].average, Duration::from_micros(14_500));
    assert!(stats[0].p50 < Duration::from_millis(11));
    assert!(stats[0].p99 > Duration::from_millis(99));
}

#[test]
fn all_failed_and_sampled_is_an_error_rate_of_1() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    // Weights as sampling gives them: a hundredth of so many that came.
    let names: Vec<&'static str> = (0..50)
        .map(|n| &*Box::leak(format!("op{n}").into_boxed_str()))
        .collect();
    let row = |n: usize| Row {
        weight: (101 + n * n * 7 % 1_013) as f64 / 100.0,
        ..Row::ok(names[n % 50], n as i64, 5).outcome("error")
    };
    let rows: Vec<Row> = (0..500).map(row).collect();
    drop(without_rollups(&path, &rows));
    let reader = HistoryReader::open(&path).unwrap();
    let stats = reader.stats(&Filter::new().failed_only()).unwrap();
    assert_eq!(stats.len(), 50);
    for stats in stats {
        assert_eq!(stats.error_rate, 1.0);
        let (least, most) = stats.error_rate_interval;
        assert!(least > 0.3 && most > 0.999, "{least} {most}");
    }
}

#[test]
fn rollups_answer_where_records_were_sampled_or_have_expired() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let rows: Vec<Row> = (0..600).map(|n| Row::ok("save", n * 1_000, 5)).collect();
    let file = history(&path, &rows);
    file.execute(
        "DELETE FROM record WHERE started_at < (SELECT max(started_at) FROM record)",
        [],
    )
    .unwrap();
    drop(file);
    let reader = HistoryReader::open(&path).unwrap();
    assert_eq!(reader.stats(&Filter::new()).unwrap()[0].count, 600);
    // The window cuts the minutes 1 and 3, whose records are gone: they count whole.
    let cut = Filter::new().since(at(90_000)).until(at(200_000));
    assert_eq!(reader.stats(&cut).unwrap()[0].count, 180);
    // The rate is that of the time that the file covers.
    let early = Filter::new().since(at(-3_600_000));
    let per_second = reader.stats(&early).unwrap()[0].per_second;
    assert!((per_second - 1.0).abs() < 0.01, "{per_second}");
}

#[test]
fn records_that_are_not_rolled_up_yet_count() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let rows: Vec<Row> = (0..180).map(|n| Row::ok("save", n * 1_000, 5)).collect();
    let file = without_rollups(&path, &rows);
    rollups(&file, &rows[..120]);
    drop(file);
    let reader = HistoryReader::open(&path).unwrap();
    assert_eq!(reader.stats(&Filter::new()).unwrap()[0].count, 180);
}

#[test]
fn trend_has_a_point_for_each_bucket_with_records() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let mut rows: Vec<Row> = (0..60).map(|n| Row::ok("save", n * 1_000, 5)).collect();
    rows.extend((0..30).map(|n| Row::ok("save", 180_000 + n * 1_000, 50)));
    drop(history(&path, &rows));
    let reader = HistoryReader::open(&path).unwrap();
    let minutes = reader
        .trend(&Filter::new(), Duration::from_secs(60))
        .unwrap();
    let seen: Vec<_> = minutes
        .iter()
        .map(|it| (it.start, it.stats.count))
        .collect();
    assert_eq!(seen, [(at(0), 60), (at(180_000), 30)]);
    assert!((minutes[0].stats.per_second - 1.0).abs() < 0.01);
    assert!((minutes[1].stats.per_second - 1.0).abs() < 0.05);
    // Shorter than a roll-up: from the records.
    let seconds = reader
        .trend(&Filter::new(), Duration::from_secs(20))
        .unwrap();
    let counts: Vec<u64> = seconds.iter().map(|it| it.stats.count).collect();
    assert_eq!(counts, [20, 20, 20, 20, 10]);
}

#[test]
fn trend_of_very_many_buckets_takes_little_memory() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let mut rows: Vec<Row> = (0..2_000)
        .map(|n| Row::ok("save", n * 1_000, 20_000))
        .collect();
    // Long after the others.
    rows.push(Row::ok("save", 90_000_000_000, 5));
    drop(history(&path, &rows));
    let reader = HistoryReader::open(&path).unwrap();
    let mut points = Vec::new();
    let used = allocation_counter::measure(|| {
        points = reader
            .trend(&Filter::new(), Duration::from_secs(1))
            .unwrap();
    });
    assert_eq!(points.len(), 2_001);
    assert!(points.iter().all(|point| point.stats.count == 1));
    assert_eq!(points[2_000].start, at(90_000_000_000));
    assert!(used.bytes_max < 16 << 20, "{}", used.bytes_max);
}

#[test]
fn each_bucket_of_a_trend_has_its_own_quantiles() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    // Two minutes of 1 to 100 ms each; in the second everything takes ten times as long.
    let row = |n: i64| {
        Row::ok(
            "save",
            n * 600,
            (1 + n % 100) * if n < 100 { 1 } else { 10 },
        )
    };
    let rows: Vec<Row> = (0..200).map(row).collect();
    drop(history(&path, &rows));
    let reader = HistoryReader::open(&path).unwrap();
    let minute = Duration::from_secs(60);
    // From the roll-ups, and from the records, which know versions.
    for filter in [Filter::new(), Filter::new().version("1.0")] {
        let points = reader.trend(&filter, minute).unwrap();
        assert_eq!(points.len(), 2);
        for (point, factor) in points.iter().zip([1.0, 10.0]) {
            let stats = &point.stats;
            for (found, exact) in [(stats.p50, 50.0), (stats.p95, 95.0), (stats.p99, 99.0)] {
                let (found, exact) = (found.as_secs_f64() * 1e3, exact * factor);
                assert!((found / exact - 1.0).abs() < 0.01, "{found} {exact}");
            }
        }
    }
}

#[test]
fn damaged_rollup_is_said_and_not_left_out() {
    let damages = [
        "sketch = x'00'",
        "min = max + 1",
        "min = -1",
        "errors = count + 1",
        "errors = -1",
        "slow = count + 1",
        "count = -1",
        "sum = -1",
    ];
    for damage in damages {
        let folder = Folder::new();
        let path = folder.file("h.db");
        let file = history(&path, &[Row::ok("save", 0, 5)]);
        file.execute(&format!("UPDATE rollup SET {damage}"), [])
            .unwrap();
        drop(file);
        let reader = HistoryReader::open(&path).unwrap();
        let error = reader.stats(&Filter::new()).unwrap_err().to_string();
        assert!(
            error.contains("the file is damaged (the roll-up of minute"),
            "{damage}: {error}"
        );
        // The records have the answer.
        let by_records = reader.stats(&Filter::new().version("1.0")).unwrap();
        assert_eq!(by_records[0].count, 1);
    }
}

#[test]
fn record_that_stands_for_no_number_is_said_and_not_left_out() {
    for weight in ["9e999", "-1"] {
        let folder = Folder::new();
        let path = folder.file("h.db");
        let file = without_rollups(&path, &[Row::ok("save", 0, 5), Row::ok("save", 1, 5)]);
        let sql = format!("UPDATE record SET weight = {weight} WHERE id = 1");
        file.execute(&sql, []).unwrap();
        drop(file);
        let reader = HistoryReader::open(&path).unwrap();
        let error = reader.stats(&Filter::new()).unwrap_err().to_string();
        assert!(error.contains("the file is damaged (the weight"), "{error}");
    }
}

#[test]
fn rate_of_a_version_is_that_of_the_time_in_which_it_ran() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let mut rows: Vec<Row> = (0..600).map(|n| Row::ok("save", n * 1_000, 5)).collect();
    for row in &mut rows[480..] {
        row.version = "2.0";
    }
    let file = history(&path, &rows);
    for (version, begin, end) in [("1.0", 0, 480_i64), ("2.0", 480, 600)] {
        file.execute(
            "UPDATE session SET started_at = ?1 + ?2 * 1000000000, \
             seen_at = ?1 + ?3 * 1000000000 WHERE version = ?4",
            (crate::fixture::BEGIN, begin, end, version),
        )
        .unwrap();
    }
    drop(file);
    let reader = HistoryReader::open(&path).unwrap();
    for (version, count) in [("1.0", 480), ("2.0", 120)] {
        let stats = reader.stats(&Filter::new().version(version)).unwrap();
        assert_eq!(stats[0].count, count);
        let per_second = stats[0].per_second;
        assert!((per_second - 1.0).abs() < 0.02, "{version}: {per_second}");
    }
}

#[test]
fn series_without_rollups_counts_beside_those_that_have_them() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let rows: Vec<Row> = (0..300)
        .map(|n| Row::ok(["save", "load", "python"][n as usize % 3], n * 1_000, 5))
        .collect();
    let file = without_rollups(&path, &rows);
    let of_app: Vec<Row> = rows
        .iter()
        .filter(|row| row.name != "python")
        .cloned()
        .collect();
    rollups(&file, &of_app);
    drop(file);
    let reader = HistoryReader::open(&path).unwrap();
    let counts = |filter: &Filter| -> Vec<(String, u64)> {
        let stats = reader.stats(filter).unwrap();
        stats
            .iter()
            .map(|it| (it.series.name.clone(), it.count))
            .collect()
    };
    let all = |n| {
        ["load", "python", "save"]
            .map(|name| (name.to_owned(), n))
            .to_vec()
    };
    assert_eq!(counts(&Filter::new()), all(100));
    assert_eq!(
        counts(&Filter::new().since(at(90_000)).until(at(210_000))),
        all(40)
    );
    assert_eq!(
        counts(&Filter::new().name("p*")),
        [("python".to_owned(), 100)]
    );
}
