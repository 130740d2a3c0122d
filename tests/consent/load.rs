//! A pause while several threads record.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spanwire::telemetry::{MetricsExporter, Pending, Sampler};
use spanwire_testkit::receiver::{Answer, Receiver};
use spanwire_testkit::spooling_process::wall_clock;

use crate::app::{App, SECOND, builder, get};

/// What one thread has begun and ended: a span, a log record and a count each time.
#[derive(Default)]
struct Work {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// Ends the threads, also when an assertion fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Of all threads.
fn sum(work: &[Work], of: fn(&Work) -> &AtomicU64) -> u64 {
    work.iter()
        .map(|work| of(work).load(Ordering::SeqCst))
        .sum()
}

fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

#[test]
fn a_pause_under_load_stops_all_of_it_within_100_ms_and_every_item_is_counted() {
    for pending in [Pending::Discard, Pending::Keep] {
        pause_under_load(pending);
    }
}

fn pause_under_load(pending: Pending) {
    let receiver = Receiver::start();
    // Full batches leave at once, and a queue that never fills drops nothing.
    let app = App::start(builder(&receiver.url()).environment(|name| {
        (name == "OTEL_BSP_MAX_QUEUE_SIZE" || name == "OTEL_BLRP_MAX_QUEUE_SIZE")
            .then(|| "1000000".to_owned())
    }));
    let (work, is_over) = (<[Work; 4]>::default(), AtomicBool::new(false));
    let (mut before, mut after, mut asked, mut report) = (0, 0, UNIX_EPOCH, None);
    std::thread::scope(|scope| {
        let over = Over(&is_over);
        for work in &work {
            let (app, is_over) = (&app, &is_over);
            scope.spawn(move || {
                app.within(|| {
                    let count = metrics::counter!("app.work");
                    while !is_over.load(Ordering::SeqCst) {
                        work.begun.fetch_add(1, Ordering::SeqCst);
                        tracing::info_span!("work").in_scope(|| tracing::info!("working"));
                        count.increment(1);
                        work.ended.fetch_add(1, Ordering::SeqCst);
                        std::thread::yield_now();
                    }
                });
            });
        }
        receiver.wait_for(|received| {
            let traces = received.iter().filter(|one| one.path == "/v1/traces");
            traces.count() >= 3
        });
        before = sum(&work, |work| &work.ended);
        asked = wall_clock();
        report = Some(app.telemetry.pause(pending));
        after = sum(&work, |work| &work.begun);
        // The endpoint is silent at once, and all threads go on for a while.
        let (status, text) = get(app.addr(), "/metrics");
        assert_eq!((status, text.contains("app_work")), (503, false), "{text}");
        assert!(text.starts_with("telemetry is paused"), "{text}");
        while sum(&work, |work| &work.ended) < after + 2_000 {
            std::thread::yield_now();
        }
        drop(over);
    });
    let report = report.unwrap();

    // Counters: what was counted before the pause, and nothing of what came after it.
    app.telemetry.resume().unwrap();
    let counted = app.value("app_work_total").unwrap();
    assert!(
        (before as f64..=after as f64).contains(&counted),
        "{before} {counted} {after}"
    );
    app.within(|| metrics::counter!("app.work").increment(5));
    assert_eq!(app.value("app_work_total"), Some(counted + 5.0));

    let end = app.telemetry.shutdown(20 * SECOND);
    for (signal, pending_items, arrived) in [
        (&end.spans, report.spans, receiver.spans().len()),
        (&end.logs, report.logs, receiver.logs().len()),
    ] {
        let text = signal.to_string();
        assert_eq!(signal.exported, arrived as u64, "{text}");
        assert_eq!((signal.dropped, signal.lost), (0, 0), "{text}");
        let accepted = signal.exported + signal.discarded;
        assert!(
            (before..=after).contains(&accepted),
            "{before} {text} {after}"
        );
        match pending {
            // A thread that was late by a moment had at most one.
            Pending::Discard => {
                let late = signal.discarded - pending_items.discarded;
                assert!(late <= 512 + 4, "{text} {report:?}");
                assert_eq!(pending_items.kept, 0);
            }
            Pending::Keep => {
                assert_eq!(
                    (signal.discarded, pending_items.discarded),
                    (0, 0),
                    "{text}"
                );
            }
        }
    }
    // Of all that ever arrived nothing ended later than 100 ms after the pause was asked for.
    let last = receiver
        .spans()
        .iter()
        .map(|span| span.end_time_unix_nano)
        .max();
    let logs = receiver.logs();
    let last_log = logs.iter().map(|log| log.observed_time_unix_nano).max();
    let limit = nanos(asked + Duration::from_millis(100));
    assert!(last.max(last_log).unwrap() <= limit);
}

#[test]
fn what_is_queued_is_counted_exactly_by_the_pause_and_by_the_end() {
    for pending in [Pending::Discard, Pending::Keep] {
        let receiver = Receiver::start();
        let app = App::start(builder(&receiver.url()));
        for n in 0..100 {
            app.span(&format!("span {n}"));
        }
        let report = app.telemetry.pause(pending);
        app.span("paused");
        assert_eq!(receiver.spans().len(), 0);
        let text = report.to_string();
        let end = match pending {
            Pending::Discard => {
                assert!(text.starts_with("spans: 100 discarded, 0 kept"), "{text}");
                "0 exported, 100 discarded, 0 dropped, 0 lost"
            }
            Pending::Keep => {
                assert!(text.starts_with("spans: 0 discarded, 100 kept"), "{text}");
                "101 exported, 0 dropped, 0 lost"
            }
        };
        if pending == Pending::Keep {
            app.telemetry.resume().unwrap();
            app.span("resumed");
        }
        assert_eq!(app.telemetry.shutdown(20 * SECOND).spans.to_string(), end);
        let names = receiver.spans();
        assert!(names.iter().all(|span| span.name != "paused"));
    }
}

#[test]
fn traces_that_are_not_decided_yet_are_deleted_or_decided_by_the_pause() {
    for pending in [Pending::Discard, Pending::Keep] {
        let receiver = Receiver::start();
        let app = App::start(builder(&receiver.url()).sampler(Sampler::Tail));
        let report = app.within(|| {
            for n in 0..5 {
                tracing::info_span!("work", n).in_scope(|| ());
            }
            // Its end comes too late, and its trace is gone by then.
            let open = tracing::info_span!("open");
            open.in_scope(|| tracing::info_span!("within").in_scope(|| ()));
            app.telemetry.pause(pending)
        });
        app.telemetry.resume().unwrap();
        app.span("resumed");
        let report = (report.spans.discarded, report.spans.kept);
        let end = app.telemetry.shutdown(20 * SECOND).spans.to_string();
        match pending {
            Pending::Discard => {
                assert_eq!(report, (6, 0));
                assert_eq!(end, "1 exported, 6 discarded, 0 dropped, 0 lost");
            }
            Pending::Keep => {
                assert_eq!(report, (0, 6));
                assert_eq!(end, "7 exported, 0 dropped, 0 lost");
            }
        }
    }
}

#[test]
fn what_is_kept_is_deleted_by_a_second_pause_and_by_the_end_of_the_process() {
    let receiver = Receiver::start();
    let app = App::start(builder(&receiver.url()));
    app.span("first");
    assert_eq!(app.telemetry.pause(Pending::Keep).spans.kept, 1);
    assert_eq!(app.telemetry.pause(Pending::Discard).spans.discarded, 1);
    app.telemetry.resume().unwrap();
    app.span("second");
    assert_eq!(app.telemetry.pause(Pending::Keep).spans.kept, 1);
    let report = app.telemetry.shutdown(20 * SECOND);
    assert_eq!(
        report.spans.to_string(),
        "0 exported, 2 discarded, 0 dropped, 0 lost"
    );
    assert_eq!(receiver.received().len(), 0);
}

#[test]
fn a_request_on_its_way_that_fails_is_not_repeated_in_the_pause() {
    for pending in [Pending::Discard, Pending::Keep] {
        let receiver = Receiver::start();
        receiver.answer(Answer::Hang);
        let app = App::start(builder(&receiver.url()).otlp_timeout(SECOND));
        app.span("tried");
        // The request is on its way by then, or is kept back.
        assert!(app.telemetry.flush(SECOND / 5).is_err());
        app.telemetry.pause(pending);
        receiver.answer(Answer::Ok);
        if pending == Pending::Keep {
            app.telemetry.resume().unwrap();
            receiver.wait_for(|received| received.iter().any(|one| !one.spans().is_empty()));
        }
        let report = app.telemetry.shutdown(20 * SECOND).spans;
        let (expected, arrived) = match pending {
            Pending::Discard => ("0 exported, 1 discarded, 0 dropped, 0 lost", 0),
            Pending::Keep => ("1 exported, 0 dropped, 0 lost", 1),
        };
        assert_eq!(report.to_string(), expected);
        assert_eq!(receiver.spans().len(), arrived);
    }
}

#[test]
fn a_request_that_a_collector_refused_for_now_is_not_repeated_in_the_pause() {
    let receiver = Receiver::start();
    // It would be repeated after 0.1, 0.3 and 0.7 s.
    receiver.answer(Answer::Status(503));
    let app = App::start(builder(&receiver.url()).metrics(MetricsExporter::Prometheus));
    app.span("tried");
    assert!(app.telemetry.flush(SECOND / 20).is_err());
    app.telemetry.pause(Pending::Discard);
    receiver.answer(Answer::Ok);
    let report = app.telemetry.shutdown(20 * SECOND).spans;
    assert_eq!((report.exported, receiver.received().len()), (0, 0));
}

#[test]
fn a_request_that_failed_on_its_way_waits_for_the_end_of_a_pause_that_keeps_it() {
    let receiver = Receiver::start();
    receiver.answer(Answer::Hang);
    let app = App::start(builder(&receiver.url()).otlp_timeout(SECOND / 5));
    app.span("tried");
    assert!(app.telemetry.flush(SECOND / 20).is_err());
    app.telemetry.pause(Pending::Keep);
    receiver.answer(Answer::Ok);
    // As long as that takes another app, the first one had its time-out.
    let hanging = Receiver::start();
    hanging.answer(Answer::Hang);
    let other = App::start(builder(&hanging.url()).otlp_timeout(SECOND));
    other.span("other");
    assert!(other.telemetry.flush(20 * SECOND).is_err());
    assert_eq!(receiver.received().len(), 0);
    app.telemetry.resume().unwrap();
    receiver.wait_for(|received| received.iter().any(|one| !one.spans().is_empty()));
    let report = app.telemetry.shutdown(20 * SECOND).spans;
    assert_eq!(report.to_string(), "1 exported, 0 dropped, 0 lost");
}
