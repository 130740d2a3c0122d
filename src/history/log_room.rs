//! The write-ahead log stays within the file's bound, also while a program reads.

use std::fs;

use super::retention::pragma;
use super::set_aside::with_suffix;
use super::store::{PAGE_BYTES, Store};

impl Store {
    /// Whether the file and its log stay within their bound with one batch more.
    ///
    /// A program that holds on to what it read keeps the log from being emptied. Until that ends, the
    /// log grows into the room that the database does not use, and no further.
    pub(crate) fn has_room_in_log(&self) -> rusqlite::Result<bool> {
        // `Bounds::rows_max` keeps the largest batch to about the length of the log.
        let batch = self.bounds.wal;
        if self.log_bytes() <= self.bounds.wal {
            return Ok(true);
        }
        self.checkpoint();
        let log = self.log_bytes();
        if log <= self.bounds.wal {
            return Ok(true);
        }
        let pages = pragma(&self.connection, "page_count")?;
        let database = pages.saturating_mul(PAGE_BYTES).saturating_add(batch);
        let database = database.min(self.bounds.database);
        Ok(log + batch + database <= self.bounds.all())
    }

    /// Brings the log back into the database when it outgrew its bound, which a reader that takes
    /// its time can cause.
    pub(crate) fn bound_wal(&self) {
        // The log keeps its length after a checkpoint, and to cut it costs another one.
        if self.log_bytes() > self.bounds.wal / 2 * 3 {
            self.checkpoint();
        }
    }

    fn log_bytes(&self) -> u64 {
        let log = with_suffix(&self.path, "-wal");
        fs::metadata(log).map_or(0, |metadata| metadata.len())
    }
}
