//! The message layer from outside: what it emits, what it refuses, and its ledger.

mod bad_input;
mod cardinality;
mod ledger;
mod model_page;
mod telemetry;
