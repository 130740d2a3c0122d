//! Minutes of flood through a real window, both ways at once: memory stays flat, and every message
//! is counted. `make test-reliability` runs it with `tests/reliability`, and shares its arguments.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a scenario may panic, prints, and has patience of its own"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use spanwire::ipc::EmitErrorReason;
use spanwire_testkit::counters::count_events;
use spanwire_testkit::harness::process::{Memory, resident_of, web_processes};
use spanwire_testkit::harness::{self, FLOODING_PAGE, Page, Scenario, TestApp, register_echo};
use spanwire_testkit::reliability::{Part, Plan};

const SECONDS: &str = "SPANWIRE_FLOOD_SECONDS";
const NAME: &str = "minutes_of_flood_both_ways_keep_memory_flat_and_count_every_message";

/// Messages each way, in each round.
const ROUND: u64 = 100_000;
/// By how much the host's memory may differ between the first minute and the last, and at its peak.
const DRIFT_MAX: u64 = 8_000_000;
const GROWTH_MAX: u64 = 40_000_000;

fn main() -> ExitCode {
    if let Some(time) = time() {
        let limit = time + Duration::from_secs(300);
        let scenario = Scenario::new(NAME, flood).within(limit);
        return harness::main(env!("CARGO_TARGET_TMPDIR"), &[scenario]);
    }
    let plan = Plan::from_args();
    if !plan.runs(Part::Flood) {
        return ExitCode::SUCCESS;
    }
    println!("Flood");
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{NAME}.log"));
    let _ = fs::remove_file(&log);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(SECONDS, plan.flood.as_secs().to_string())
        .spawn()
        .unwrap();
    let mut shown = 0;
    loop {
        let ended = child.try_wait().unwrap();
        let text = fs::read_to_string(&log).unwrap_or_default();
        let progress: Vec<_> = text.lines().filter(|line| line.starts_with("  ")).collect();
        for line in progress.iter().skip(shown) {
            println!("{line}");
        }
        shown = progress.len();
        match ended {
            Some(status) if status.success() => return ExitCode::SUCCESS,
            Some(_) => return ExitCode::FAILURE,
            None => thread::sleep(Duration::from_secs(1)),
        }
    }
}

/// How long the window is flooded, in a process that floods one.
fn time() -> Option<Duration> {
    let seconds = std::env::var(SECONDS).ok()?;
    Some(Duration::from_secs(seconds.parse().unwrap()))
}

/// What was resident after a round, when nothing was open any more.
struct Sample {
    at: Duration,
    host: u64,
    page: u64,
}

fn flood(app: &TestApp) {
    let time = time().unwrap();
    let ipc = app.wire("main").build();
    register_echo(&ipc);
    let received = count_events(&ipc, "flooded");
    app.open("main", &ipc, Page::new(FLOODING_PAGE));
    app.said("main", "up");
    app.settled(&ipc);

    let data = json!({ "asset": "hills at dusk", "tags": ["sky", "hills"], "rating": 4.5 });
    let (me, began) = (std::process::id(), Instant::now());
    let (mut rounds, mut taken, mut refused) = (0, 0, 0);
    let mut samples: Vec<Sample> = Vec::new();
    let mut memory = Memory::since_now();
    while began.elapsed() < time {
        rounds += 1;
        ipc.emit("flood", &json!({ "count": ROUND, "turns": 100 }))
            .unwrap();
        for _ in 0..ROUND {
            if let Err(error) = ipc.emit("tick", &data) {
                let full = matches!(error.reason, EmitErrorReason::QueueFull);
                assert!(full, "{error}");
                refused += 1;
            }
        }
        taken += app.said("main", "flooded")["taken"].as_u64().unwrap();
        app.until("what the page took arrived", || {
            received.load(Ordering::Relaxed) == taken
        });
        app.settled(&ipc);
        let page = web_processes().into_iter().map(resident_of).sum();
        samples.push(Sample {
            at: began.elapsed(),
            host: resident_of(me),
            page,
        });
        // Two rounds warm up allocators and engines.
        if rounds == 2 {
            memory = Memory::since_now();
        }
        if rounds % 20 == 0 {
            let last = samples.last().unwrap();
            println!(
                "  {:.0?}: {rounds} rounds, {taken} taken, {refused} refused, {:.1} MB host, \
                 {:.1} MB page",
                last.at,
                last.host as f64 / 1e6,
                last.page as f64 / 1e6
            );
        }
    }
    let growth = memory.growth();
    let sent = rounds * ROUND;
    // What the page shed itself comes with its next message.
    app.until("what the page shed is counted", || {
        app.ledger(&ipc).inbound("", "page_shed") + taken == sent
    });
    let ledger = app.settled(&ipc);

    let minute = Duration::from_secs(60).min(time / 4);
    let end = began.elapsed();
    let mean = |of: fn(&Sample) -> u64, from: Duration, to: Duration| {
        let within = samples.iter().filter(|s| from <= s.at && s.at < to);
        let within: Vec<u64> = within.map(of).collect();
        within.iter().sum::<u64>() / (within.len() as u64).max(1)
    };
    let first = |of| mean(of, Duration::ZERO, minute);
    let last = |of| mean(of, end - minute, Duration::MAX);
    let (host_first, host_last) = (first(|s| s.host), last(|s| s.host));
    let (page_first, page_last) = (first(|s| s.page), last(|s| s.page));
    let mb = |bytes: u64| bytes as f64 / 1e6;
    app.note(&format!(
        "{rounds} rounds in {:.0} s; page to host: {taken} taken and run, {} shed; host to page: {} \
         run, {refused} refused; mean resident memory in the first and the last minute: host {:.1} \
         and {:.1} MB, page {:.1} and {:.1} MB; the host grew by {growth}",
        end.as_secs_f64(),
        sent - taken,
        sent - refused,
        mb(host_first),
        mb(host_last),
        mb(page_first),
        mb(page_last),
    ));
    assert_eq!(ledger.inbound("flooded", "ok"), taken, "{ledger:?}");
    assert_eq!(ledger.inbound("", ""), sent + 1, "nothing else: {ledger:?}");
    assert_eq!(ledger.outbound("tick", "queue_full"), refused, "{ledger:?}");
    assert_eq!(ledger.outbound("tick", "ok"), sent - refused, "{ledger:?}");
    assert_eq!(ledger.outbound("flood", "ok"), rounds, "{ledger:?}");
    assert_eq!(app.js("main", "ticks"), sent - refused);
    assert!(host_last <= host_first + DRIFT_MAX, "the host grows");
    assert!(growth.at_most(GROWTH_MAX), "{growth}");

    app.run(
        "main",
        "spanwire.invoke('echo', 'still').then((answer) => say('answer', answer))",
    );
    assert_eq!(app.said("main", "answer"), "still");
}
