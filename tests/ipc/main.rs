//! The message layer from outside: what it emits, what it refuses, and its ledger.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod bad_input;

mod budgets;
mod by_event;
mod calls;
mod cardinality;
mod event_names;
mod head_sampling;
mod hostile_stamps;
mod latency_attribution;
mod ledger;
mod liveness;

mod flow_control;
mod measurements;
mod observe;
mod origins;
mod page_life;
mod page_reports;
mod reentrancy;
mod responders;
mod sdk_spans;
mod span_rate;
mod startup;
mod task_spans;
mod telemetry;
mod traces;
mod transport;
