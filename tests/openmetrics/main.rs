//! `/metrics` as OpenMetrics, read by the format's reference parser and by a real Prometheus; and
//! which exemplars are in it.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod app;
mod exemplars;
mod format;
mod prometheus;
