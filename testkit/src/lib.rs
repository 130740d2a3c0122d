//! What the tests of the library and of the demo share: peers on real sockets, pages without a
//! webview, child processes, and scenarios in real windows. Each test binary uses a part of it.
#![allow(
    clippy::unwrap_used,
    reason = "what fails here fails the test that uses it"
)]

pub mod active_handlers;
pub mod authority;
pub mod child_process;
pub mod counters;
pub mod environment;
pub mod example;
pub mod faulty_collector;
pub mod folder;
#[cfg(feature = "window")]
pub mod harness;
pub mod local_recorder;
pub mod model_page;
pub mod openmetrics;
pub mod prometheus;
pub mod receiver;
pub mod reliability;
pub mod scrape;
pub mod spooling_process;
pub mod sqlite;
pub mod stamped_page;
pub mod trace_stages;
pub mod virtual_display;
pub mod zip_file;
