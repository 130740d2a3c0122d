//! Comparisons: what changed is found, and what did not is not.

use spanwire::history::query::{Certainty, Comparison, Filter, HistoryReader, compare};

use crate::fixture::{Folder, Row, at, history};

/// Two hours with a record a second each: the second has `after`.
fn compared(before: impl Fn(i64) -> Row, after: impl Fn(i64) -> Row) -> Comparison {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let mut rows: Vec<Row> = (0..3_600).map(before).collect();
    rows.extend((3_600..7_200).map(after));
    rows.extend((0..7_200).map(|n| Row::ok("steady", n * 1_000 + 1, scattered(n))));
    drop(history(&path, &rows));
    let reader = HistoryReader::open(&path).unwrap();
    let half = at(3_600_000);
    let (first, second) = (Filter::new().until(half), Filter::new().since(half));
    compare((&reader, &first), (&reader, &second)).unwrap()
}

/// From 10 to 109 ms, and the same over any long time.
fn scattered(n: i64) -> i64 {
    10 + n * 37 % 100
}

fn save(n: i64) -> Row {
    Row::ok("save", n * 1_000, scattered(n))
}

#[test]
fn slower_series_is_certain_and_comes_first() {
    let comparison = compared(save, |n| Row::ok("save", n * 1_000, scattered(n) * 2));
    let change = &comparison.series[0];
    assert_eq!(change.series.name, "save");
    for figure in [change.p50, change.p95] {
        assert_eq!(figure.certainty, Certainty::Certain, "{figure:?}");
        let ratio = figure.ratio().unwrap();
        assert!((ratio - 2.0).abs() < 0.05, "{ratio}");
    }
    assert_eq!(change.error_rate.certainty, Certainty::Unclear);
    assert_eq!(change.per_second.certainty, Certainty::Unclear);
    let steady = &comparison.series[1];
    assert_eq!(steady.importance, 0.0);
    for figure in [steady.p50, steady.p95, steady.per_second] {
        assert_eq!(figure.certainty, Certainty::Unclear, "{figure:?}");
    }
    assert!((comparison.seconds_before - 3_600.0).abs() < 1.0);
}

#[test]
fn two_files_are_compared_by_names_whatever_their_numbers_and_times() {
    let folder = Folder::new();
    let (before, after) = (folder.file("before.db"), folder.file("after.db"));
    let steady = |n: i64| Row::ok("steady", n * 1_000 + 1, scattered(n));
    // The second file is of a day later, and met the names in another order.
    let day = 86_400_000;
    let rows = (0..600).flat_map(|n| [save(n), steady(n)]);
    drop(history(&before, &rows.collect::<Vec<_>>()));
    let slower = |n: i64| Row::ok("save", day + n * 1_000, scattered(n) * 2);
    let rows = (0..600).flat_map(|n| {
        let mut steady = steady(n);
        steady.at += day * crate::fixture::MS;
        [steady, slower(n)]
    });
    drop(history(&after, &rows.collect::<Vec<_>>()));
    let (before, after) = (
        HistoryReader::open(&before).unwrap(),
        HistoryReader::open(&after).unwrap(),
    );
    let all = Filter::new();
    let comparison = compare((&before, &all), (&after, &all)).unwrap();
    let names: Vec<_> = comparison
        .series
        .iter()
        .map(|it| (&*it.series.name, it.p50.certainty, it.importance > 0.0))
        .collect();
    assert_eq!(
        names,
        [
            ("save", Certainty::Certain, true),
            ("steady", Certainty::Unclear, false)
        ]
    );
    let ratio = comparison.series[0].p50.ratio().unwrap();
    assert!((ratio - 2.0).abs() < 0.05, "{ratio}");
    let seconds = (comparison.seconds_before, comparison.seconds_after);
    assert!((seconds.0 - seconds.1).abs() < 1.0, "{seconds:?}");
}

#[test]
fn longer_tail_is_found_where_the_median_stays() {
    let comparison = compared(save, |n| {
        let tail = if n % 10 == 0 { 500 } else { scattered(n) };
        Row::ok("save", n * 1_000, tail)
    });
    let change = &comparison.series[0];
    assert_eq!(change.series.name, "save");
    assert_eq!(change.p95.certainty, Certainty::Certain);
    assert!(change.p95.ratio().unwrap() > 4.0);
    assert!(change.p50.ratio().unwrap() < 1.2);
}

#[test]
fn more_errors_and_fewer_calls_are_found() {
    let comparison = compared(
        |n| {
            if n % 100 == 0 {
                save(n).outcome("error")
            } else {
                save(n)
            }
        },
        |n| {
            if n % 20 == 0 {
                save(n).outcome("error")
            } else {
                save(n)
            }
        },
    );
    let change = &comparison.series[0];
    assert_eq!(change.error_rate.certainty, Certainty::Certain);
    assert!((change.error_rate.after - 0.05).abs() < 1e-9);
    let rarer = compared(save, |n| {
        Row::ok("save", 3_600_000 + (n - 3_600) * 100, scattered(n))
    });
    // All of the second hour's come in its first six minutes: as many in the same time.
    assert_eq!(rarer.series[1].per_second.certainty, Certainty::Unclear);
    let moved = compared(save, |n| Row {
        name: "save2",
        ..save(n)
    });
    let names: Vec<_> = moved
        .series
        .iter()
        .map(|it| (&*it.series.name, it.before.is_some(), it.after.is_some()))
        .collect();
    assert_eq!(
        names,
        [
            ("save", true, false),
            ("save2", false, true),
            ("steady", true, true)
        ]
    );
    assert_eq!(moved.series[0].per_second.certainty, Certainty::Certain);
    assert_eq!(moved.series[0].p50.certainty, Certainty::TooFew);
}

#[test]
fn few_records_are_not_judged() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    drop(history(
        &path,
        &[Row::ok("save", 0, 1), Row::ok("save", 2_000, 900)],
    ));
    let reader = HistoryReader::open(&path).unwrap();
    let (first, second) = (
        Filter::new().until(at(1_000)),
        Filter::new().since(at(1_000)),
    );
    let comparison = compare((&reader, &first), (&reader, &second)).unwrap();
    let change = &comparison.series[0];
    for figure in [change.p50, change.p95, change.error_rate, change.per_second] {
        assert_eq!(figure.certainty, Certainty::TooFew, "{figure:?}");
    }
    assert_eq!(change.importance, 0.0);
}

#[test]
fn chance_alone_is_seldom_called_a_change() {
    // 40 series whose durations are of the same distribution in both hours.
    let names: Vec<&'static str> = (0..40)
        .map(|n| &*Box::leak(format!("op{n}").into_boxed_str()))
        .collect();
    let mut state = 7_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 54).unwrap()
    };
    let mut rows = Vec::new();
    for (n, name) in names.iter().enumerate() {
        for second in 0..100_i64 {
            let at_ms = second * 60_000 + i64::try_from(n).unwrap();
            rows.push(Row::ok(name, at_ms, 1 + random()));
        }
    }
    let folder = Folder::new();
    let path = folder.file("h.db");
    drop(history(&path, &rows));
    let reader = HistoryReader::open(&path).unwrap();
    let (first, second) = (
        Filter::new().until(at(3_000_000)),
        Filter::new().since(at(3_000_000)),
    );
    let comparison = compare((&reader, &first), (&reader, &second)).unwrap();
    let judged = comparison.series.iter().flat_map(|it| [it.p50, it.p95]);
    let changed = judged
        .filter(|it| it.certainty >= Certainty::Likely)
        .count();
    assert_eq!(changed, 0);
}
