
-- Version 2: the flight recorder. What it writes once a second survives a process that is killed.

-- How to tell whether the process of a session still runs.
CREATE TABLE IF NOT EXISTS run (
    session_id    INTEGER PRIMARY KEY REFERENCES session (id),
    -- Tells the process from a later one with its number; '' where nothing does.
    process_key   TEXT    NOT NULL,
    -- When a later run of the app was told that this one did not end by itself.
    told_at       INTEGER
) STRICT;

-- The state of the process, its pages and what was open, once a second: of the last minutes of a
-- run, of the last minute of one that did not end by itself, and nothing of one that did. There are
-- few rows, so there is no index, which would cost as much as the rows.
CREATE TABLE IF NOT EXISTS flight (
    session_id    INTEGER NOT NULL REFERENCES session (id),
    taken_at      INTEGER NOT NULL,
    -- 'process' (the app, or processes of the webview), 'page', or what is open for a second or
    -- longer: 'operation', 'handler' (of a message, while it holds its thread), 'call'.
    subject       TEXT    NOT NULL,
    -- Of a process: 'app', or the sort of the webview's process. Of a page: its webview.
    name          TEXT    NOT NULL,
    webview       TEXT    NOT NULL DEFAULT '',
    -- Of a page: 'loading', 'ready', 'unresponsive', 'gone', 'closed'.
    state         TEXT,
    -- Of a page: how long nothing was heard from it.
    silent        INTEGER,
    queued        INTEGER,
    in_flight     INTEGER,
    in_flight_age INTEGER,
    -- For how long the UI thread has not answered. NULL: it did, or is not watched.
    ui_blocked    INTEGER,
    -- Bytes of a process.
    resident      INTEGER,
    -- Of what is open: how long, how many of it, and the thread of one.
    age           INTEGER,
    count         INTEGER,
    thread        TEXT
) STRICT;
