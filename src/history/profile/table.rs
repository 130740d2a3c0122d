//! The profile in the file: written, read, and deleted at its bound.

use rusqlite::{Connection, Transaction, params};

use super::stacks::{ProfilePeriod, StackTable, ThreadStacks};

pub(crate) fn write(
    transaction: &Transaction<'_>,
    periods: &[ProfilePeriod],
    session: i64,
) -> rusqlite::Result<()> {
    for period in periods {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO profile (session_id, started_at, ended_at, thread, samples, left_out, \
             stacks) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for thread in &period.threads {
            let stacks = serde_json::to_string(&thread.table)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            insert.execute(params![
                session,
                period.started_at,
                period.ended_at,
                thread.thread,
                i64::try_from(thread.samples).unwrap_or(i64::MAX),
                i64::try_from(thread.left_out).unwrap_or(i64::MAX),
                stacks,
            ])?;
        }
    }
    Ok(())
}

/// Deletes the oldest period of what is more than `bytes_max`, and returns how many rows that was.
pub(crate) fn delete_surplus(connection: &Connection, bytes_max: u64) -> rusqlite::Result<usize> {
    // `octet_length` takes the length of a text from the row's header. `length` would read and
    // decode all the stacks.
    let sql = "SELECT coalesce(sum(?1 + octet_length(stacks)), 0) FROM profile";
    let bytes: i64 = connection
        .prepare_cached(sql)?
        .query_row([ROW_BYTES], |row| row.get(0))?;
    match u64::try_from(bytes).unwrap_or(0) > bytes_max {
        true => delete_oldest(connection),
        false => Ok(0),
    }
}

/// Deletes the oldest period, of whatever run, and returns how many rows that was.
pub(crate) fn delete_oldest(connection: &Connection) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM profile WHERE started_at = (SELECT min(started_at) FROM profile)";
    connection.prepare_cached(sql)?.execute([])
}

/// Gives each row of the period to `take`, the newest first. A row that is damaged counts as one
/// whose stacks found no room.
pub(crate) fn read(
    connection: &Connection,
    from: i64,
    to: i64,
    mut take: impl FnMut(ThreadStacks),
) -> rusqlite::Result<()> {
    // A file of an earlier version has no such table.
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'profile'";
    if connection.query_row(sql, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(());
    }
    let mut statement = connection.prepare(
        "SELECT thread, samples, left_out, stacks FROM profile \
         WHERE ended_at >= ?1 AND started_at < ?2 ORDER BY started_at DESC, rowid LIMIT ?3",
    )?;
    let mut rows = statement.query(params![from, to, ROWS_MAX])?;
    while let Some(row) = rows.next()? {
        let number = |column: usize| -> rusqlite::Result<u64> {
            Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
        };
        let samples = number(1)?;
        let text: String = row.get(3)?;
        let (table, left_out) = match serde_json::from_str::<StackTable>(&text) {
            Ok(table) => (table, number(2)?),
            Err(_) => (StackTable::default(), samples),
        };
        take(ThreadStacks {
            thread: row.get(0)?,
            samples,
            left_out,
            table,
        });
    }
    Ok(())
}

/// What a row takes beside its stacks, about.
const ROW_BYTES: i64 = 64;
/// Rows of a report: a day of ten threads.
const ROWS_MAX: i64 = 15_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = include_str!("../schema_3.sql");

    fn period(started_at: i64, name: &str) -> ProfilePeriod {
        ProfilePeriod {
            started_at,
            ended_at: started_at + 10,
            epoch: 0,
            threads: vec![ThreadStacks {
                thread: "main".to_owned(),
                samples: 3,
                left_out: 1,
                table: StackTable {
                    functions: vec![name.to_owned()],
                    stacks: vec![vec![2, 0]],
                },
            }],
        }
    }

    fn written(periods: &[ProfilePeriod]) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        // As the writer has it: there is no table of sessions.
        connection
            .execute_batch("PRAGMA foreign_keys = OFF")
            .unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let transaction = connection.transaction().unwrap();
        write(&transaction, periods, 7).unwrap();
        transaction.commit().unwrap();
        connection
    }

    fn names(connection: &Connection, from: i64, to: i64) -> Vec<String> {
        let mut names = Vec::new();
        read(connection, from, to, |row| {
            names.extend(row.table.functions)
        })
        .unwrap();
        names
    }

    #[test]
    fn what_was_written_is_read_again_the_newest_first() {
        let periods = [period(100, "a"), period(200, "b"), period(300, "c")];
        let connection = written(&periods);
        let mut rows = Vec::new();
        read(&connection, 0, 1_000, |row| rows.push(row)).unwrap();
        let expected = periods.into_iter().flat_map(|period| period.threads).rev();
        assert_eq!(rows, expected.collect::<Vec<_>>());
        assert_eq!(names(&connection, 205, 300), ["b"]);
        assert_eq!(names(&connection, 211, 301), ["c"]);
    }

    #[test]
    fn damaged_row_counts_as_left_out() {
        let connection = written(&[period(100, "a")]);
        connection
            .execute("UPDATE profile SET stacks = '{'", [])
            .unwrap();
        let mut rows = Vec::new();
        read(&connection, 0, 1_000, |row| rows.push(row)).unwrap();
        let row = rows.first().unwrap();
        assert_eq!((row.samples, row.left_out), (3, 3));
    }

    #[test]
    fn oldest_periods_go_above_the_bound_and_none_below() {
        let name = "n".repeat(1_000);
        let periods: Vec<_> = (0..10).map(|n| period(n * 100, &name)).collect();
        let connection = written(&periods);
        while delete_surplus(&connection, 5_500).unwrap() > 0 {}
        let sql = "SELECT count(*), min(started_at) FROM profile";
        let left: (i64, i64) = connection
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(left, (5, 500));
    }

    #[test]
    fn file_of_an_earlier_version_has_none() {
        let connection = Connection::open_in_memory().unwrap();
        assert!(names(&connection, 0, 1_000).is_empty());
    }
}
