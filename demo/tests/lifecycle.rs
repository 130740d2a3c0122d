//! Pages that are reloaded, killed, stopped, closed and hidden: every message is in the books
//! once, nothing hangs, and the app goes on.

#![allow(clippy::unwrap_used, reason = "a scenario may panic")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use spanwire::ipc::{Call, Ipc, Limits, PageState, RespondError, Responder};
use spanwire_testkit::active_handlers::ActiveHandlers;
use spanwire_testkit::counters::count_events;
use spanwire_testkit::harness::{self, Ledger, Page, Scenario, TestApp, process, register_echo};

fn main() -> ExitCode {
    harness::main(
        env!("CARGO_TARGET_TMPDIR"),
        &[
            Scenario::new("a_reload_during_1000_calls_ends_each_call_once", reload),
            Scenario::new("ten_reloads_in_a_row_leave_a_working_page", reload_storm),
            Scenario::new("a_killed_web_process_ends_each_call_once", crash),
            Scenario::new(
                "a_window_closed_with_queued_messages_counts_each_once",
                close_with_messages_queued,
            ),
            Scenario::new(
                "a_window_with_a_stopped_page_can_be_closed",
                close_a_stopped_page,
            ),
            Scenario::new(
                "a_wire_closed_under_a_living_page_ends_its_calls",
                close_the_wire,
            ),
            Scenario::new("two_windows_get_only_their_own_messages", two_windows),
            Scenario::new("a_hung_page_and_a_hung_main_thread_are_told_apart", hang),
            Scenario::new("a_window_hidden_for_10_s_loses_nothing", hidden),
            Scenario::new(
                "a_reply_left_for_later_comes_from_any_thread_or_is_told_that_it_is_too_late",
                deferred,
            ),
        ],
    )
}

/// Handlers that answer at once, that answer some time, and that never do.
fn register(ipc: &Ipc) -> ActiveHandlers {
    register_echo(ipc);
    ipc.on_async("later", |call: Call<'static>| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        call.data::<Value>()
    })
    .unwrap();
    let running = ActiveHandlers::default();
    let started = running.clone();
    ipc.on_async("never", move |_: Call<'static>| {
        let running = started.start();
        async move {
            std::future::pending::<()>().await;
            drop(running);
        }
    })
    .unwrap();
    running
}

/// Emits so many, all of which must be taken.
fn emit(ipc: &Ipc, event: &str, count: u64) {
    for at in 0..count {
        ipc.emit(event, &at).unwrap();
    }
}

/// The page makes 1,000 calls in its first life, and can say what it was sent in any.
const BUSY_PAGE: &str = r#"
  window.ran = { tick: [], queued: [] };
  for (const event of ["tick", "queued"]) spanwire.on(event, (at) => ran[event].push(at));
  window.before = JSON.parse(sessionStorage.getItem("ran"));
  addEventListener("pagehide", () => {
    sessionStorage.setItem("ran", JSON.stringify(ran));
    say("leaves");
    // It goes slowly: what is sent to it now never runs.
    for (const end = performance.now() + 700; performance.now() < end; );
  });
  const load = Number(sessionStorage.getItem("load") ?? 0) + 1;
  sessionStorage.setItem("load", load);
  if (load === 1) {
    let answers = 0;
    const answered = () => ++answers === 100 && say("in the middle");
    for (let at = 0; at < 1000; at++) {
      spanwire.invoke(["echo", "later", "never"][at % 3], at).then(answered, answered);
    }
  }
  say("up", load);
"#;

fn reload(app: &TestApp) {
    let ipc = app.wire("main").build();
    let running = register(&ipc);
    app.open("main", &ipc, Page::new(BUSY_PAGE));
    app.said("main", "in the middle");
    assert!(running.count() > 0, "handlers are at work");
    let before = ipc.metrics();
    let wire = ipc.clone();
    app.ui(move |ui| {
        // Sent while the page is there and while it goes, and then queued behind.
        emit(&wire, "tick", 300);
        ui.pump("main");
        ui.webview("main").reload().unwrap();
        for at in 300..600 {
            wire.emit("tick", &at).unwrap();
        }
        ui.pump("main");
        emit(&wire, "queued", 3_000);
    });
    app.said("main", "leaves");
    let wire = ipc.clone();
    app.ui(move |ui| {
        for at in 600..900 {
            wire.emit("tick", &at).unwrap();
        }
        ui.pump("main");
    });
    assert_eq!(app.said("main", "up"), 1);
    assert_eq!(app.said("main", "up"), 2);

    app.until("the old page's calls are dropped", || running.count() == 0);
    let ledger = app.settled(&ipc);
    replies_are_accounted_for(&ledger, 3_900);
    let called = ["echo", "later", "never"].map(|event| ledger.inbound(event, ""));
    assert_eq!(called, [334, 333, 333], "{ledger:?}");
    assert_eq!(ledger.inbound("never", "cancelled"), 333, "{ledger:?}");
    // Of what was emitted each ran once at most, in order, in the one page or in the other; and all
    // of what is in the books as delivered did.
    let mut lost = 0;
    for (event, emitted) in [("tick", 900), ("queued", 3_000)] {
        let before = app.js("main", &format!("before.{event}"));
        let ran: Vec<u64> = [before, app.js("main", &format!("ran.{event}"))]
            .iter()
            .flat_map(|page| page.as_array().unwrap())
            .map(|at| at.as_u64().unwrap())
            .collect();
        assert!(ran.is_sorted_by(|a, b| a < b), "{event} {ran:?}");
        let delivered = ledger.outbound(event, "ok");
        let died = ledger.outbound(event, "page_gone");
        assert_eq!(delivered + died, emitted, "{ledger:?}");
        assert!(ran.len() as u64 >= delivered, "{event} {ledger:?} {ran:?}");
        lost += died;
    }
    assert!(
        lost > 0,
        "what was sent to it as it went does not come back"
    );
    app.note(&format!(
        "{} messages were open, {lost} events of 3900 died with the page",
        before.messages_open
    ));
    lives(app, "main", &ipc);
}

/// Each event is in the books once, and so is the reply to each call whose handler was done while
/// its page still waited.
fn replies_are_accounted_for(ledger: &Ledger, events: u64) {
    let [echo, later] = ["echo", "later"].map(|event| ledger.outbound(event, ""));
    assert_eq!(echo, ledger.inbound("echo", "ok"), "{ledger:?}");
    assert!(later <= ledger.inbound("later", "ok"), "{ledger:?}");
    ledger.accounts_for(events + echo + later);
}

/// The app lives: calls of the window's page are answered, and events reach it.
fn lives(app: &TestApp, window: &'static str, ipc: &Ipc) {
    app.run(
        window,
        "spanwire.on('alive', (data) => say('alive', data));
         Promise.all(Array.from({ length: 50 }, (_, at) => spanwire.invoke('echo', at)))
           .then((all) => say('answers', all), (error) => say('answers', `${error}`))",
    );
    let expected: Vec<u64> = (0..50).collect();
    assert_eq!(app.said(window, "answers"), json!(expected));
    ipc.emit("alive", "still").unwrap();
    assert_eq!(app.said(window, "alive"), "still");
    let ledger = app.settled(ipc);
    assert_eq!(ledger.metrics.messages_open, 0);
}

fn reload_storm(app: &TestApp) {
    const LOADS: u64 = 10;
    let ipc = app.wire("main").build();
    let running = register(&ipc);
    app.open(
        "main",
        &ipc,
        Page::new(
            r#"
              window.seen = [];
              spanwire.on("tick", (at) => seen.push(at));
              for (let at = 0; at < 200; at++) {
                spanwire.invoke(at % 2 ? "later" : "never", at).catch(() => {});
                spanwire.emit("noted", at);
              }
              say("up");
            "#,
        ),
    );
    let noted = count_events(&ipc, "noted");
    for _ in 1..LOADS {
        app.said("main", "up");
        emit(&ipc, "tick", 100);
        app.ui(|ui| ui.webview("main").reload().unwrap());
    }
    app.said("main", "up");
    emit(&ipc, "tick", 100);
    // The last page's calls to `never` are open for good: the others' are not.
    app.until("the old pages' calls are dropped", || {
        running.count() == 100
    });
    app.run("main", "location.href = 'about:blank'");
    app.until("the last page's are, too", || running.count() == 0);
    let ledger = app.settled(&ipc);
    assert_eq!(ledger.outbound("tick", ""), 100 * LOADS, "{ledger:?}");
    replies_are_accounted_for(&ledger, 100 * LOADS);
    assert_eq!(
        ledger.inbound("never", "cancelled"),
        100 * LOADS,
        "{ledger:?}"
    );
    assert_eq!(ledger.inbound("noted", "ok"), noted.load(Ordering::SeqCst));
    assert_eq!(ledger.inbound("noted", "ok"), 200 * LOADS, "{ledger:?}");
    app.run("main", "location.href = 'app://localhost/'");
    app.said("main", "up");
    app.until("the new page's calls came", || running.count() == 100);
}

fn crash(app: &TestApp) {
    let ipc = app.wire("main").build();
    let running = register(&ipc);
    app.open("main", &ipc, Page::new(BUSY_PAGE));
    app.said("main", "in the middle");
    assert!(running.count() > 0, "handlers are at work");

    let wire = ipc.clone();
    app.ui(move |ui| {
        let processes = process::web_processes();
        assert_eq!(processes.len(), 1, "{processes:?}");
        // In flight in a process that is gone before it can run any of it.
        process::stop(processes[0]);
        emit(&wire, "tick", 300);
        ui.pump("main");
        process::kill(processes[0]);
    });
    app.until("the process is gone", || {
        process::web_processes().is_empty()
    });
    app.until("its calls are dropped", || running.count() == 0);
    // The engine may say so before or after its last messages are read.
    let ledger = app.settled(&ipc);
    assert_eq!(ledger.outbound("tick", "page_gone"), 300, "{ledger:?}");

    // Waits for a page to come, if one ever does.
    emit(&ipc, "queued", 300);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(ipc.metrics().messages_open, 300);

    app.ui(|ui| ui.webview("main").reload().unwrap());
    assert_eq!(app.said("main", "up"), 1);
    // The storage of the session may have died with the process.
    app.said("main", "up");
    app.until("what waited arrived", || {
        app.js("main", "ran.queued.length") == 300
    });
    let in_order: Vec<u64> = (0..300).collect();
    assert_eq!(app.js("main", "ran.queued"), json!(in_order));
    assert_eq!(app.js("main", "ran.tick"), json!([]));
    let ledger = app.settled(&ipc);
    assert_eq!(ledger.outbound("queued", "ok"), 300, "{ledger:?}");
    replies_are_accounted_for(&ledger, 600);
    lives(app, "main", &ipc);
}

fn close_with_messages_queued(app: &TestApp) {
    let first = app.wire("first").build();
    let running = register(&first);
    app.open("first", &first, Page::new(BUSY_PAGE));
    app.said("first", "in the middle");
    let wire = first.clone();
    app.ui(move |ui| {
        // More than may be in flight: some are sent, and the rest waits.
        emit(&wire, "tick", 6_000);
        ui.pump("first");
        ui.close("first");
    });
    let ledger = go_on_with_a_second_window(app, &first);
    assert_eq!(running.count(), 0, "its calls are dropped");
    let sent = ledger.outbound("tick", "page_gone");
    let queued = ledger.outbound("tick", "shutdown");
    assert_eq!(ledger.outbound("tick", "ok"), 0, "{ledger:?}");
    assert_eq!(sent + queued, 6_000 + 1, "one was refused: {ledger:?}");
    assert!(sent >= 3_000 && queued >= 1_000, "{ledger:?}");
    replies_are_accounted_for(&ledger, 6_001);
}

/// The app closes the first window's wire, has one more event refused by it, and opens a second
/// window.
fn go_on_with_a_second_window(app: &TestApp, first: &Ipc) -> Ledger {
    assert!(app.ui_delay() < Duration::from_secs(5), "the loop goes on");
    first.close();
    let refused = first.emit("tick", &0).unwrap_err();
    assert!(refused.to_string().contains("closed"), "{refused}");
    let ledger = app.settled(first);

    let second = app.wire("second").build();
    register_echo(&second);
    app.open("second", &second, Page::new("say('up')"));
    app.said("second", "up");
    lives(app, "second", &second);
    // Nothing of the first turns up in the second's books.
    let other = app.ledger(&second);
    other.accounts_for(51);
    ledger
}

fn close_a_stopped_page(app: &TestApp) {
    let first = app.wire("first").build();
    let running = register(&first);
    app.open("first", &first, Page::new(BUSY_PAGE));
    app.said("first", "in the middle");
    app.run("first", "say('stops'); while (true);");
    app.said("first", "stops");
    // The loop goes on beside a page that does not, and holds back what it cannot take.
    emit(&first, "tick", 6_000);
    app.until("what may be in flight is", || {
        app.ui(|ui| ui.pump("first"));
        first.metrics().messages_open >= 6_000
    });
    app.ui(|ui| ui.close("first"));
    let ledger = go_on_with_a_second_window(app, &first);
    assert_eq!(running.count(), 0, "its calls are dropped");
    assert_eq!(ledger.outbound("tick", "ok"), 0, "{ledger:?}");
    let ended = ledger.outbound("tick", "page_gone") + ledger.outbound("tick", "shutdown");
    assert_eq!(ended, 6_000 + 1, "one was refused: {ledger:?}");
    replies_are_accounted_for(&ledger, 6_001);
}

fn close_the_wire(app: &TestApp) {
    let ipc = app.wire("main").build();
    let running = register(&ipc);
    app.open(
        "main",
        &ipc,
        Page::new(
            r#"
              const open = Array.from({ length: 100 }, () => outcome(spanwire.invoke("never")));
              Promise.all(open).then((all) => say("settled", all.map(({ code }) => code)));
              say("up");
            "#,
        ),
    );
    app.said("main", "up");
    app.until("all are open", || running.count() == 100);
    ipc.close();
    assert_eq!(
        app.said("main", "settled"),
        json!(vec!["BACKEND_GONE"; 100])
    );
    app.until("its calls are dropped", || running.count() == 0);
    app.run(
        "main",
        "outcome(spanwire.invoke('echo')).then(({ code }) => say('later', code))",
    );
    assert_eq!(app.said("main", "later"), "BACKEND_GONE");
    let ledger = app.settled(&ipc);
    assert_eq!(ledger.inbound("never", "cancelled"), 100, "{ledger:?}");
    ledger.accounts_for(0);
}

/// Each page says whose answers and events it got.
const TAGGED_PAGE: &str = r#"
  spanwire.on("hello", async (tag) => {
    const seen = [];
    const finished = new Promise((resolve) =>
      spanwire.on("tick", (data) => seen.push(data) === 2000 && resolve()));
    const calls = [];
    for (let at = 0; at < 500; at++) {
      calls.push(spanwire.invoke(at % 2 ? "whose" : "whose.later", at));
      spanwire.emit("noted", tag);
    }
    const answers = await Promise.all(calls);
    await finished;
    say("done", {
      answers: answers.every(([mine, back], at) => mine === tag && back === at),
      ticks: seen.every(([mine, at], index) => mine === tag && at === index),
      count: seen.length,
    });
  });
  say("up");
"#;

fn two_windows(app: &TestApp) {
    let open = |name: &'static str| {
        let ipc = app.wire(name).build();
        register_echo(&ipc);
        ipc.on("whose", move |call: &Call<'_>| {
            call.data::<u64>().map(|at| (name, at))
        })
        .unwrap();
        ipc.on_async("whose.later", move |call: Call<'static>| async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            call.data::<u64>().map(|at| (name, at))
        })
        .unwrap();
        let mine = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&mine);
        ipc.on("noted", move |call: &Call<'_>| {
            let is_mine = call.data::<String>().is_ok_and(|tag| tag == name);
            counted.fetch_add(u64::from(is_mine), Ordering::SeqCst);
        })
        .unwrap();
        app.open(name, &ipc, Page::new(TAGGED_PAGE));
        (ipc, mine)
    };
    let windows = ["left", "right"].map(|name| (name, open(name)));
    for (name, (ipc, _)) in &windows {
        app.said(name, "up");
        ipc.emit("hello", name).unwrap();
    }
    // From two threads at once, as from the parts of an app.
    std::thread::scope(|scope| {
        for (name, (ipc, _)) in &windows {
            scope.spawn(move || {
                for at in 0..2_000 {
                    ipc.emit("tick", &(name, at)).unwrap();
                }
            });
        }
    });
    for (name, (ipc, mine)) in &windows {
        let done = app.said(name, "done");
        assert_eq!(
            done,
            json!({ "answers": true, "ticks": true, "count": 2_000 })
        );
        let ledger = app.settled(ipc);
        // A greeting, the ticks, and the replies.
        ledger.accounts_for(1 + 2_000 + 500);
        assert_eq!(ledger.metrics.messages_sent, 2_501, "{ledger:?}");
        assert_eq!(ledger.metrics.messages_received, 1_000, "{ledger:?}");
        assert_eq!(ledger.inbound("", "ok"), 1_000, "{ledger:?}");
        assert_eq!(mine.load(Ordering::SeqCst), 500);
    }
    // One goes, and the other does not notice.
    app.ui(|ui| ui.close("left"));
    lives(app, "right", &windows[1].1.0);
}

fn hang(app: &TestApp) {
    const HANG: Duration = Duration::from_secs(3);
    let mut limits = Limits::default();
    // More than a second, since the main thread is asked for its delay once in that time.
    limits.unresponsive_after = Duration::from_millis(1_200);
    let ipc = app.wire("main").limits(limits).build();
    register_echo(&ipc);
    app.open("main", &ipc, Page::new("say('up')"));
    app.said("main", "up");
    let state = |state| {
        app.metric("spanwire_page_state", ("spanwire_page_state", state))
            .unwrap()
    };
    app.until("it is ready", || state("ready") == 1.0);

    // The page does not let go, and each scrape is a look.
    app.run(
        "main",
        &format!(
            "say('hangs'); for (const end = performance.now() + {}; performance.now() < end; );
             say('back')",
            HANG.as_millis()
        ),
    );
    app.said("main", "hangs");
    ipc.emit("tick", &0).unwrap();
    app.until("it is unresponsive", || state("unresponsive") == 1.0);
    assert_eq!(ipc.page_state(), PageState::Unresponsive);
    assert_eq!(state("ready"), 0.0);
    app.said("main", "back");
    app.until("it answers", || state("ready") == 1.0);

    // The main thread does not: that is measured, and not held against the page.
    let slow = || {
        let bucket = |le| app.metric("spanwire_main_thread_delay_seconds_bucket", ("le", le));
        bucket("+Inf").unwrap_or(0.0) - bucket("0.5").unwrap_or(0.0)
    };
    let before = slow();
    let wire = ipc.clone();
    app.ui(move |ui| {
        wire.emit("tick", &1).unwrap();
        ui.pump("main");
        // Before the page's answer to that is read.
        gtk::glib::timeout_add_once(Duration::ZERO, || std::thread::sleep(HANG));
    });
    let mut blamed = 0;
    app.until("the delay is seen", || {
        // In this order: when it is over, the delay is seen before the page's answers are read.
        let unresponsive = state("unresponsive") == 1.0;
        let seen = slow() > before;
        blamed += u64::from(unresponsive && !seen);
        seen
    });
    assert_eq!(blamed, 0, "the page can do nothing for it");
    app.until("it answers", || state("ready") == 1.0);
    lives(app, "main", &ipc);
}

fn hidden(app: &TestApp) {
    let ipc = app.wire("main").build();
    register_echo(&ipc);
    app.open(
        "main",
        &ipc,
        Page::new(
            r#"
              const ticks = [];
              let answers = 0;
              // Driven by what comes in: timers are throttled while nobody looks.
              spanwire.on("tick", async (at) => {
                ticks.push(at);
                spanwire.emit("noted", at);
                const same = (await spanwire.invoke("echo", at)) === at;
                answers += same;
              });
              spanwire.on("sum", () => say("sum", {
                ticks: ticks.length,
                inOrder: ticks.every((at, index) => at === index),
                answers,
                hidden: document.hidden,
              }));
              say("up");
            "#,
        ),
    );
    let noted = count_events(&ipc, "noted");
    app.said("main", "up");
    app.ui(|ui| ui.window("main").set_visible(false));
    app.until("the page knows", || {
        app.js("main", "document.hidden") == true
    });

    // A hundred a second for ten seconds.
    for at in 0..1_000_u64 {
        ipc.emit("tick", &at).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        if at % 100 == 99 {
            // It keeps up while it is hidden, and not only once it is seen again.
            app.until("the page keeps up", || {
                noted.load(Ordering::SeqCst) == at + 1
            });
        }
    }
    ipc.emit("sum", &()).unwrap();
    let sum = app.said("main", "sum");
    app.until("the last answer came", || ipc.metrics().messages_open == 0);
    assert_eq!(
        (&sum["ticks"], &sum["inOrder"], &sum["hidden"]),
        (&json!(1_000), &json!(true), &json!(true)),
        "{sum}"
    );
    app.ui(|ui| ui.window("main").set_visible(true));
    app.until("it is seen again", || {
        app.js("main", "document.hidden") == false
    });
    assert_eq!(app.js("main", "answers"), 1_000);
    let ledger = app.settled(&ipc);
    ledger.accounts_for(1_000 + 1 + 1_000);
    assert_eq!(ledger.metrics.messages_sent, 2_001, "{ledger:?}");
    assert_eq!(ledger.inbound("", "ok"), 2_000, "{ledger:?}");
    let p99 = ledger.metrics.p99_latency_us;
    app.note(&format!("hidden, delivery p99 {p99} µs"));
    lives(app, "main", &ipc);
}

fn deferred(app: &TestApp) {
    let ipc = Ipc::builder("main").build();
    register_echo(&ipc);
    let (keep, kept) = mpsc::sync_channel::<(Value, Responder)>(10);
    ipc.on_deferred("later", move |call: Call<'static>, responder| {
        keep.send((call.data().unwrap(), responder)).unwrap();
    })
    .unwrap();
    let page = r#"
      const settle = (name, options) => {
        const settled = (result) => say(name, result);
        spanwire.invoke("later", name, options).then(settled, ({ code, message }) => settled([code, message]));
      };
      if (!sessionStorage.getItem("again")) {
        settle("answered");
        settle("failed");
        settle("dropped");
        settle("given up", { timeoutMs: 100 });
        spanwire.emit("later", "an event");
        settle("left behind");
      }
      sessionStorage.setItem("again", 1);
      say("up");
    "#;
    app.open("main", &ipc, Page::new(page));
    app.said("main", "up");
    let given_up = app.said("main", "given up");
    let elsewhere = std::thread::spawn(move || {
        let mut late = Vec::new();
        for (name, responder) in kept.iter().take(6) {
            match name.as_str().unwrap() {
                "answered" => assert_eq!(responder.respond(Ok::<_, String>(42)), Ok(())),
                "failed" => {
                    let full = Err::<(), _>("disk full");
                    assert_eq!(responder.respond(full), Ok(()));
                }
                "an event" => assert_eq!(responder.respond(()), Ok(())),
                "dropped" => drop(responder),
                _ => late.push(responder),
            }
        }
        late
    });
    let mut late = elsewhere.join().unwrap();
    let (left_behind, timed_out) = (late.pop().unwrap(), late.pop().unwrap());
    assert_eq!(given_up[0], "TIMEOUT");
    assert_eq!(app.said("main", "answered"), 42);
    let failed = json!(["HANDLER_ERROR", "disk full"]);
    assert_eq!(app.said("main", "failed"), failed);
    let dropped = "the handler dropped its responder before it responded";
    assert_eq!(app.said("main", "dropped"), json!(["CANCELLED", dropped]));
    app.until("the host knows", || timed_out.is_cancelled());
    assert_eq!(timed_out.respond(()), Err(RespondError::Cancelled));

    assert!(!left_behind.is_cancelled());
    app.ui(|ui| ui.webview("main").reload().unwrap());
    app.said("main", "up");
    app.until("its page is gone", || left_behind.is_cancelled());
    assert_eq!(left_behind.respond(()), Err(RespondError::Cancelled));
    let ledger = app.ledger(&ipc);
    assert_eq!(ledger.inbound("later", "ok"), 2, "{ledger:?}");
    assert_eq!(ledger.inbound("later", "handler_error"), 1, "{ledger:?}");
    // Those that were dropped, given up and left behind.
    for error in ["handler_dropped", "timeout", "cancelled"] {
        assert_eq!(ledger.inbound("later", error), 1, "{error}: {ledger:?}");
    }
    lives(app, "main", &ipc);
}
