//! Questions to a history file: which records, how slow, how often, and what changed.
//!
//! [`HistoryReader::open`] opens a file read-only, also while an app writes to it. Statistics come
//! from the roll-ups wherever a [`Filter`] allows it, so they are exact and quick however many
//! records were sampled away or have expired.
//!
//! ```no_run
//! use spanwire::history::query::{Filter, HistoryReader};
//!
//! let history = HistoryReader::open("history.db")?;
//! for series in history.stats(&Filter::new().name("save*"))? {
//!     println!("{} {:?}", series.series.name, series.p95);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cleanup;
mod compare;
mod distribution;
mod error;
mod filter;
mod import;
mod open;
mod reader;
mod record;
mod series;
mod significance;
mod stats;
mod tally;

pub use cleanup::{Cleaned, Cleanup, CleanupError};
pub use compare::{Certainty, Change, Comparison, SeriesChange, compare};
pub use error::{ImportError, OpenError, QueryError};
pub use filter::Filter;
pub use import::{Imported, import, import_with_progress};
pub use reader::HistoryReader;
pub use record::{Record, Records, Stages};
pub use series::Series;
pub(super) use series::every_series;
pub use stats::{SeriesStats, TrendPoint};
