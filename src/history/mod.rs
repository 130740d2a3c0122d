//! What was measured, in a SQLite file on the machine.

mod batch;
mod counts;
mod error;
pub(crate) mod flight;
mod intake_queue;
mod log_room;
mod options;
mod private_file;
mod process_identity;
mod profile;
pub mod query;
mod recording;
pub mod report;
mod retention;
mod rollup;
mod sampling;
mod series;
mod session;
mod set_aside;
pub(crate) mod sketch;
mod slowness;
mod store;
mod time;
mod unclean_end;
mod writer;

pub use counts::HistoryReport;
pub use error::HistoryError;
pub use options::HistoryOptions;
pub use recording::{FlushError, History};
pub use sketch::sketch_with;

/// The tables of a new file.
pub const SCHEMA: &str = concat!(
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql")
);
