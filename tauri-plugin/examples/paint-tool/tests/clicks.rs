//! The example in a real window, clicked through WebDriver: what its page says of its commands, its
//! metrics and its traces are the same.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test may panic and print, and shares files with another"
)]

#[path = "window/counts.rs"]
mod counts;
#[path = "window/driver.rs"]
mod driver;
#[path = "window/page.rs"]
mod page;
#[path = "window/patience.rs"]
mod patience;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::virtual_display;

use crate::counts::{Counts, counted, of_metrics, of_traces, same};
use crate::driver::{Driver, free_port};
use crate::patience::wait;

/// Tells the process that has a display from the one that gives it one.
const HAS_DISPLAY: &str = "PAINT_TOOL_HAS_DISPLAY";

/// Each with how it ends.
const CLICKS: [(&str, &str); 5] = [
    ("open_drawing", "ok"),
    ("blur", "ok"),
    ("open_drawing", "ok"),
    ("save", "handler_error"),
    ("open_drawing", "ok"),
];

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        println!("clicks_are_the_same_in_the_page_in_metrics_and_in_traces: test");
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(HAS_DISPLAY).is_none() {
        return virtual_display::run(virtual_display::command().env(HAS_DISPLAY, "1"));
    }
    clicks_are_the_same_in_the_page_in_metrics_and_in_traces();
    println!("test clicks_are_the_same_in_the_page_in_metrics_and_in_traces ... ok");
    ExitCode::SUCCESS
}

fn clicks_are_the_same_in_the_page_in_metrics_and_in_traces() {
    let receiver = Receiver::start();
    let folder = Folder::new("clicks");
    let prometheus = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let driver = Driver::start(
        Path::new(env!("CARGO_BIN_EXE_paint-tool")),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.url()),
            ("OTEL_TRACES_SAMPLER", "always_on"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_METRICS_EXPORTER", "prometheus"),
            (
                "OTEL_EXPORTER_PROMETHEUS_PORT",
                &prometheus.port().to_string(),
            ),
            ("XDG_CONFIG_HOME", folder.path().to_str().unwrap()),
        ],
    );
    for (command, _) in CLICKS {
        page::click(&driver, command);
    }
    let of_page = of_page(&page::lines(&driver));
    let clicked = CLICKS.map(|(command, how)| (command.to_owned(), how.to_owned()));
    assert_eq!(of_page, counted(clicked), "the page's own count");

    wait("metrics", || same(&of_page, &of_metrics(prometheus)));
    wait("traces", || same(&of_page, &of_traces(&receiver.spans())));
}

/// `save: failed: no room for valley after 3 ms`
fn of_page(lines: &[String]) -> Counts {
    counted(lines.iter().map(|line| {
        let (command, how) = line.split_once(": ").unwrap();
        let how = if how.starts_with("failed") {
            "handler_error"
        } else {
            "ok"
        };
        (command.to_owned(), how.to_owned())
    }))
}
