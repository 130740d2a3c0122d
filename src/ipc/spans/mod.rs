//! The spans of messages: which trace they belong to, when they begin and end, and their names.

pub(super) mod handler;
pub(super) mod names;
pub(super) mod open;
pub(super) mod page;
pub(super) mod parent;
pub(super) mod timed;
pub(super) mod traceparent;
pub(super) mod tracer;
