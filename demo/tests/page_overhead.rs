//! What the page script costs a page: little at its start, and nothing while nobody uses it.

#![allow(clippy::unwrap_used, reason = "a scenario may panic")]

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use spanwire_testkit::harness::{self, Page, Scenario, TestApp, register_echo};

fn main() -> ExitCode {
    harness::main(
        env!("CARGO_TARGET_TMPDIR"),
        &[
            Scenario::new("the_script_costs_a_page_less_than_2_ms", start),
            Scenario::new("an_idle_page_runs_no_script", idle),
        ],
    )
}

const LOADS: usize = 100;
/// So often is measured again when others kept the page from the processor all the time.
const ROUNDS: usize = 5;

/// Loads of the page, each with the page's clock right before the script and right after it, and
/// then once more with nothing in between.
///
/// The clock steps 1 ms, so a single load says little; but a step falls into the script as often
/// as the script's share of one, so the mean over many loads is its time. Of the quietest tenth of
/// them: what else the machine does only ever adds. What takes 2 ms or more shows as 2 ms or more
/// in each load, so however few count, none of it passes.
fn start(app: &TestApp) {
    let ipc = app.wire("main").build();
    register_echo(&ipc);
    let page = Page::new(
        r#"say("loaded", {
          script: script.after - script.before,
          nothing: script.then - script.after,
        })"#,
    )
    .with_first("window.script = { before: performance.now() }")
    .with_last("script.after = performance.now()")
    .with_last("script.then = performance.now()");
    app.open("main", &ipc, page);
    let is_low = (0..ROUNDS).any(|_| {
        let (script, nothing) = measure(app);
        script < 2.0 && nothing < 0.5
    });
    assert!(is_low, "not once in {ROUNDS} rounds");
}

/// Milliseconds that the script takes, and that the way to measure does.
fn measure(app: &TestApp) -> (f64, f64) {
    let mut times = [Vec::new(), Vec::new()];
    for load in 0..LOADS {
        let loaded = app.said("main", "loaded");
        for (times, what) in times.iter_mut().zip(["script", "nothing"]) {
            times.push(loaded[what].as_f64().unwrap());
        }
        // Not in step with the page's clock.
        std::thread::sleep(Duration::from_micros(137 * (load as u64 % 7)));
        app.ui(|ui| ui.webview("main").reload().unwrap());
    }
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let [(script, median, all), (nothing, ..)] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        let (quietest, _) = times.split_at(LOADS / 10);
        (mean(quietest), times[LOADS / 2], mean(&times))
    });
    app.note(&format!(
        "{script:.2} ms in the quietest tenth of {LOADS} loads (median {median} ms, mean {all:.2} ms), and nothing at all {nothing:.2} ms"
    ));
    (script, nothing)
}

/// Counts what would run by itself, and what is posted, from before the page script on.
const COUNTING: &str = r#"
  window.counts = {};
  const count = (owner, name) => {
    const original = owner[name];
    counts[name] = 0;
    owner[name] = function (...args) {
      counts[name]++;
      return original.apply(this, args);
    };
  };
  for (const name of ["setTimeout", "setInterval", "clearInterval", "requestAnimationFrame", "queueMicrotask"]) {
    count(window, name);
  }
  count(Object.getPrototypeOf(webkit.messageHandlers.ipc), "postMessage");
"#;

fn idle(app: &TestApp) {
    let ipc = app.wire("main").build();
    register_echo(&ipc);
    app.open(
        "main",
        &ipc,
        Page::new(
            r#"
              spanwire.on("tick", (at) => at === 99 && say("ticked"));
              Promise.all(Array.from({ length: 100 }, (_, at) => spanwire.invoke("echo", at)))
                .then(() => say("used"));
            "#,
        )
        .with_first(COUNTING),
    );
    // Used first: an idle page is not only one that never did anything.
    app.said("main", "used");
    for at in 0..100 {
        ipc.emit("tick", &at).unwrap();
    }
    app.said("main", "ticked");
    app.settled(&ipc);
    let used = app.js("main", "counts");
    assert!(
        used["postMessage"].as_u64().unwrap() > 2,
        "it is counted: {used}"
    );
    assert!(
        used["queueMicrotask"].as_u64().unwrap() > 0,
        "it is counted: {used}"
    );
    assert_eq!(
        ["setTimeout", "requestAnimationFrame"].map(|name| &used[name]),
        [0; 2].map(Value::from).each_ref(),
        "not in use either: {used}"
    );

    // Where the engine tells of no long tasks a timer tells how busy the page is, and it ends after the use.
    app.until("the timer ends", || {
        app.js("main", "counts.clearInterval >= counts.setInterval") == Value::Bool(true)
    });
    let before = app.js("main", "counts");
    std::thread::sleep(Duration::from_secs(2));
    let after = app.js("main", "counts");
    app.note(&format!(
        "after use {before}, two idle seconds later {after}"
    ));
    assert_eq!(before, after);
}
