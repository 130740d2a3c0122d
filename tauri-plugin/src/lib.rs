//! OpenTelemetry traces and metrics of a Tauri app, with one line.
//!
//! ```no_run
//! # fn run(context: tauri::Context) -> tauri::Result<()> {
//! tauri::Builder::default()
//!     .plugin(tauri_plugin_spanwire::init("paint-tool"))
//!     .run(context)
//! # }
//! ```
//!
//! Every command then has a trace, from the page's call until its promise is settled, and metrics, in
//! a debug build at `http://127.0.0.1:9464/metrics`: how long it took, on which thread, how it ended, and how large it
//! was, under the names that Spanwire's dashboards and alerts know. So have the events of the page,
//! and those that Rust sends to pages which listen to them. `OTEL_EXPORTER_OTLP_ENDPOINT` says where
//! traces go; [`Builder`] and `plugins.spanwire` in `tauri.conf.json` say more.
//!
//! Nothing of the app's security changes: Tauri checks the invoke key, the origin and the
//! permissions of each command itself. The plugin needs no capability. A page may turn telemetry off and
//! on ([`Builder::ask_first`]), and have a report written (`Builder::report_to`, with the feature
//! `report`), only where a capability of the app allows it.
//!
//! [`instrument`] sees more, channels above all. [`traced`] is for where that way is closed, and [`Way`] says which one is in use.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod app_telemetry;
mod builder;
mod call;
mod channels;
#[cfg(feature = "async-spans")]
mod command_span;
mod commands;
mod diagnostics;
mod events;
mod extension;
mod instrument;
mod page;
mod page_script;
mod plugin;
mod plugin_state;
mod protocol;
#[cfg_attr(
    not(feature = "report"),
    expect(
        dead_code,
        reason = "the command is there in any case, and says why it can do nothing"
    )
)]
mod reports;
mod seam_scope;
mod semantics;
mod settings;
mod subscriptions;
mod traced;
mod tracked;
mod way;
#[cfg(target_os = "linux")]
mod web_process;
mod webviews;

use tauri::Runtime;

pub use builder::Builder;
#[cfg(feature = "async-spans")]
pub use command_span::CommandSpan;
pub use extension::SpanwireExt;
pub use instrument::instrument;
pub use plugin::Spanwire;
pub use settings::PageTraces;
pub use traced::traced;
pub use way::{Because, Way};

/// The plugin with its defaults, for the app of that name: register it first.
#[must_use = "give it to tauri::Builder::plugin"]
pub fn init<R: Runtime>(service_name: impl Into<String>) -> Spanwire<R> {
    Builder::new(service_name).build()
}
