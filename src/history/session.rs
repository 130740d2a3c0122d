//! One run of the app, as the file knows it.

use std::process;

use rusqlite::{Connection, params};

use super::process_identity::own_key;

/// This process in the file.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: i64,
    pub(crate) service: String,
    pub(crate) version: Option<String>,
    pub(crate) instance: String,
    pub(crate) started_at: i64,
}

impl Session {
    pub(crate) fn new(
        service: String,
        version: Option<String>,
        instance: Option<String>,
        started_at: i64,
    ) -> Self {
        let mut random = [0; 8];
        if getrandom::fill(&mut random).is_err() {
            // Unique enough without: a process starts once in a nanosecond.
            random = started_at.to_le_bytes();
        }
        // By chance and not in order: no process gets the id of a session that was deleted.
        let id = i64::from_le_bytes(random) & (i64::MAX >> 1);
        Self {
            id,
            service,
            version,
            instance: instance.unwrap_or_else(|| format!("{id:016x}")),
            started_at,
        }
    }

    /// Says that the app is there; returns whether the file did not know it: this is its first write,
    /// or another process deleted everything.
    ///
    /// No record is younger than its session was seen, also after the clock was put back: a session
    /// that is too old has no records.
    pub(crate) fn write(&self, connection: &Connection, now: i64) -> rusqlite::Result<bool> {
        let is_known = connection
            .prepare_cached("SELECT 1 FROM session WHERE id = ?1")?
            .exists([self.id])?;
        connection
            .prepare_cached(
                "INSERT INTO session (id, service, version, instance, process_id, started_at, \
                 seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                 ON CONFLICT (id) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at), \
                 ended_at = NULL",
            )?
            .execute(params![
                self.id,
                self.service,
                self.version,
                self.instance,
                process::id(),
                self.started_at,
                now,
            ])?;
        // This process runs, whatever another one reported of it.
        connection
            .prepare_cached(
                "INSERT INTO run (session_id, process_key) VALUES (?1, ?2) \
                 ON CONFLICT (session_id) DO UPDATE SET reported_at = NULL WHERE reported_at IS NOT NULL",
            )?
            .execute(params![self.id, own_key()])?;
        Ok(!is_known)
    }
}
