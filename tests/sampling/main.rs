//! Tail sampling, from spans as an app and its page make them to a receiver on a real socket.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod decisions;
mod memory;
#[path = "../ipc/model_page.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod model_page;
mod rig;
#[path = "../ipc/stamped_page.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod stamped_page;
#[path = "../support/mod.rs"]
mod support;
mod ten_thousand;
mod threads;
mod through_the_wire;
