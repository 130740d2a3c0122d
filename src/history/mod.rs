//! What was measured, in a SQLite file on the machine.

pub mod query;
pub(crate) mod sketch;

/// The tables of a new file.
pub const SCHEMA: &str = include_str!("schema.sql");
