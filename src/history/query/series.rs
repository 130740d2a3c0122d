//! What is measured, by its names.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

/// What is measured: all records of one kind, name and webview.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Series {
    /// `operation`, `current_operation`, `call`, `event_in`, `event_out`, `reply`, `startup`,
    /// `page_load`, `page_error` or `system`.
    pub kind: String,
    /// The operation's or message's name. Of a page error: the event whose listener threw, or else
    /// what it is, such as `uncaught`.
    pub name: String,
    /// The webview; empty where there is none.
    pub webview: String,
}

/// Those of a file, by the number that its rows name them by.
pub(in crate::history) fn every_series(
    connection: &Connection,
) -> rusqlite::Result<HashMap<i64, Arc<Series>>> {
    let mut statement = connection.prepare("SELECT id, kind, name, webview FROM series")?;
    let rows = statement.query_map([], |row| {
        let series = Series {
            kind: row.get(1)?,
            name: row.get(2)?,
            webview: row.get(3)?,
        };
        Ok((row.get(0)?, Arc::new(series)))
    })?;
    rows.collect()
}
