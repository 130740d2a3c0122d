//! A frame of any origin that posts as much as it can: it knows no nonce, so what it costs is what
//! the engine takes to hand a text over, and the window stays alive.

#![allow(clippy::unwrap_used, reason = "a scenario may panic")]

use std::process::ExitCode;
use std::time::Duration;

use spanwire::ipc::{Ipc, PageEvents};
use spanwire_testkit::harness::process::{self, Memory};
use spanwire_testkit::harness::{self, Page, Scenario, TestApp, register_echo};

/// How much more the main thread may work than for the same bytes without our prefix. What it
/// works is the same on a busy machine, where it may be late for other reasons.
const WORK_MAX: Duration = Duration::from_millis(400);

/// How much longer it may be late in all.
const LATE_MAX: Duration = Duration::from_secs(4);

/// How often a flood that cost too much is tried again. A virtual machine that the host stops for a
/// second has that second on its thread's time; a window that freezes does so each time.
const ATTEMPTS: u64 = 3;

/// How much more the host's memory may grow by.
const GROWTH_MAX: u64 = 64_000_000;

fn main() -> ExitCode {
    harness::main(
        env!("CARGO_TARGET_TMPDIR"),
        &[Scenario::new(
            "a_frame_without_the_nonce_does_not_freeze_the_window",
            frames,
        )
        .within(Duration::from_secs(240))],
    )
}

/// Posts `count` texts of `mib` MiB each, made of `begin`, as many of `each` as fit, and `end`.
const FRAME: &str = r#"<!doctype html><script>
  const port = window.webkit.messageHandlers.ipc;
  addEventListener("message", ({ data: { count, mib, begin, each, end } }) => {
    const room = mib * (1 << 20) - begin.length - end.length;
    const text = begin + each.repeat(Math.floor(room / each.length)) + end;
    for (let at = 0; at < count; at++) port.postMessage(text);
    parent.postMessage("flooded", "*");
  });
  parent.postMessage("framed", "*");
</script>"#;

const PAGE: &str = r#"
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  addEventListener("message", ({ data }) => say(data));
  window.flood = (what) => frame.contentWindow.postMessage(what, "*");
  fetch("frame").then((answer) => answer.text()).then((text) => {
    frame.srcdoc = text;
    document.body.append(frame);
  });
"#;

/// What is posted: how often, how large, and of what.
struct Flood {
    name: &'static str,
    count: u64,
    mib: u64,
    begin: &'static str,
    each: &'static str,
    end: &'static str,
    /// What each text is counted as; empty when it is not ours.
    error: &'static str,
}

/// With the nonce's length, so that the look goes as far as it can.
const FORGED: &str =
    r#"{"spanwire":1,"nonce":"00000000000000000000000000000000","page":"p1","messages":["#;

const fn flood(
    name: &'static str,
    begin: &'static str,
    each: &'static str,
    error: &'static str,
) -> Flood {
    Flood {
        name,
        count: 40,
        mib: 1,
        begin,
        each,
        end: "0]}",
        error,
    }
}

const FLOODS: [Flood; 8] = [
    flood("objects", FORGED, "{},", "forbidden"),
    flood("numbers", FORGED, "0,", "forbidden"),
    flood("nesting", FORGED, "[", "forbidden"),
    flood(
        "the nonce last",
        r#"{"spanwire":1,"messages":["#,
        "{},",
        "malformed",
    ),
    flood(
        "another version",
        r#"{"spanwire":2,"messages":["#,
        "{},",
        "malformed",
    ),
    flood(
        "plain, without a name",
        r#"{"type":"event","event":["#,
        "0,",
        "malformed",
    ),
    flood(
        "plain, the name last",
        r#"{"type":"event","detail":["#,
        "{},",
        "malformed",
    ),
    Flood {
        count: 10,
        mib: 30,
        ..flood("too large", FORGED, "{},", "too_large")
    },
];

/// What a flood cost the host.
struct Cost {
    /// Time that the main thread ran.
    work: Duration,
    /// How late it was in all.
    late: Duration,
    /// What memory grew by at its peak.
    growth: u64,
}

fn cost(app: &TestApp, flood: &Flood) -> Cost {
    let memory = Memory::since_now();
    let began = app.ui(|_| process::time_on_cpu());
    let pings = app.ping_the_loop(Duration::from_millis(5));
    let what = serde_json::json!({
        "count": flood.count, "mib": flood.mib,
        "begin": flood.begin, "each": flood.each, "end": flood.end,
    });
    app.run("main", &format!("flood({what})"));
    // What the page says comes behind what the frame posted.
    app.said("main", "flooded");
    let delays = pings.stop();
    let cost = Cost {
        work: app.ui(|_| process::time_on_cpu()).saturating_sub(began),
        late: delays.total(),
        growth: memory.growth().most(),
    };
    app.note(&format!(
        "{}: {} texts of {} MiB; worked {:.1?}; late by {:.1?}, {delays}; memory grew by {:.1} MB",
        flood.name,
        flood.count,
        flood.mib,
        cost.work,
        cost.late,
        cost.growth as f64 / 1e6,
    ));
    cost
}

/// Posts the flood beside the same bytes without our prefix until its cost is within the bounds, and
/// says how often it was posted.
fn attempts(app: &TestApp, flood: &Flood) -> u64 {
    let bare = Flood {
        name: "the same bytes, not ours",
        begin: r#"{"somebody":1,"messages":["#,
        error: "",
        ..*flood
    };
    let mut over = String::new();
    for attempt in 1..=ATTEMPTS {
        let bare = cost(app, &bare);
        let cost = cost(app, flood);
        if cost.work > 2 * bare.work + WORK_MAX {
            over = format!("worked {:?}", cost.work);
        } else if cost.late > 3 * bare.late + LATE_MAX {
            over = format!("late by {:?}", cost.late);
        } else if cost.growth > bare.growth + GROWTH_MAX {
            over = format!("grew by {} bytes", cost.growth);
        } else {
            return attempt;
        }
    }
    panic!("{}, {ATTEMPTS} times: {over}", flood.name);
}

fn frames(app: &TestApp) {
    let ipc: Ipc = app
        .wire("main")
        .page_events(PageEvents::SpanwireAndPlain)
        .build();
    register_echo(&ipc);
    app.open(
        "main",
        &ipc,
        Page::new(PAGE).with_file("app://localhost/frame", FRAME),
    );
    app.said("main", "framed");
    app.settled(&ipc);

    let mut expected = [("forbidden", 0), ("malformed", 0), ("too_large", 0)];
    for flood in &FLOODS {
        let attempts = attempts(app, flood);
        for (error, count) in &mut expected {
            if *error == flood.error {
                *count += attempts * flood.count;
            }
        }
    }
    let ledger = app.settled(&ipc);
    for (error, count) in expected {
        assert_eq!(
            ledger.inbound("_OTHER", error),
            count,
            "{error}: {ledger:?}"
        );
    }
    app.run(
        "main",
        "spanwire.invoke('echo', 'still').then((answer) => say('answer', answer))",
    );
    assert_eq!(app.said("main", "answer"), "still");
}
