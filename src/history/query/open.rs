//! Opens a file for reading, and finds out whose it is.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;
use crate::history::store::{APPLICATION_ID, SCHEMA_VERSION};

/// Whose file it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Spanwire,
    /// An older system's, with its table of metrics.
    MetricsStorage {
        table: String,
    },
}

/// Opens `path` read-only.
pub(super) fn read_only(path: &Path) -> Result<(Connection, Origin), OpenError> {
    exists(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags).map_err(|error| OpenError::new(path, error))?;
    match origin(&connection, path) {
        // SQLite makes a file beside one in WAL mode, which a folder may forbid. When no app has
        // left anything there, the file is whole without.
        Err(OpenError::Unreadable { .. }) if !has_wal(path) => {
            let uri = immutable_uri(path).ok_or_else(|| OpenError::NotADatabase(path.into()))?;
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            let connection = open(Path::new(&uri), flags);
            let connection = connection.map_err(|error| OpenError::new(path, error))?;
            let origin = origin(&connection, path)?;
            Ok((connection, origin))
        }
        origin => Ok((connection, origin?)),
    }
}

/// Opens `path` for cleaning; it is not created.
pub(super) fn read_write(path: &Path) -> Result<(Connection, Origin), OpenError> {
    exists(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags).map_err(|error| OpenError::new(path, error))?;
    let origin = origin(&connection, path)?;
    Ok((connection, origin))
}

fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(WAIT_MAX)?;
    // A history is foreign input: its schema may not call what the file brings along.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn exists(path: &Path) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(is) if is.is_file() => Ok(()),
        Ok(_) => Err(OpenError::NotADatabase(path.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(OpenError::Missing(path.into()))
        }
        Err(source) => Err(OpenError::Unreadable {
            path: path.into(),
            source: source.into(),
        }),
    }
}

fn origin(connection: &Connection, path: &Path) -> Result<Origin, OpenError> {
    let wrong = |error| OpenError::new(path, error);
    // At one moment: an app may be making the schema.
    let _moment = connection.unchecked_transaction().map_err(wrong)?;
    let tables = tables(connection).map_err(wrong)?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    let pragma = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let is_marked = pragma("PRAGMA application_id").map_err(wrong)? == i64::from(APPLICATION_ID);
    let is_whole = TABLES.iter().all(|table| has(table));
    if is_marked || is_whole {
        // The version is asked before the tables decide: a newer schema may have other tables.
        let found = pragma("PRAGMA user_version").map_err(wrong)?;
        if found > i64::from(SCHEMA_VERSION) {
            return Err(OpenError::NewerSchema {
                path: path.into(),
                found,
                known: i64::from(SCHEMA_VERSION),
            });
        }
    }
    if is_whole {
        return Ok(Origin::Spanwire);
    }
    // The old system's table is recognised by its columns, whatever its name is.
    for table in tables {
        let columns = columns(connection, &table).map_err(wrong)?;
        let has = |name: &str| columns.iter().any(|column| column == name);
        if has("operation") && has("duration") && has("timestamp") {
            return Ok(Origin::MetricsStorage { table });
        }
    }
    Err(OpenError::Foreign(path.into()))
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

/// The names of a table's columns, in lower case.
pub(super) fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT lower(name) FROM pragma_table_info(?)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

/// Whether something waits beside the file to be written into it.
fn has_wal(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    std::fs::metadata(wal).is_ok_and(|is| is.len() > 0)
}

/// The URI by which SQLite reads a file and makes no other beside it.
fn immutable_uri(path: &Path) -> Option<String> {
    let whole = std::path::absolute(path).ok()?;
    let mut uri = "file:".to_owned();
    let text = whole.to_str()?.replace('\\', "/");
    // A path of Windows begins with a drive, and SQLite's URI wants a slash before that.
    if !text.starts_with('/') {
        uri.push('/');
    }
    for c in text.chars() {
        match c {
            // These three have a meaning of their own in a URI.
            '%' => uri += "%25",
            '?' => uri += "%3f",
            '#' => uri += "%23",
            c => uri.push(c),
        }
    }
    Some(uri + "?immutable=1")
}

const TABLES: &[&str] = &["session", "series", "record", "rollup"];
/// A writer holds its lock for one batch.
const WAIT_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn immutable_uri_keeps_what_a_uri_would_cut_off() {
        let uri = immutable_uri(Path::new("/a b/50%?#.db")).unwrap();
        assert_eq!(uri, "file:/a b/50%25%3f%23.db?immutable=1");
    }
}
