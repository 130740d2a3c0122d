//! A million events in a tight loop, from the page and from Rust: memory stays flat, the main
//! thread answers, and what was shed is counted to the last one.

#![allow(clippy::unwrap_used, reason = "a scenario may panic")]

use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use spanwire::ipc::{EmitErrorReason, Ipc};
use spanwire_testkit::counters::count_events;
use spanwire_testkit::harness::process::Memory;
use spanwire_testkit::harness::{self, FLOODING_PAGE, Page, Scenario, TestApp, register_echo};

const FLOOD: u64 = 1_000_000;

/// How much the host's memory may grow by, at its peak.
const GROWTH_MAX: u64 = 20_000_000;

/// How late the main thread may be, at the median.
const DELAY_MAX: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let limit = Duration::from_secs(240);
    harness::main(
        env!("CARGO_TARGET_TMPDIR"),
        &[
            Scenario::new(
                "a_million_events_in_one_turn_keep_memory_and_delay_bounded",
                one_turn,
            )
            .within(limit),
            Scenario::new(
                "a_million_events_in_a_thousand_turns_keep_memory_and_delay_bounded",
                many_turns,
            )
            .within(limit),
            Scenario::new(
                "a_million_events_from_rust_keep_memory_and_delay_bounded",
                from_rust,
            )
            .within(limit),
        ],
    )
}

fn one_turn(app: &TestApp) {
    flood_from_page(app, 1);
}

fn many_turns(app: &TestApp) {
    flood_from_page(app, 1_000);
}

fn flood_from_page(app: &TestApp, turns: u64) {
    let ipc = app.wire("main").build();
    register_echo(&ipc);
    let received = count_events(&ipc, "flooded");
    app.open("main", &ipc, Page::new(FLOODING_PAGE));
    app.said("main", "up");
    app.settled(&ipc);

    let memory = Memory::since_now();
    let pings = app.ping_the_loop(Duration::from_millis(100));
    ipc.emit("flood", &json!({ "count": FLOOD, "turns": turns }))
        .unwrap();
    let flooded = app.said("main", "flooded");
    let taken = flooded["taken"].as_u64().unwrap();
    app.until("what the page took arrived", || {
        received.load(Ordering::Relaxed) == taken
    });
    let delays = pings.stop();
    let growth = memory.growth();
    let ledger = app.settled(&ipc);

    let shed = ledger.inbound("", "page_shed");
    app.note(&format!(
        "{taken} taken, {shed} shed in {} ms; memory grew by {growth}; the loop's delay {delays}",
        flooded["ms"]
    ));
    assert_eq!(ledger.inbound("flooded", "ok"), taken, "{ledger:?}");
    assert_eq!(taken + shed, FLOOD, "{ledger:?}");
    assert_eq!(
        ledger.inbound("", ""),
        FLOOD + 1,
        "nothing else: {ledger:?}"
    );
    assert_eq!(ledger.metrics.messages_received, taken + 1);
    assert!(growth.at_most(GROWTH_MAX), "{growth}");
    assert!(delays.median() <= DELAY_MAX, "{delays}");
    lives(app, &ipc);
}

fn from_rust(app: &TestApp) {
    let ipc = app.wire("main").build();
    register_echo(&ipc);
    app.open("main", &ipc, Page::new(FLOODING_PAGE));
    app.said("main", "up");
    app.settled(&ipc);

    let memory = Memory::since_now();
    let pings = app.ping_the_loop(Duration::from_millis(100));
    let mut refused = 0_u64;
    let data = json!({ "asset": "hills at dusk", "tags": ["sky", "hills"], "rating": 4.5 });
    for _ in 0..FLOOD {
        if let Err(error) = ipc.emit("tick", &data) {
            assert!(
                matches!(error.reason, EmitErrorReason::QueueFull),
                "{error}"
            );
            refused += 1;
        }
    }
    let ledger = app.settled(&ipc);
    let delays = pings.stop();
    let growth = memory.growth();
    app.note(&format!(
        "{} delivered, {refused} refused; memory grew by {growth}; the loop's delay {delays}",
        FLOOD - refused
    ));
    // The million, and the reply from before it.
    ledger.accounts_for(FLOOD + 1);
    assert_eq!(ledger.outbound("tick", "queue_full"), refused, "{ledger:?}");
    assert_eq!(ledger.outbound("tick", "ok"), FLOOD - refused, "{ledger:?}");
    assert_eq!(app.js("main", "ticks"), FLOOD - refused);
    assert!(growth.at_most(GROWTH_MAX), "{growth}");
    lives(app, &ipc);
}

fn lives(app: &TestApp, ipc: &Ipc) {
    app.run(
        "main",
        "spanwire.invoke('echo', 'still').then((answer) => say('answer', answer))",
    );
    assert_eq!(app.said("main", "answer"), "still");
    app.settled(ipc);
}
