//! Runs of the app that did not end by themselves, which the next start reports, once.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};

use super::flight::{LAST_MINUTE, NEWEST_LOOKS};
use super::process_identity::is_running;
use super::session::Session;
use super::store::Store;
use super::time::{SECOND, utc};

/// A run of the app that did not end by itself, and how to look at its last minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UncleanEnd {
    path: PathBuf,
    service: String,
    process_id: u32,
    started_at: i64,
    /// When it was there for the last time.
    seen_at: i64,
    /// Further ones before it.
    others: usize,
}

/// Runs whose last minute is kept.
const RUNS_KEPT: i64 = 10;

impl Store {
    /// A run begins: it is in the file from here on. Returns the newest run of the same app that did
    /// not end by itself, unless an earlier start reported it.
    pub(crate) fn begin(
        &mut self,
        session: &Session,
        now: i64,
    ) -> rusqlite::Result<Option<UncleanEnd>> {
        let path = self.path.clone();
        // Of two that start at once, one reports it.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        session.write(&transaction, now)?;
        let mut found = unreported(&transaction, session)?;
        found.retain(|run| !is_running(run.process_id, &run.process_key, run.seen_at, now));
        for run in &found {
            transaction.execute(
                "UPDATE run SET reported_at = ?2 WHERE session_id = ?1",
                params![run.id, now],
            )?;
            // A run that runs keeps several minutes, and the report of its end shows the last one.
            transaction.execute(
                "DELETE FROM flight WHERE session_id = ?1 AND taken_at < ?2",
                params![run.id, run.seen_at.saturating_sub(LAST_MINUTE)],
            )?;
        }
        // SQLite takes `OFFSET` only after `LIMIT`, and `LIMIT -1` is none.
        transaction.execute(
            "DELETE FROM flight WHERE session_id IN (SELECT session_id FROM run \
             WHERE reported_at IS NOT NULL ORDER BY reported_at DESC LIMIT -1 OFFSET ?1)",
            [RUNS_KEPT],
        )?;
        transaction.commit()?;
        let others = found.len().saturating_sub(1);
        let newest = found.into_iter().max_by_key(|run| run.seen_at);
        Ok(newest.map(|run| UncleanEnd {
            path,
            service: session.service.clone(),
            process_id: run.process_id,
            started_at: run.started_at,
            seen_at: run.seen_at,
            others,
        }))
    }
}

/// A run that is not known to have ended.
struct OpenRun {
    id: i64,
    process_id: u32,
    process_key: String,
    started_at: i64,
    /// When it was there for the last time. The session's own `seen_at` never goes back, also when
    /// the clock does, so the flight recorder knows better.
    seen_at: i64,
}

fn unreported(connection: &Connection, session: &Session) -> rusqlite::Result<Vec<OpenRun>> {
    // Sessions of schema version 1 have no row in `run`, so the join leaves them out: their process
    // cannot be identified. A run may have ended before its first look was written, hence the LEFT
    // JOIN. Apps may share a file, and each reports its own runs.
    let mut statement = connection.prepare(&format!(
        "SELECT session.id, process_id, process_key, started_at, coalesce(taken_at, seen_at) \
         FROM session JOIN run ON run.session_id = session.id \
         LEFT JOIN {NEWEST_LOOKS} AS newest ON newest.session_id = session.id \
         WHERE ended_at IS NULL AND reported_at IS NULL AND session.id <> ?1 AND service = ?2"
    ))?;
    let rows = statement.query_map(params![session.id, session.service], |row| {
        Ok(OpenRun {
            id: row.get(0)?,
            process_id: row.get(1)?,
            process_key: row.get(2)?,
            started_at: row.get(3)?,
            seen_at: row.get(4)?,
        })
    })?;
    rows.collect()
}

impl UncleanEnd {
    /// The command that makes the report of its last minute.
    pub(crate) fn command(&self) -> String {
        let from = self.seen_at.saturating_sub(LAST_MINUTE);
        let since = from.max(self.started_at);
        // The last record may have begun in the last second.
        let until = self.seen_at.saturating_add(2 * SECOND);
        format!(
            "spanwire report {} --since {} --until {}",
            quoted(&self.path),
            utc(since),
            utc(until)
        )
    }
}

impl fmt::Display for UncleanEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} did not end by itself: its process {} was last seen at {}, after a start at {}; it \
             crashed, or was killed or shut off",
            self.service,
            self.process_id,
            utc(self.seen_at),
            utc(self.started_at),
        )?;
        match self.others {
            0 => {}
            1 => f.write_str(", and so did the run before it")?,
            others => write!(f, ", and so did {others} runs before it")?,
        }
        write!(f, "; its last minute is shown by: {}", self.command())
    }
}

/// A path as a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/\\._-:+,@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.into_owned(),
        // A file name on Windows cannot have a double quote.
        false if cfg!(windows) => format!("\"{text}\""),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unclean_end_is_described_with_its_time_and_the_command_of_its_last_minute() {
        let end = UncleanEnd {
            path: "my app/history.db".into(),
            service: "paint-tool".into(),
            process_id: 4242,
            started_at: 951_782_400 * SECOND,
            seen_at: 951_782_500 * SECOND + 1,
            others: 0,
        };
        expect_test::expect!["paint-tool did not end by itself: its process 4242 was last seen at 2000-02-29T00:01:40Z, after a start at 2000-02-29T00:00:00Z; it crashed, or was killed or shut off; its last minute is shown by: spanwire report 'my app/history.db' --since 2000-02-29T00:00:40Z --until 2000-02-29T00:01:42Z"]
            .assert_eq(&end.to_string());
        assert!(
            UncleanEnd { others: 3, ..end }
                .to_string()
                .contains("3 runs before")
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_path_is_one_word_of_the_shell() {
        assert_eq!(quoted(Path::new("/tmp/history.db")), "/tmp/history.db");
        assert_eq!(quoted(Path::new("it's")), r"'it'\''s'");
    }
}
