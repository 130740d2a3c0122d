//! The message layer from outside: what it emits, what it refuses, and its ledger.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod bad_input;
mod blame;
mod budgets;
mod cardinality;
mod head_sampling;
mod hostile_stamps;
mod ledger;
mod life;
mod measurements;
mod model_page;
mod origins;
mod reentrancy;
mod sdk_spans;
mod span_rate;
mod stamped_page;
mod telemetry;
mod traces;
mod transport;
mod window;
