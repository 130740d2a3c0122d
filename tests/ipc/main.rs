//! The message layer from outside: what it emits, what it refuses, and its ledger.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod bad_input;
mod cardinality;
mod ledger;
mod model_page;
mod reentrancy;
mod telemetry;
mod traces;
mod transport;
mod window;
