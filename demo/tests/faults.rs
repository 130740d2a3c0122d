//! Each fault of the demo, in its real window: what the alert reads changes, and it is well again
//! when the fault is over.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use spanwire_testkit::scrape::{Sample, scrape};
use spanwire_testkit::virtual_display::on_display;

const MESSAGES: &str = "spanwire_ipc_messages_total";
const DELAYS: &str = "spanwire_main_thread_delay_seconds_count";

#[test]
fn each_fault_shows_in_what_its_alert_reads_and_ends() {
    let mut demo = DemoWithConsole::start(&["--drive", "--faults"]);
    demo.until("the page is there", |now| is_in_state(now, "ready"));
    messages(&mut demo);
    queues(&mut demo);
    ui_thread(&mut demo);
    page_process(&mut demo);
    process(&mut demo);
    the_console_says_what_there_is(&mut demo);
}

#[test]
fn a_window_that_hangs_from_the_start_ends_in_time() {
    let mut demo = DemoWithConsole::start(&["--fault", "hung-ui", "--for", "6s"]);
    demo.says("fault hung-ui: started");
    assert!(demo.child.wait().unwrap().success());
}

#[test]
fn a_window_whose_time_is_up_before_its_page_is_there_begins_no_fault() {
    let mut demo = DemoWithConsole::start(&["--fault", "hung-ui", "--for", "300ms"]);
    demo.ends();
}

#[test]
fn a_busy_console_does_not_keep_a_fault_from_ending() {
    let mut demo = DemoWithConsole::start(&["--faults", "--fault", "hung-ui", "--for", "6s"]);
    demo.says("fault hung-ui: started");
    demo.typed
        .as_mut()
        .unwrap()
        .write_all(b"start \xff\n")
        .unwrap();
    demo.says("fault: that is no text");
    let mut typed = demo.typed.take().unwrap();
    // It ends with the demo, whose end of the pipe is gone then.
    std::thread::spawn(move || while typed.write_all(&b"stop leak\n".repeat(100)).is_ok() {});
    demo.ends();
}

#[test]
fn a_demo_that_is_killed_leaves_no_page_that_stands_still() {
    let mut demo = DemoWithConsole::start(&["--faults"]);
    demo.until("the page is there", |now| is_in_state(now, "ready"));
    let pages = demo.page_processes();
    assert!(!pages.is_empty());
    demo.begin("frozen-page");
    for pid in &pages {
        // A signal is on its way when it has been sent.
        wait_until("it stands still", || state_of(*pid).as_deref() == Some("T"));
    }
    kill("-KILL", demo.pid);
    for pid in pages {
        wait_until("it goes on", || state_of(pid).as_deref() != Some("T"));
    }
}

fn messages(demo: &mut DemoWithConsole) {
    let failed = |now: &[Sample]| sum(now, MESSAGES, &[("error_type", "handler_error")]);
    let before = demo.scrape();
    demo.begin("failing-handler");
    demo.until("a tenth of the messages fails", |now| {
        let all = sum(now, MESSAGES, &[]) - sum(&before, MESSAGES, &[]);
        let failed = failed(now) - failed(&before);
        failed >= 10.0 && failed > 0.1 * all
    });
    demo.end("failing-handler");
    demo.until_at_rest("no handler fails", failed);

    let slow = |now: &[Sample]| above(now, "spanwire_ipc_handler_duration_seconds", "1");
    let before = demo.scrape();
    demo.begin("slow-handler");
    demo.until("handlers take more than a second", |now| {
        slow(now) - slow(&before) >= 3.0
    });
    demo.end("slow-handler");
    // Those that run still take two seconds.
    demo.until("all calls are answered", |now| {
        let calls = |direction| {
            let labels = [
                ("spanwire_ipc_event", "fault.slow"),
                ("spanwire_ipc_direction", direction),
            ];
            sum(now, MESSAGES, &labels)
        };
        calls("inbound") == calls("outbound")
    });
    demo.until_at_rest("no handler is slow", slow);

    let given_up = |now: &[Sample]| {
        let labels = [
            ("spanwire_ipc_event", "fault.silent"),
            ("error_type", "timeout"),
        ];
        sum(now, "spanwire_ipc_call_duration_seconds_count", &labels)
    };
    demo.begin("silent-handler");
    demo.until("calls are given up", |now| given_up(now) >= 3.0);
    demo.end("silent-handler");
    demo.until_at_rest("no call is given up", given_up);

    let late = |now: &[Sample]| above(now, "spanwire_ipc_delivery_duration_seconds", "0.1");
    let before = demo.scrape();
    demo.begin("slow-listener");
    demo.until("messages come late", |now| late(now) - late(&before) >= 3.0);
    // By a timer that comes late: WebKit has no long tasks.
    let busy = |now: &[Sample]| sum(now, "spanwire_page_long_task_duration_seconds_sum", &[]);
    demo.until("its page is known to be busy", |now| {
        busy(now) - busy(&before) >= 1.0
    });
    demo.end("slow-listener");
    demo.until_at_rest("the page is not kept busy", |now| {
        sum(now, MESSAGES, &[("spanwire_ipc_event", "fault.busy")])
    });

    let errors =
        |now: &[Sample], kind| sum(now, "spanwire_page_errors_total", &[("error_type", kind)]);
    demo.begin("failing-page");
    demo.until("the page tells of each error", |now| {
        ["listener_error", "uncaught", "unhandled_rejection"]
            .iter()
            .all(|kind| errors(now, kind) > 0.0)
    });
    let named = [
        ("error_type", "listener_error"),
        ("spanwire_ipc_event", "fault.throw"),
    ];
    let now = demo.scrape();
    assert_eq!(
        sum(&now, "spanwire_page_errors_total", &named),
        errors(&now, "listener_error"),
        "each says of which event it is"
    );
    demo.end("failing-page");
    demo.until_at_rest("no listener throws", |now| errors(now, "listener_error"));
}

fn queues(demo: &mut DemoWithConsole) {
    let dropped = |now: &[Sample]| sum(now, MESSAGES, &[("error_type", "queue_full")]);
    demo.begin("full-queue");
    demo.until("messages are dropped", |now| dropped(now) >= 1_000.0);
    demo.end("full-queue");
    demo.until("the rest is delivered", |now| {
        let done = sum(
            now,
            MESSAGES,
            &[
                ("spanwire_ipc_event", "fault.flood"),
                ("spanwire_outcome", "ok"),
            ],
        );
        fill(now, "main") == 0.0 && done >= 9_000.0
    });
    demo.until_at_rest("no message is dropped", dropped);

    let refused = |now: &[Sample]| {
        let labels = [
            ("spanwire_queue_name", "imports"),
            ("error_type", "queue_full"),
        ];
        sum(now, "spanwire_queue_messages_total", &labels)
    };
    demo.begin("stuck-importer");
    demo.until("imports wait", |now| fill(now, "imports") > 0.8);
    assert_eq!(refused(&demo.scrape()), 0.0, "none is dropped");
    demo.end("stuck-importer");
    demo.until("no import waits", |now| fill(now, "imports") == 0.0);

    demo.begin("import-flood");
    demo.until("imports are refused", |now| refused(now) > 0.0);
    demo.end("import-flood");
    demo.until("no import waits", |now| fill(now, "imports") == 0.0);
    demo.until_at_rest("no import is refused", refused);
}

fn ui_thread(demo: &mut DemoWithConsole) {
    let blocked = |now: &[Sample]| {
        let labels = [("spanwire_ipc_event", "fault.block")];
        sum(now, "spanwire_main_thread_blocked_total", &labels)
    };
    let late = |now: &[Sample]| above(now, "spanwire_main_thread_delay_seconds", "0.1");
    let before = demo.scrape();
    demo.begin("blocked-ui");
    demo.until("more than one wake of 20 waits", |now| {
        let wakes = sum(now, DELAYS, &[]) - sum(&before, DELAYS, &[]);
        let late = late(now) - late(&before);
        blocked(now) >= 4.0 && late >= 4.0 && late > wakes / 20.0
    });
    demo.end("blocked-ui");
    demo.until_at_rest("no handler blocks", blocked);

    demo.begin("hung-ui");
    // Each look is a wake, once a second at most.
    demo.until_at_rest("no wake is answered", |now| sum(now, DELAYS, &[]));
    let hung = demo.scrape();
    demo.end("hung-ui");
    demo.until("wakes are answered", |now| {
        sum(now, DELAYS, &[]) >= sum(&hung, DELAYS, &[]) + 3.0
    });
}

fn page_process(demo: &mut DemoWithConsole) {
    demo.begin("frozen-page");
    demo.until("the page does not answer", |now| {
        is_in_state(now, "unresponsive")
    });
    demo.end("frozen-page");
    demo.until("it answers", |now| is_in_state(now, "ready"));

    let starts = |now: &[Sample]| {
        let labels = [
            ("spanwire_ipc_event", "session.start"),
            ("spanwire_ipc_direction", "inbound"),
        ];
        sum(now, MESSAGES, &labels)
    };
    let before = demo.scrape();
    demo.begin("dead-page");
    demo.until("the page is gone", |now| {
        let crashed = [("error_type", "page_crashed")];
        is_in_state(now, "gone")
            && sum(now, "spanwire_page_errors_total", &crashed) == 1.0
            && sum(now, MESSAGES, &[("error_type", "page_gone")]) > 0.0
    });
    demo.end("dead-page");
    demo.until("another page is there, and has what was worth it", |now| {
        is_in_state(now, "ready")
            && starts(now) > starts(&before)
            && sum(now, "spanwire_ipc_retries_total", &[]) > 0.0
    });

    let inert = |now: &[Sample]| sum(now, "spanwire_page_inert", &[]);
    let before = demo.scrape();
    demo.begin("empty-page");
    demo.until("the page does nothing and answers", |now| {
        inert(now) == 1.0 && is_in_state(now, "ready")
    });
    demo.end("empty-page");
    demo.until("the page is back", |now| {
        inert(now) == 0.0 && starts(now) > starts(&before)
    });
}

fn process(demo: &mut DemoWithConsole) {
    const OPERATIONS: &str = "spanwire_operation_duration_seconds_count";
    let failed = |now: &[Sample]| sum(now, OPERATIONS, &[("error_type", "io::Error")]);
    let before = demo.scrape();
    demo.begin("failing-operation");
    demo.until("a tenth of the operations fails", |now| {
        let all = sum(now, OPERATIONS, &[]) - sum(&before, OPERATIONS, &[]);
        let failed = failed(now) - failed(&before);
        failed >= 10.0 && failed > 0.1 * all
    });
    demo.end("failing-operation");
    demo.until_at_rest("no operation fails", failed);

    const MIB: f64 = 1_048_576.0;
    let memory = |now: &[Sample]| sum(now, "process_memory_usage_bytes", &[]);
    let before = memory(&demo.scrape());
    demo.begin("leak");
    // The alert's least is 64 MiB and a fifth.
    demo.until("the app grows", |now| {
        memory(now) > before + 200.0 * MIB && memory(now) > 1.2 * before
    });
    demo.end("leak");
    demo.until("it shrinks", |now| memory(now) < before + 64.0 * MIB);
}

fn the_console_says_what_there_is(demo: &mut DemoWithConsole) {
    demo.types("start nothing");
    demo.says("fault: there is no \"nothing\"; there are failing-handler, ");
    demo.types("stop leak");
    demo.says("fault leak: is not on");
    demo.begin("leak");
    demo.types("start leak");
    demo.says("fault leak: is on already");
    demo.types("list");
    demo.says("fault leak              on ");
    demo.end("leak");
    // The end of its input is not the end of it.
    demo.typed = None;
    let before = demo.scrape();
    demo.until("the page goes on", |now| {
        sum(now, MESSAGES, &[]) > sum(&before, MESSAGES, &[])
    });
}

/// The sum of the series that have these labels.
fn sum(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    samples
        .iter()
        .filter(|sample| sample.name == name)
        .filter(|sample| {
            labels
                .iter()
                .all(|(key, value)| sample.label(key) == *value)
        })
        .map(|sample| sample.value)
        .sum()
}

/// How many of a histogram's values are above a bound.
fn above(samples: &[Sample], histogram: &str, bound: &str) -> f64 {
    let below = sum(samples, &format!("{histogram}_bucket"), &[("le", bound)]);
    sum(samples, &format!("{histogram}_count"), &[]) - below
}

fn fill(samples: &[Sample], queue: &str) -> f64 {
    let of = |name| sum(samples, name, &[("spanwire_queue_name", queue)]);
    of("spanwire_queue_size") / of("spanwire_queue_capacity")
}

fn is_in_state(samples: &[Sample], state: &str) -> bool {
    sum(
        samples,
        "spanwire_page_state",
        &[("spanwire_page_state", state)],
    ) == 1.0
}

/// The demo in a window, and whoever sits before it.
struct DemoWithConsole {
    child: Child,
    typed: Option<ChildStdin>,
    lines: Receiver<String>,
    metrics: SocketAddr,
    /// Its own, since the child is `xvfb-run`.
    pid: u32,
}

impl DemoWithConsole {
    fn start(args: &[&str]) -> Self {
        let mut child = on_display()
            .arg(env!("CARGO_BIN_EXE_spanwire-demo"))
            .args(["--port", "0", "--interval", "1h"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("xvfb-run is there: scripts/install-packages test");
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(10_000);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                println!("{line}");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut demo = Self {
            typed: child.stdin.take(),
            child,
            lines,
            metrics: ([127, 0, 0, 1], 0).into(),
            pid: 0,
        };
        let line = demo.says("metrics");
        let (_, addr) = line.split_once("http://").unwrap();
        demo.metrics = addr.strip_suffix("/metrics").unwrap().parse().unwrap();
        let samples = demo.scrape();
        let target = samples.iter().find(|sample| sample.name == "target_info");
        demo.pid = target.unwrap().label("process_pid").parse().unwrap();
        demo
    }

    fn types(&mut self, line: &str) {
        writeln!(self.typed.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line that begins like this.
    fn says(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("it does not say {start:?}"));
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Waits for its end, and hears what it says meanwhile.
    fn ends(&mut self) {
        wait_until("it ends", || {
            while self.lines.try_recv().is_ok() {}
            self.child.try_wait().unwrap().is_some()
        });
        assert!(self.child.wait().unwrap().success());
    }

    fn begin(&mut self, fault: &str) {
        self.types(&format!("start {fault}"));
        self.says(&format!("fault {fault}: started"));
    }

    fn end(&mut self, fault: &str) {
        self.types(&format!("stop {fault}"));
        self.says(&format!("fault {fault}: stopped"));
    }

    fn scrape(&self) -> Vec<Sample> {
        scrape(self.metrics)
    }

    fn until(&self, what: &str, holds: impl Fn(&[Sample]) -> bool) {
        wait_until(what, || holds(&self.scrape()));
    }

    /// Waits until a value does not change from one look to the second after it.
    fn until_at_rest(&self, what: &str, value: impl Fn(&[Sample]) -> f64) {
        let mut last = Vec::new();
        wait_until(what, || {
            last.push(value(&self.scrape()));
            last.last_chunk::<8>()
                .is_some_and(|last| last.iter().all(|value| *value == last[0]))
        });
    }

    fn page_processes(&self) -> Vec<u32> {
        let pids = fs::read_dir("/proc").unwrap();
        let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // `pid (name) state ppid …`, and a name is cut to 15 bytes.
            let Some((name, rest)) = stat.rsplit_once(") ") else {
                return false;
            };
            let parent = rest.split(' ').nth(1);
            name.ends_with("(WebKitWebProces") && parent == Some(&self.pid.to_string())
        })
        .collect()
    }
}

impl Drop for DemoWithConsole {
    fn drop(&mut self) {
        // `xvfb-run` ends with it, and takes its display along.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill("-KILL", self.pid);
            let _ = self.child.wait();
        }
    }
}

/// Looks four times a second.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let looks = PATIENCE.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        if holds() {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("not after {PATIENCE:?}: {what}");
}

/// `T` for a process that was stopped; `None` for one that is gone.
fn state_of(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').next().map(str::to_owned)
}

fn kill(signal: &str, pid: u32) {
    let _ = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
}

/// On a machine that others keep busy all of it takes longer.
const PATIENCE: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(250);
