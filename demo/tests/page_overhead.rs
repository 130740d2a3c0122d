//! An idle page: the page script starts no timer, asks for no frame and posts no message.

#![allow(clippy::unwrap_used, reason = "a scenario may panic")]

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use spanwire_testkit::harness::{self, Page, Scenario, TestApp, register_echo};

fn main() -> ExitCode {
    harness::main(
        env!("CARGO_TARGET_TMPDIR"),
        &[Scenario::new("an_idle_page_runs_no_script", idle)],
    )
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
