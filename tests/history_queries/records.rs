//! Records: which, and in what order.

use std::time::Duration;

use spanwire::history::query::{Filter, HistoryReader, Record};

use crate::fixture::{Folder, Row, at, history};

fn names(records: impl IntoIterator<Item = Record>) -> Vec<String> {
    let names = records
        .into_iter()
        .map(|record| format!("{} {}", record.series.name, record.duration.as_millis()));
    names.collect()
}

fn found(reader: &HistoryReader, filter: &Filter) -> Vec<String> {
    names(reader.records(filter).unwrap().map(Result::unwrap))
}

fn some() -> (Folder, HistoryReader) {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let mut newer = Row::ok("load", 4_000, 4);
    newer.version = "2.0";
    drop(history(
        &path,
        &[
            Row::ok("save.all", 3_000, 3).slow(),
            Row::ok("save", 1_000, 1).outcome("error"),
            Row::ok("save", 2_000, 2).slow().outcome("timeout"),
            newer,
        ],
    ));
    let reader = HistoryReader::open(&path).unwrap();
    (folder, reader)
}

#[test]
fn filter_finds_what_it_says_the_oldest_first() {
    let (_folder, reader) = some();
    let all = Filter::new();
    for (filter, expected) in [
        (
            all.clone(),
            &["save 1", "save 2", "save.all 3", "load 4"][..],
        ),
        (all.clone().name("save"), &["save 1", "save 2"]),
        (
            all.clone().name("save*"),
            &["save 1", "save 2", "save.all 3"],
        ),
        (all.clone().exact_name("save*"), &[]),
        (all.clone().kind("call"), &[]),
        (all.clone().kind("operation").limit(1), &["save 1"]),
        (all.clone().slow_only(), &["save 2", "save.all 3"]),
        (all.clone().failed_only(), &["save 1", "save 2"]),
        (all.clone().slow_only().failed_only(), &["save 2"]),
        (all.clone().name("save.*").slow_only(), &["save.all 3"]),
        (all.clone().version("2.0"), &["load 4"]),
        (all.clone().webview("main"), &[]),
        (
            all.clone().since(at(2_000)).until(at(4_000)),
            &["save 2", "save.all 3"],
        ),
        (all.clone().since(at(4_000)).until(at(2_000)), &[]),
    ] {
        assert_eq!(found(&reader, &filter), expected, "{filter:?}");
    }
}

#[test]
fn record_says_all_that_the_file_has() {
    let (_folder, reader) = some();
    let filter = Filter::new().slow_only().failed_only();
    let record = reader.records(&filter).unwrap().next().unwrap().unwrap();
    assert_eq!(
        (&*record.service, record.version.as_deref()),
        ("paint", Some("1.0"))
    );
    assert_eq!(record.started_at, at(2_000));
    assert_eq!(record.outcome, "timeout");
    assert!(record.failed());
    assert_eq!(record.slow.as_deref(), Some("threshold"));
    assert_eq!(record.stages.handler, Some(Duration::from_micros(1_500)));
    assert_eq!(record.stages.transit, None);
    assert_eq!(record.trace_id.as_deref(), Some(&*"ab".repeat(16)));
    assert_eq!(record.weight, 1.0);
}

#[test]
fn slow_are_the_slowest_first() {
    let (_folder, reader) = some();
    let slow = names(reader.slow(&Filter::new()).unwrap());
    assert_eq!(slow, ["save.all 3", "save 2"]);
    let slowest = names(reader.slow(&Filter::new().limit(1)).unwrap());
    assert_eq!(slowest, ["save.all 3"]);
}

#[test]
fn records_of_many_pages_come_once_each_also_when_they_start_at_the_same_time() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let rows: Vec<Row> = (0..2_500).map(|n| Row::ok("save", n / 1_200, n)).collect();
    drop(history(&path, &rows));
    let reader = HistoryReader::open(&path).unwrap();
    for filter in [
        Filter::new(),
        Filter::new().name("save"),
        Filter::new().version("1.0"),
    ] {
        let records = reader.records(&filter).unwrap().map(Result::unwrap);
        let durations: Vec<u128> = records.map(|record| record.duration.as_millis()).collect();
        assert!(durations.iter().copied().eq(0..2_500));
    }
    let limited = reader.records(&Filter::new().limit(1_001)).unwrap();
    assert_eq!(limited.count(), 1_001);
}

#[test]
fn app_that_writes_meanwhile_neither_waits_nor_disturbs() {
    let folder = Folder::new();
    let path = folder.file("h.db");
    let rows: Vec<Row> = (0..1_500).map(|n| Row::ok("save", n, n)).collect();
    let mut app = history(&path, &rows);
    let reader = HistoryReader::open(&path).unwrap();
    let mut records = reader.records(&Filter::new()).unwrap();
    let mut seen: Vec<_> = records.by_ref().take(500).map(Result::unwrap).collect();
    let open = app.transaction().unwrap();
    open.execute(
        "INSERT INTO series (kind, name) VALUES ('operation', 'new')",
        [],
    )
    .unwrap();
    open.execute(
        "INSERT INTO record (session_id, series_id, started_at, duration, outcome) \
         SELECT 1, max(series.id), 9000000000000000000, 1, 'ok' FROM series",
        [],
    )
    .unwrap();
    // The app holds the write lock, and then has written.
    assert_eq!(reader.stats(&Filter::new()).unwrap()[0].count, 1_500);
    open.commit().unwrap();
    seen.extend(records.map(Result::unwrap));
    assert_eq!(seen.len(), 1_500);
    assert_eq!(reader.records(&Filter::new()).unwrap().count(), 1_501);
}
