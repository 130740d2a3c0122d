//! Each rule finds its trouble, with the right numbers, and none finds any in a healthy history.

use spanwire::history::report::{Advice, Report, ReportOptions};

use crate::synthetic::{Row, Synthetic};

fn report(history: &Synthetic) -> Report {
    let out = history.file("report.zip");
    let _ = std::fs::remove_file(&out);
    let report = ReportOptions::new().write(history.history(), out).unwrap();
    assert!(report.missing.is_empty(), "{:?}", report.missing);
    report
}

/// The one finding that there is.
fn only(history: &Synthetic, id: &str) -> Advice {
    let advice = report(history).advice;
    let ids: Vec<&str> = advice.iter().map(|advice| advice.id.as_str()).collect();
    assert_eq!(ids, [id], "{advice:#?}");
    assert!(!advice[0].remedy.is_empty());
    advice[0].clone()
}

fn every(ms: i64, count: i64, row: impl Fn(i64) -> Row) -> Vec<Row> {
    (0..count).map(|n| row(n * ms)).collect()
}

#[test]
fn healthy_history_has_no_finding() {
    let history = Synthetic::new("healthy");
    history.healthy();
    let report = report(&history);
    assert!(report.advice.is_empty(), "{:#?}", report.advice);
    assert_eq!(report.verdict, "Nothing is wrong in this period.");
}

#[test]
fn slow_handler_is_named_with_its_time_and_a_trace() {
    let history = Synthetic::new("handler");
    history.write(&every(1_000, 30, |at| Row::call("render", at, 404)));
    let advice = only(&history, "handler-slow");
    assert_eq!(advice.subject, "call render (webview main)");
    assert!(
        advice.evidence.contains("30 messages"),
        "{}",
        advice.evidence
    );
    assert!(
        advice.evidence.contains("400 ms or longer"),
        "{}",
        advice.evidence
    );
    assert_eq!(
        advice.runbook.as_deref(),
        Some("runbooks/SpanwireHandlerSlow.md")
    );
    assert_eq!(advice.trace_id.map(|id| id.len()), Some(32));
}

#[test]
fn handler_that_keeps_messages_waiting_blocks_the_ui_thread() {
    let history = Synthetic::new("blocked");
    let mut rows = every(1_000, 30, |at| Row::call("render", at, 404));
    rows.extend(every(1_000, 30, |at| {
        Row::event_out("tick", at + 100, 250, 1)
    }));
    history.write(&rows);
    let advice = only(&history, "ui-thread-blocked");
    assert_eq!(advice.subject, "call render (webview main)");
    assert!(
        advice
            .evidence
            .contains("30 messages to the page waited for the UI thread, 250 ms"),
        "{}",
        advice.evidence
    );
}

#[test]
fn async_handler_is_not_blamed_for_short_waits_beside_it() {
    let history = Synthetic::new("beside");
    let mut rows = every(1_000, 30, |at| Row::call("render", at, 2_004));
    rows.extend(every(1_000, 30, |at| {
        Row::event_out("tick", at + 100, 60, 1)
    }));
    history.write(&rows);
    let advice = only(&history, "handler-slow");
    assert_eq!(advice.subject, "call render (webview main)");
}

#[test]
fn event_handler_on_the_main_thread_blocks_it() {
    let history = Synthetic::new("main");
    history.write(&every(1_000, 10, |at| Row {
        stages: [None, None, None, Some(300), None],
        thread: "main",
        ..Row::new("event_in", "moved", at, 300)
    }));
    let advice = only(&history, "ui-thread-blocked");
    assert!(
        advice.evidence.contains("the thread main"),
        "{}",
        advice.evidence
    );
}

#[test]
fn slow_listener_is_named() {
    let history = Synthetic::new("listener");
    history.write(&every(1_000, 30, |at| Row::event_out("tick", at, 1, 150)));
    let advice = only(&history, "listener-slow");
    assert!(
        advice.evidence.contains("150 ms on average"),
        "{}",
        advice.evidence
    );
}

#[test]
fn listener_that_blocks_now_and_then_is_named_and_two_outliers_are_not() {
    let history = Synthetic::new("listener-p95");
    let took = |at: i64| if at % 5_000 == 0 { 240 } else { 40 };
    history.write(&every(1_000, 100, |at| {
        Row::event_out("meter", at, 1, took(at))
    }));
    let advice = only(&history, "listener-slow");
    assert!(
        advice.evidence.contains("one of 20 times 240 ms or longer"),
        "{}",
        advice.evidence
    );
    let history = Synthetic::new("listener-outliers");
    let took = |at: i64| if at % 15_000 == 0 { 240 } else { 4 };
    history.write(&every(1_000, 30, |at| {
        Row::event_out("meter", at, took(at), took(at))
    }));
    assert!(report(&history).advice.is_empty());
}

#[test]
fn messages_that_wait_or_are_dropped_are_a_queue_too_small() {
    let history = Synthetic::new("queue");
    let mut rows = every(1_000, 30, |at| Row::event_out("tick", at, 200, 1));
    history.write(&rows);
    let advice = only(&history, "queue-waits");
    assert!(
        advice.evidence.contains("200 ms or longer"),
        "{}",
        advice.evidence
    );
    rows = every(1_000, 2, |at| Row {
        outcome: "dropped",
        error: Some("queue_full"),
        ..Row::event_out("frame", at, 0, 0)
    });
    history.write(&rows);
    let dropped = report(&history)
        .advice
        .into_iter()
        .find(|is| is.id == "messages-dropped");
    let dropped = dropped.unwrap();
    assert_eq!(dropped.subject, "event_out frame (webview main)");
    assert_eq!(dropped.evidence, "2 messages were dropped: queue_full");
}

#[test]
fn chatty_event_and_large_payload_are_named() {
    let history = Synthetic::new("chatty");
    history.write(&every(1, 31_200, |at| Row::event_out("cursor", at, 0, 0)));
    let advice = only(&history, "event-flood");
    assert_eq!(
        advice.evidence,
        "520/s in its busiest minute, 31200 messages in all"
    );

    let history = Synthetic::new("payload");
    history.write(&every(1_000, 5, |at| Row {
        size: Some(2 << 20),
        ..Row::event_out("frame", at, 1, 1)
    }));
    let advice = only(&history, "payload-large");
    assert!(
        advice.evidence.contains("2 MiB on average"),
        "{}",
        advice.evidence
    );
}

#[test]
fn calls_one_after_the_other_are_one_call_too_few() {
    let history = Synthetic::new("n-plus-1");
    history.write(&every(6, 40, |at| Row::call("read_layer", at, 5)));
    let advice = only(&history, "calls-in-a-row");
    assert_eq!(
        advice.evidence,
        "40 calls one right after the other, 239 ms in all"
    );
    assert!(advice.remedy.contains("one call"));
}

#[test]
fn row_of_calls_among_other_messages_is_found_wherever_it_is() {
    let history = Synthetic::new("n-plus-1-once");
    let mut rows = every(100, 600, |at| Row::event_out("tick", at, 1, 1));
    rows.extend(every(6, 40, |at| Row::call("read_layer", 31_000 + at, 5)));
    history.write(&rows);
    let advice = only(&history, "calls-in-a-row");
    assert_eq!(advice.subject, "call read_layer (webview main)");
}

#[test]
fn calls_that_were_never_answered_are_named() {
    let history = Synthetic::new("unanswered");
    history.write(&every(4_000, 5, |at| Row {
        stages: [None; 5],
        outcome: "dropped",
        error: Some("shutdown"),
        ..Row::call("open_plugin", at, 30_000 - at)
    }));
    let advice = report(&history).advice;
    let advice = advice.iter().find(|is| is.id == "calls-unsettled").unwrap();
    assert_eq!(advice.subject, "call open_plugin (webview main)");
    assert!(
        advice.evidence.contains("5 of 5 had no answer"),
        "{}",
        advice.evidence
    );
}

#[test]
fn page_that_is_loaded_again_and_again_is_named() {
    let history = Synthetic::new("reloads");
    history.write(&every(3_000, 12, |at| {
        Row::new("page_load", "reload", at, 0)
    }));
    let advice = only(&history, "page-reloading");
    assert_eq!(advice.subject, "the page of webview main");
    assert!(advice.evidence.contains("12 in all"), "{}", advice.evidence);
}

#[test]
fn operation_on_the_ui_thread_is_named() {
    let history = Synthetic::new("poll");
    let mut rows = every(1_000, 30, |at| Row {
        thread: "main",
        ..Row::new("operation", "poll", at, 400)
    });
    rows.extend(every(1_000, 30, |at| {
        Row::event_out("tick", at + 100, 250, 1)
    }));
    history.write(&rows);
    let advice = only(&history, "ui-thread-blocked");
    assert_eq!(advice.subject, "operation poll");
    assert!(
        advice.evidence.contains("30 messages to the page waited"),
        "{}",
        advice.evidence
    );
}

#[test]
fn operation_that_runs_whenever_a_handler_is_slow_is_told() {
    let history = Synthetic::new("lock");
    let mut rows = every(2_000, 10, |at| Row::call("gain", at + 100, 700));
    rows.extend(every(2_000, 10, |at| Row {
        thread: "rebuilder",
        ..Row::new("operation", "rebuild", at, 900)
    }));
    history.write(&rows);
    let advice = only(&history, "handler-slow");
    assert!(
        advice
            .evidence
            .contains("operation rebuild runs on another thread during 10 of the 10"),
        "{}",
        advice.evidence
    );
}

#[test]
fn slow_start_names_the_phase_that_took_the_most() {
    let history = Synthetic::new("start");
    let phases = [
        ("window", 200),
        ("webview", 4_700),
        ("dom_ready", 5_500),
        ("first_paint", 5_800),
    ];
    history.write(&phases.map(|(phase, after)| Row::new("startup", phase, 0, after)));
    let advice = only(&history, "startup-slow");
    assert_eq!(
        advice.evidence,
        "first_paint came 5.8 s after the process started; the most of it, 4.5 s, between window \
         and webview"
    );
}

#[test]
fn memory_that_grows_is_named_with_its_process() {
    let history = Synthetic::new("memory");
    history.healthy();
    let growing = (0..600).map(|n| 1e8 + f64::from(n) * 1_048_576.0);
    history.samples("spanwire.webview.process.memory.usage", "web", growing);
    let advice = only(&history, "memory-growth");
    assert_eq!(advice.subject, "the webview's web process");
    assert!(advice.evidence.contains(" MiB in "), "{}", advice.evidence);
}

#[test]
fn memory_that_grows_fast_is_named_and_one_document_is_not() {
    for (name, of, is_growth) in [
        (
            "leak",
            (|n| 1.7e8 + 1.2e6 * f64::from((n - 100).clamp(0, 220))) as fn(i32) -> f64,
            true,
        ),
        ("document", |n| if n < 300 { 1.7e8 } else { 4.2e8 }, false),
        ("given-back", |n| 1.7e8 + 1.2e6 * f64::from(n % 150), false),
    ] {
        let history = Synthetic::new(name);
        history.write(&every(1_000, 600, |at| Row::call("save", at, 12)));
        history.samples(
            "spanwire.webview.process.memory.usage",
            "web",
            (0..600).map(of),
        );
        let found = report(&history).advice;
        let found = found.iter().any(|advice| advice.id == "memory-growth");
        assert_eq!(found, is_growth, "{name}");
    }
}

#[test]
fn failures_are_named_with_their_rate_and_type() {
    for (kind, id) in [
        ("operation", "operation-failing"),
        ("event_in", "handler-failing"),
        ("event_out", "delivery-failed"),
    ] {
        let history = Synthetic::new(kind);
        let mut rows = every(1_000, 12, |at| Row::new(kind, "save", at, 3));
        for row in rows.iter_mut().step_by(3) {
            row.outcome = "error";
            row.error = Some("disk_full");
        }
        history.write(&rows);
        let advice = only(&history, id);
        assert_eq!(
            advice.evidence,
            "4 of 12 fail, 33.3 %; of the newest 4 failures 4 are disk_full"
        );
    }
}

#[test]
fn errors_of_listeners_are_one_finding_that_names_their_events() {
    let threw = |name: &str, at| Row {
        outcome: "error",
        error: Some("listener_error"),
        ..Row::new("page_error", name, at, 0)
    };
    // Each of few, and one of a page that does not say of which event.
    let history = Synthetic::new("listeners");
    let mut rows = every(1_000, 2, |at| threw("tick", at));
    rows.push(threw("size", 3_000));
    rows.push(threw("listener_error", 4_000));
    history.write(&rows);
    let advice = only(&history, "page-errors");
    let named = "page_error listener_error (webview main)";
    assert_eq!(advice.subject, named);
    assert_eq!(
        advice.evidence,
        "4 errors on the page, in listeners of tick (2), size (1)"
    );
    assert!(advice.trace_id.is_some());
    // The most frequent come first, and few are named.
    let history = Synthetic::new("many-listeners");
    let mut rows: Vec<Row> = (0..5).map(|n| threw(&format!("e{n}"), n * 100)).collect();
    rows.extend(every(1_000, 6, |at| threw("tick", at)));
    history.write(&rows);
    let advice = only(&history, "page-errors");
    assert_eq!(
        advice.evidence,
        "11 errors on the page, in listeners of tick (6), e0 (1), e1 (1) and of 3 other events"
    );
    // Other errors are of no event.
    let history = Synthetic::new("uncaught");
    history.write(&every(1_000, 3, |at| Row {
        error: Some("uncaught"),
        ..threw("uncaught", at)
    }));
    let advice = only(&history, "page-errors");
    assert_eq!(advice.subject, "page_error uncaught (webview main)");
    assert_eq!(advice.evidence, "3 errors on the page");
}

#[test]
fn calls_that_time_out_never_settle() {
    let history = Synthetic::new("timeout");
    history.write(&every(1_000, 5, |at| Row {
        outcome: "timeout",
        error: Some("timeout"),
        ..Row::new("call", "ask", at, 50)
    }));
    let advice = only(&history, "calls-unsettled");
    assert_eq!(
        advice.runbook.as_deref(),
        Some("runbooks/SpanwireCallsUnsettled.md")
    );
}

#[test]
fn operation_that_became_slower_is_compared_with_its_past() {
    let history = Synthetic::new("past");
    history.write(&every(1_000, 600, |at| {
        Row::new(
            "operation",
            "load_scene",
            at,
            if at < 300_000 { 20 } else { 90 },
        )
    }));
    let advice = only(&history, "slower-than-before");
    assert!(
        advice
            .evidence
            .contains("20 ms or longer in the first half"),
        "{}",
        advice.evidence
    );
}

#[test]
fn names_that_became_slower_together_are_one_finding() {
    let history = Synthetic::new("together");
    let took = |at, usual| if at < 300_000 { usual } else { usual * 4 };
    for (name, usual) in [("load_scene", 20), ("save_scene", 10), ("render", 15)] {
        history.write(&every(1_000, 600, |at| {
            Row::new("operation", name, at, took(at, usual))
        }));
    }
    history.write(&every(1_000, 600, |at| {
        Row::new("operation", "idle", at, 5)
    }));
    let advice = only(&history, "slower-than-before");
    assert_eq!(advice.subject, "3 of 4 names");
    assert!(
        advice.evidence.contains("operation load_scene the most"),
        "{}",
        advice.evidence
    );
}

#[test]
fn worst_finding_is_the_verdict() {
    let history = Synthetic::new("verdict");
    let mut rows = every(1_000, 30, |at| Row::call("render", at, 404));
    rows.extend(every(1_000, 10, |at| Row {
        outcome: "error",
        error: Some("panic"),
        ..Row::call("save", at, 5)
    }));
    history.write(&rows);
    let report = report(&history);
    assert_eq!(report.advice[0].id, "handler-failing");
    assert!(
        report
            .verdict
            .starts_with("call save (webview main): 10 of 10 fail")
    );
    assert!(
        report.verdict.ends_with("(and 1 more finding)"),
        "{}",
        report.verdict
    );
}

#[test]
fn what_always_fails_is_named_though_something_else_failed_more_often_since() {
    let history = Synthetic::new("crowded");
    let failing = |name: &str, at: i64, error| Row {
        outcome: "error",
        error: Some(error),
        ..Row::new("operation", name, at, 5)
    };
    let mut rows = every(1_000, 30, |at| failing("backup", at, "disk_full"));
    rows.extend(every(10, 500, |at| {
        failing("probe", 60_000 + at, "offline")
    }));
    history.write(&rows);
    let advice = report(&history).advice;
    let of = |name: &str| {
        let found = advice.iter().find(|is| is.subject.contains(name));
        found.unwrap_or_else(|| panic!("{name}: {advice:#?}"))
    };
    assert_eq!(of("backup").id, "operation-failing");
    let evidence = &of("backup").evidence;
    assert!(
        evidence.starts_with("30 of 30 fail, 100 %; of the newest "),
        "{evidence}"
    );
    assert!(evidence.ends_with("are disk_full"), "{evidence}");
    assert!(of("backup").trace_id.is_some());
    assert!(of("probe").evidence.ends_with("200 are offline"));
}
