
-- Version 3: the CPU profile.

-- The samples of a thread in about a minute. There are few rows, and the large column is the last.
CREATE TABLE IF NOT EXISTS profile (
    session_id    INTEGER NOT NULL REFERENCES session (id),
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER NOT NULL,
    thread        TEXT    NOT NULL,
    samples       INTEGER NOT NULL,
    -- How many of these samples are in no stack below, since there was no room for it.
    left_out      INTEGER NOT NULL,
    -- JSON: {"functions": [name, …], "stacks": [[samples, function, …], …]}. A stack has its
    -- functions by their places in `functions`, the outermost first.
    stacks        TEXT    NOT NULL
) STRICT;
