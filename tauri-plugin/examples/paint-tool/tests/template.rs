//! An app that create-tauri-app made, with the plugin's one line: clicks on its button are in metrics and
//! traces.
//!
//! `make tauri-templates` makes the app, names it in `TEMPLATE_APP`, and runs this.

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
#[path = "window/patience.rs"]
mod patience;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use serde_json::json;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::receiver::Receiver;
use spanwire_testkit::virtual_display;

use crate::counts::{counted, of_metrics, of_traces, same};
use crate::driver::{Driver, free_port};
use crate::patience::wait;

/// Tells the process that has a display from the one that gives it one.
const HAS_DISPLAY: &str = "PAINT_TOOL_HAS_DISPLAY";

const CLICKS: usize = 3;

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        println!("clicks_in_a_template_are_traced: test");
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(HAS_DISPLAY).is_none() {
        return virtual_display::run(virtual_display::command().env(HAS_DISPLAY, "1"));
    }
    clicks_in_a_template_are_traced();
    println!("test clicks_in_a_template_are_traced ... ok");
    ExitCode::SUCCESS
}

fn clicks_in_a_template_are_traced() {
    let app = std::env::var_os("TEMPLATE_APP").expect("`make tauri-templates` names the app");
    let receiver = Receiver::start();
    let folder = Folder::new("template");
    let prometheus = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let driver = Driver::start(
        Path::new(&app),
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
    driver.act("#greet-input", "value", &json!({ "text": "Ada" }));
    for _ in 0..CLICKS {
        driver.click("button[type=submit]");
    }
    wait("the greeting", || {
        let text = driver.run("return document.body.innerText;").to_string();
        text.contains("Hello, Ada!").then_some(()).ok_or(text)
    });
    let clicked = counted((0..CLICKS).map(|_| ("greet".to_owned(), "ok".to_owned())));
    wait("metrics", || same(&clicked, &of_metrics(prometheus)));
    wait("traces", || same(&clicked, &of_traces(&receiver.spans())));
}
