//! Tail sampling, from spans as an app and its page make them to a receiver on a real socket.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod decisions;
mod fixture;
mod ipc;
mod memory;
mod ten_thousand_traces;
mod threads;
mod usual;
