//! One click on the example's button is one trace in a real Jaeger.
//!
//! `make test-stack` builds Jaeger and runs this, and nothing else does.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test may panic and print, and shares files with another"
)]

#[path = "window/driver.rs"]
mod driver;
#[path = "window/page.rs"]
mod page;
#[path = "window/patience.rs"]
mod patience;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde_json::Value;
use spanwire_testkit::folder::Folder;
use spanwire_testkit::virtual_display;

use crate::driver::Driver;
use crate::patience::wait;

const HAS_DISPLAY: &str = "PAINT_TOOL_HAS_DISPLAY";

/// Where `deploy/jaeger/jaeger.yml` takes traces, and where it answers.
const OTLP: &str = "http://127.0.0.1:14318";
const API: &str = "http://127.0.0.1:16686/api/traces?service=paint-tool&lookback=1h&limit=50";

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        println!("one_click_is_one_trace_in_jaeger: test");
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(HAS_DISPLAY).is_none() {
        return virtual_display::run(virtual_display::command().env(HAS_DISPLAY, "1"));
    }
    one_click_is_one_trace_in_jaeger();
    println!("test one_click_is_one_trace_in_jaeger ... ok");
    ExitCode::SUCCESS
}

fn one_click_is_one_trace_in_jaeger() {
    let folder = Folder::new("jaeger");
    let _jaeger = Jaeger::up(folder.path().join("stack"));
    let driver = Driver::start(
        Path::new(env!("CARGO_BIN_EXE_paint-tool")),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", OTLP),
            ("OTEL_TRACES_SAMPLER", "always_on"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("XDG_CONFIG_HOME", folder.path().to_str().unwrap()),
        ],
    );
    page::click(&driver, "open_drawing");
    let trace = wait("the click's trace", || {
        let traces = traces()?;
        let of_click: Vec<_> = traces
            .iter()
            .filter(|spans| spans.iter().any(is_click))
            .collect();
        match of_click[..] {
            [spans] if spans.len() == 4 => Ok(spans.clone()),
            _ => Err(format!("{traces:?}")),
        }
    });
    let of = |kind: &str| trace.iter().find(|span| span.kind == kind).unwrap();
    let (client, server) = (of("client"), of("server"));
    let (reply, process) = (of("internal"), of("consumer"));
    assert_eq!(client.parent, None);
    assert_eq!(
        (&*client.name, &*server.name),
        ("open_drawing", "open_drawing")
    );
    assert_eq!(server.parent.as_ref(), Some(&client.id));
    assert_eq!(reply.name, "reply open_drawing");
    assert_eq!(reply.parent.as_ref(), Some(&server.id));
    assert_eq!(process.name, "process open_drawing");
    assert_eq!(process.parent.as_ref(), Some(&reply.id));
}

fn is_click(span: &Span) -> bool {
    span.name == "open_drawing"
}

/// A span as Jaeger tells it.
#[derive(Clone, Debug)]
struct Span {
    id: String,
    name: String,
    kind: String,
    parent: Option<String>,
}

fn traces() -> Result<Vec<Vec<Span>>, String> {
    let mut answer = ureq::get(API).call().map_err(|error| error.to_string())?;
    let text = answer.body_mut().read_to_string();
    let text = text.map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let span = |span: &Value| Span {
        id: text(&span["spanID"]),
        name: text(&span["operationName"]),
        kind: list(&span["tags"])
            .iter()
            .find(|tag| tag["key"] == "span.kind")
            .map_or_else(|| "internal".to_owned(), |tag| text(&tag["value"])),
        parent: list(&span["references"])
            .first()
            .map(|parent| text(&parent["spanID"])),
    };
    let spans = |trace: &Value| list(&trace["spans"]).iter().map(span).collect();
    Ok(list(&value["data"]).iter().map(spans).collect())
}

/// Jaeger, as `make stack` starts it; it ends with this.
struct Jaeger {
    data: PathBuf,
}

impl Jaeger {
    fn up(data: PathBuf) -> Self {
        let jaeger = Self { data };
        jaeger.script("up");
        jaeger
    }

    fn script(&self, what: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let status = Command::new(root.join("scripts/stack"))
            .args([what, "jaeger"])
            .env("SPANWIRE_STACK_DIR", &self.data)
            .status()
            .unwrap();
        assert!(status.success(), "scripts/stack {what} jaeger");
    }
}

impl Drop for Jaeger {
    fn drop(&mut self) {
        self.script("down");
    }
}
