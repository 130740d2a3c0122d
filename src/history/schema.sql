-- Version 1 of a history file. Times are nanoseconds since the Unix epoch, durations nanoseconds.

-- One run of an app: several may write to one file.
CREATE TABLE session (
    id            INTEGER PRIMARY KEY,
    service       TEXT    NOT NULL,
    version       TEXT,
    instance      TEXT    NOT NULL,
    process_id    INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    -- The last write: what a killed app had written until then.
    seen_at       INTEGER NOT NULL,
    -- NULL while the app runs, and when it was killed.
    ended_at      INTEGER
) STRICT;

-- What is measured, once: 'operation', 'current_operation', 'call', 'event_in', 'event_out', 'reply',
-- 'startup', 'page_load', 'page_error', 'system'. `webview` is '' where there is none.
CREATE TABLE series (
    id            INTEGER PRIMARY KEY,
    kind          TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    webview       TEXT    NOT NULL DEFAULT '',
    UNIQUE (kind, name, webview)
) STRICT;

-- A row for each operation, call, event, startup phase and page error, also for what was refused.
CREATE TABLE record (
    id            INTEGER PRIMARY KEY,
    session_id    INTEGER NOT NULL REFERENCES session (id),
    series_id     INTEGER NOT NULL REFERENCES series (id),
    started_at    INTEGER NOT NULL,
    duration      INTEGER NOT NULL,
    -- 'ok', 'error', 'cancelled', 'timeout', 'dropped'. All but the first and 'cancelled' count as
    -- errors: who gives something up does not fail.
    outcome       TEXT    NOT NULL,
    error_type    TEXT,
    -- NULL when it was not slow; else why: 'threshold' or 'slower_than_usual'.
    slow          TEXT,
    -- Its stages, as far as they are known.
    page_wait     INTEGER,
    transit       INTEGER,
    queue_wait    INTEGER,
    handler       INTEGER,
    response      INTEGER,
    size          INTEGER,
    thread        TEXT,
    trace_id      BLOB,
    -- A JSON object of what the app added.
    context       TEXT,
    -- How many like it this row stands for.
    weight        REAL    NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX record_by_series ON record (series_id, started_at);
CREATE INDEX record_by_time ON record (started_at);
-- The slow and the failed are few among many, and are asked for most. A query over millions of
-- records reads these alone, and then the rows that it shows. Their statistics need these columns.
CREATE INDEX record_slow ON record (started_at, series_id, duration, slow, outcome, weight)
    WHERE slow IS NOT NULL;
CREATE INDEX record_failed ON record (started_at, series_id, duration, outcome, slow, weight)
    WHERE outcome NOT IN ('ok', 'cancelled');

-- A row for each minute and series, kept longer than the records. Exact: sampling does not touch it.
CREATE TABLE rollup (
    -- Minutes since the Unix epoch.
    minute        INTEGER NOT NULL,
    series_id     INTEGER NOT NULL REFERENCES series (id),
    count         INTEGER NOT NULL,
    errors        INTEGER NOT NULL,
    slow          INTEGER NOT NULL,
    sum           INTEGER NOT NULL,
    min           INTEGER NOT NULL,
    max           INTEGER NOT NULL,
    -- The distribution of durations in microseconds: an HdrHistogram, V2.
    sketch        BLOB    NOT NULL,
    PRIMARY KEY (series_id, minute)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollup_by_time ON rollup (minute);

-- Samples of the process, its webview's processes and the host; `series` names the metric.
CREATE TABLE sample (
    session_id    INTEGER NOT NULL REFERENCES session (id),
    series_id     INTEGER NOT NULL REFERENCES series (id),
    taken_at      INTEGER NOT NULL,
    value         REAL    NOT NULL
) STRICT;
CREATE INDEX sample_by_series ON sample (series_id, taken_at);
CREATE INDEX sample_by_time ON sample (taken_at);

-- The records as people and other programs read them: names joined, milliseconds.
CREATE VIEW metrics AS
    SELECT record.id, kind, name AS operation, webview, service,
           started_at / 1e9 AS timestamp, duration / 1e6 AS duration,
           outcome NOT IN ('ok', 'cancelled') AS error, slow IS NOT NULL AS is_slow,
           outcome, error_type, slow AS slow_reason, page_wait / 1e6 AS page_wait,
           transit / 1e6 AS transit, queue_wait / 1e6 AS queue_wait, handler / 1e6 AS handler,
           response / 1e6 AS response, size, thread, lower(hex(trace_id)) AS trace_id, context,
           weight, session_id
    FROM record
    JOIN series ON series.id = record.series_id
    JOIN (SELECT id AS session, service FROM session) ON session = record.session_id;
