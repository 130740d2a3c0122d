//! Pause and resume, consent, and what a library may do for an app: against a receiver on a real
//! socket, a real scrape, real files and real processes.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod app;
mod library;
mod load;
mod nothing_leaves;
mod resume;
mod spool;
mod start;
