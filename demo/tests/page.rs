//! `webview::attach`, `Ipc::pump` and the page script in a real page, well-behaved and not.
//!
//! The checks are in `page_checks.js` and report by name; this is the host that they talk to. An
//! event loop wants the main thread, and there is one for each process, hence no test harness.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use spanwire::ipc::{Bytes, Call, DataError, Ipc, PageEvents, PageMarks};
use spanwire_testkit::active_handlers::ActiveHandlers;
use spanwire_testkit::counters::count_events;
use spanwire_testkit::virtual_display;
use tao::event::Event;
use tao::event_loop::{ControlFlow, EventLoopBuilder};
use tao::platform::run_return::EventLoopExtRunReturn;
use tao::platform::unix::WindowExtUnix;
use tao::window::WindowBuilder;
use wry::WebViewBuilderExtUnix;
use wry::http::Response;

/// How many checks the page has, so that none is left out in silence.
const CHECKS: usize = 65;

/// Tells the child, which has a display, from the parent, which gives it one.
const CHILD: &str = "SPANWIRE_PAGE_TEST_CHILD";

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(CHILD).is_some() {
        return run_checks();
    }
    virtual_display::run(
        virtual_display::command()
            .env(CHILD, "1")
            .env("RUST_BACKTRACE", "0"),
    )
}

#[derive(Clone, Copy, Debug)]
enum UserEvent {
    Pump,
    Done,
    TimedOut,
}

/// One line that the page says about itself.
#[derive(Clone, Debug, Deserialize)]
struct Check {
    name: String,
    fine: bool,
    seen: String,
}

/// What the page sends with bytes in it, and gets back.
#[derive(Deserialize, Serialize)]
struct Picture {
    name: String,
    layers: Vec<Bytes>,
}

#[derive(Debug)]
struct DiskFull;

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("disk full")
    }
}

fn run_checks() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let ipc = Ipc::builder("page")
        .runtime(runtime.handle().clone())
        .allow_origin("checks://localhost")
        .page_events(PageEvents::SpanwireAndPlain)
        .page_marks(PageMarks::Recorded)
        .build();
    let mut event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    let window = WindowBuilder::new().build(&event_loop).unwrap();
    let proxy = event_loop.create_proxy();

    let checks = Arc::new(Mutex::new(Vec::new()));
    let done = proxy.clone();
    register(&ipc, &checks, move || _ = done.send_event(UserEvent::Done));
    // Before there is a page: they wait in the queue, and then in the page.
    for at in 0..3 {
        ipc.emit("early", &at).unwrap();
    }

    let of_the_app = Rc::new(RefCell::new(Vec::new()));
    let others = Rc::clone(&of_the_app);
    let wake = proxy.clone();
    let builder = wry::WebViewBuilder::new()
        .with_custom_protocol("checks".into(), |_, request| page(request.uri().path()))
        .with_url("checks://localhost/")
        .with_initialization_script(WATCH);
    let builder = spanwire::webview::attach_with(
        builder,
        &ipc,
        move || _ = wake.send_event(UserEvent::Pump),
        move |request| others.borrow_mut().push(request.into_body()),
    );
    let webview = builder.build_gtk(window.default_vbox().unwrap()).unwrap();

    runtime.spawn(async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let _ = proxy.send_event(UserEvent::TimedOut);
    });
    let mut in_time = true;
    let mut sent_again = false;
    event_loop.run_return(|event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump) => {
                // As `Ipc::pump`, but one script is said to have failed, though it ran.
                while let Some(script) = ipc.next_script() {
                    let text = script.text();
                    webview.evaluate_script(&text).unwrap();
                    if !sent_again && text.contains("\"twice\"") {
                        sent_again = true;
                        ipc.evaluation_failed(script);
                    }
                }
                ipc.pump(&webview);
            }
            Event::UserEvent(UserEvent::Done) => *control_flow = ControlFlow::Exit,
            Event::UserEvent(UserEvent::TimedOut) => {
                in_time = false;
                *control_flow = ControlFlow::Exit;
            }
            _ => {}
        }
    });

    let mut checks = std::mem::take(&mut *checks.lock().unwrap());
    let mut add = |name: &str, fine, seen: &dyn fmt::Debug| {
        checks.push(Check {
            name: name.into(),
            fine,
            seen: format!("{seen:?}"),
        });
    };
    add("every check ran in time", in_time, &ipc);
    let others = of_the_app.borrow();
    let only_its_own = *others == ["a message of the app's own"];
    add(
        "the app's handler gets what is not ours",
        only_its_own,
        &others,
    );
    let metrics = ipc.metrics();
    let two = metrics.messages_failed >= 2;
    add(
        "scripts that throw or do not parse are failures",
        two,
        &metrics,
    );
    report(&checks)
}

fn register(ipc: &Ipc, checks: &Arc<Mutex<Vec<Check>>>, done: impl Fn() + Send + Sync + 'static) {
    type Json = Result<Box<RawValue>, serde_json::Error>;
    let results = Arc::clone(checks);
    ipc.on("check", move |call: &Call<'_>| {
        let check = call.data().expect("the checks' own form");
        results.lock().unwrap().push(check);
    })
    .unwrap();
    ipc.on("done", move |_: &Call<'_>| done()).unwrap();
    ipc.on("echo", |call: &Call<'_>| -> Json { Ok(call.data()?) })
        .unwrap();
    ipc.on("text", |call: &Call<'_>| call.data::<String>())
        .unwrap();
    let sender = ipc.clone();
    ipc.on("negative", move |call: &Call<'_>| {
        let mut picture: Picture = call.data()?;
        for layer in &mut picture.layers {
            *layer = layer.iter().map(|byte| !byte).collect::<Vec<_>>().into();
        }
        sender.emit("pixels", &picture.layers[0]).unwrap();
        Ok::<_, DataError>(picture)
    })
    .unwrap();
    ipc.on("deep", |call: &Call<'_>| -> Json {
        let levels = call.data()?;
        RawValue::from_string(["[".repeat(levels), "]".repeat(levels)].concat())
    })
    .unwrap();
    ipc.on("panic", |_: &Call<'_>| -> () { panic!("on purpose") })
        .unwrap();
    ipc.on("fail", |_: &Call<'_>| Err::<(), _>(DiskFull))
        .unwrap();

    let running = ActiveHandlers::default();
    let asked = running.clone();
    ipc.on_async("never", move |_: Call<'static>| {
        let running = running.start();
        async move {
            std::future::pending::<()>().await;
            drop(running);
        }
    })
    .unwrap();
    ipc.on("running", move |_: &Call<'_>| {
        Ok::<_, DiskFull>(asked.count())
    })
    .unwrap();

    let sender = ipc.clone();
    ipc.on("ticks", move |call: &Call<'_>| {
        for at in 0..call.data::<u64>().unwrap() {
            sender.emit("tick", &at).unwrap();
        }
    })
    .unwrap();
    let sender = ipc.clone();
    ipc.on("send.twice", move |_: &Call<'_>| {
        sender.emit("twice", &()).unwrap()
    })
    .unwrap();
    let sender = ipc.clone();
    ipc.on("script", move |call: &Call<'_>| {
        sender.eval(&call.data::<String>().unwrap()).unwrap();
    })
    .unwrap();

    let sender = ipc.clone();
    ipc.on("send.slow", move |_: &Call<'_>| {
        sender.emit("slow", &()).unwrap()
    })
    .unwrap();
    answer(ipc, "compat.count", count_events(ipc, "compat.saved"));
    answer(ipc, "ticks.echoed", count_events(ipc, "tick"));

    let count = count_events(ipc, "counted");
    answer(ipc, "count", Arc::clone(&count));
    answer(ipc, "forgeries", count_events(ipc, "forged"));
    let bye = Arc::clone(&count);
    ipc.on("expect.bye", move |_: &Call<'_>| {
        bye.store(0, Ordering::SeqCst)
    })
    .unwrap();
    answer(ipc, "bye.came", count);
}

fn answer(ipc: &Ipc, event: &str, count: Arc<AtomicU64>) {
    ipc.on(event, move |_: &Call<'_>| {
        Ok::<_, DiskFull>(count.load(Ordering::SeqCst))
    })
    .unwrap();
}

/// On one page, keeps what the page script posts: it runs before the
/// script, as no page can.
const WATCH: &str = r#"
if (location.pathname === "/watched") {
  const port = window.webkit.messageHandlers.ipc;
  window.posted = [];
  const postMessage = (text) => {
    posted.push(text);
    port.postMessage(text);
  };
  window.webkit = { messageHandlers: { ipc: { postMessage } } };
}
"#;

fn page(path: &str) -> Response<Cow<'static, [u8]>> {
    let (kind, text): (_, &[u8]) = match path {
        "/" | "/watched" | "/last" => (
            "text/html; charset=utf-8",
            b"<!doctype html><body>Checks<script src='page_checks.js' defer></script>",
        ),
        "/elsewhere" => (
            "text/html; charset=utf-8",
            b"<!doctype html><script>addEventListener('load', () => setTimeout(() => history.back(), 50))</script>",
        ),
        _ => ("text/javascript; charset=utf-8", include_bytes!("page_checks.js")),
    };
    Response::builder()
        .header("content-type", kind)
        .body(text.into())
        .unwrap()
}

fn report(checks: &[Check]) -> ExitCode {
    for Check { name, fine, seen } in checks {
        if *fine {
            println!("test {name} ... ok");
        } else {
            println!("test {name} ... FAILED: {seen}");
        }
    }
    let failed = checks.iter().filter(|check| !check.fine).count();
    if checks.len() != CHECKS {
        println!("{} checks reported, {CHECKS} were expected", checks.len());
        return ExitCode::FAILURE;
    }
    println!("\n{} checks, {failed} failed", checks.len());
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
