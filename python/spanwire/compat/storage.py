"""``MetricsStorage``: runs of operations as rows of a SQLite file.

A new file has the schema of Spanwire's history (``src/history/schema.sql``, ``schema_2.sql`` and ``schema_3.sql``),
whose view ``metrics`` any program reads; a file of an older monitor, with a table ``metrics``, is used as it is.
"""

from __future__ import annotations

import atexit
import collections
import json
import logging
import os
import random
import re
import sqlite3
import threading
import time
import weakref
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from .. import _core
from ._checks import flag, number, text, utf8, whole

__all__ = ["MetricRow", "MetricsStorage", "StorageError"]

#: The version of the schema that this library writes, kept in ``PRAGMA user_version``.
SCHEMA_VERSION = 3
#: "SPWR": what tells a history of Spanwire's from other databases.
_APPLICATION_ID = 0x5350_5752
_PENDING_MAX = 10_000
#: In milliseconds: thirty years, whose nanoseconds SQLite can hold.
_DURATION_MAX = 1e12
_INTEGER_MAX = 2**63 - 1
_TRACE_ID = re.compile("[0-9a-fA-F]{32}")
_BATCH_SECONDS = 0.05
#: In nanoseconds.
_MINUTE = 60_000_000_000
_OLD_COLUMNS = {"operation", "duration", "error", "is_slow"}

_log = logging.getLogger("spanwire.compat")


class StorageError(_core.SpanwireError):
    """The database cannot be used; the text says what to do."""


class MetricRow(Dict[str, Any]):
    """A row, whose columns are keys and attributes: ``row["duration"]`` and ``row.duration``.

    ``duration`` is in milliseconds, ``timestamp`` in seconds since 1970, ``error`` and ``is_slow`` are
    bools.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class _Pending(NamedTuple):
    operation: str
    ended_at: float
    duration: float
    error_type: Optional[str]
    is_slow: bool
    thread: str
    trace_id: Optional[str]
    context: Optional[str]


class MetricsStorage:
    """Runs of operations in a SQLite file, which many threads and processes may share.

    :param db_path: the file; it is made when it is not there.
    :param timeout: how many seconds to wait for another process that has locked the file.

    :raises StorageError: when the file is no database, is newer than this library, or stays locked.

    An insert does not wait for the disk: a thread writes what waits, twenty times a second at most,
    and each read brings what waits first. 10,000 rows may wait; ``dropped`` counts what did not fit or
    could not be written.
    """

    def __init__(self, db_path: Union[str, "os.PathLike[str]"] = "metrics.db", *, timeout: float = 5.0) -> None:
        if not isinstance(db_path, (str, os.PathLike)):
            raise TypeError(f"db_path: a path is needed, not {type(db_path).__name__}")
        self.db_path = os.fspath(db_path)
        self.dropped = 0
        self._timeout = number(timeout, "timeout")
        self._pending: Deque[_Pending] = collections.deque()
        # `_lock` guards what waits and is held for moments. `_io` guards the connection, and is
        # held while SQLite waits for the disk. An insert takes `_lock` alone. A method that
        # needs both takes `_io` first.
        self._lock = threading.Lock()
        self._io = threading.RLock()
        self._wake = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._closed = False
        self._session: Optional[int] = None
        self._series: Dict[str, int] = {}
        self._is_old = False
        self._old_timestamp = False
        self._old_text = False
        self._old_default = False
        #: None in a forked child until it needs one of its own.
        self._connection: Optional[sqlite3.Connection] = self._open()
        storages.add(self)

    # Writing

    def insert_metric(
        self,
        operation: str,
        duration: float,
        error: Union[bool, str, BaseException, None] = None,
        is_slow: bool = False,
        *,
        context: Optional[Dict[str, Any]] = None,
        trace_id: Optional[str] = None,
    ) -> None:
        """Adds a run that ended now.

        :param duration: in milliseconds.
        :param error: None or False when it went well; else the exception, its type's name, or True.
        :param context: what else to keep, as JSON.
        """
        operation = text(operation, "operation")
        if number(duration, "duration") > _DURATION_MAX:
            raise ValueError(f"duration: {_DURATION_MAX:g} ms at most, not {duration}")
        if trace_id is not None and not _TRACE_ID.fullmatch(trace_id):
            raise ValueError("trace_id: 32 hexadecimal digits are needed")
        is_slow = flag(is_slow, "is_slow")
        if context is not None and not isinstance(context, dict):
            raise TypeError(f"context: a dict is needed, not {type(context).__name__}")
        row = _Pending(
            operation=operation,
            # Now and not when the row is written, which may be much later.
            ended_at=time.time(),
            duration=float(duration),
            error_type=_error_type(error),
            is_slow=is_slow,
            thread=utf8(threading.current_thread().name),
            trace_id=trace_id,
            # The caller's thread makes the JSON and not the writer's: the app may change the dict
            # after this call.
            context=json.dumps(context, default=str) if context else None,
        )
        with self._lock:
            if self._closed:
                raise StorageError(f"{self.db_path} was closed: open it again with MetricsStorage()")
            if len(self._pending) >= _PENDING_MAX:
                self.dropped += 1
                return
            self._pending.append(row)
            if self._thread is None:
                # With the first row: a storage that only reads needs no thread.
                self._start_writer()
        self._wake.set()

    def flush(self) -> None:
        """Writes what waits.

        :raises StorageError: when the file stays locked or cannot be written; the rows wait on.
        """
        with self._io:
            rows = []
            with self._lock:
                while self._pending:
                    rows.append(self._pending.popleft())
            if not rows:
                return
            try:
                self._write(rows)
            except sqlite3.Error as error:
                with self._lock:
                    # Back to the front, in their order, so that a later flush writes them.
                    self._pending.extendleft(reversed(rows))
                raise self._explained(error) from error
            except Exception:
                # One row that cannot be written must not hold up all others.
                self._write_one_by_one(rows)

    def _write_one_by_one(self, rows: List[_Pending]) -> None:
        for at, row in enumerate(rows):
            try:
                self._write([row])
            except sqlite3.Error as error:
                with self._lock:
                    self._pending.extendleft(reversed(rows[at:]))
                raise self._explained(error) from error
            except Exception:
                self.dropped += 1
                _log.warning("a row of %s cannot be written", row.operation, exc_info=True)

    def cleanup(self, older_than_seconds: float) -> int:
        """Deletes the rows that are older; returns how many those were.

        The sums of each minute stay, as with ``spanwire clean``.
        """
        number(older_than_seconds, "older_than_seconds")
        before = time.time() - older_than_seconds
        with self._io:
            self.flush()
            try:
                with self._writing() as connection:
                    if self._is_old:
                        old = [
                            row["id"]
                            for row in self._old_rows("SELECT rowid AS id, * FROM metrics", ())
                            if row["timestamp"] < before
                        ]
                        connection.executemany("DELETE FROM metrics WHERE rowid = ?", [(i,) for i in old])
                        return len(old)
                    done = connection.execute(
                        "DELETE FROM record WHERE started_at + duration < ?", (int(before * 1e9),)
                    )
                    return done.rowcount
            except sqlite3.Error as error:
                raise self._explained(error) from error

    def cleanup_old_metrics(self, days: float = 30) -> int:
        """The same in days."""
        return self.cleanup(number(days, "days") * 86_400)

    def close(self) -> None:
        """Writes what waits and closes the file; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._wake.set()
        # The writer sees `_closed` after its wait. It must be gone before the connection is.
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        with self._io:
            try:
                self.flush()
                if self._session is not None:
                    with self._writing() as connection:
                        connection.execute(
                            "UPDATE session SET seen_at = ?1, ended_at = ?1 WHERE id = ?2",
                            (time.time_ns(), self._session),
                        )
            finally:
                if self._connection is not None:
                    self._connection.close()
                storages.discard(self)

    def __enter__(self) -> MetricsStorage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Reading

    def get_metrics(self, operation: Optional[str] = None, limit: Optional[int] = None) -> List[MetricRow]:
        """The rows of the operation, or of all, the oldest first; with ``limit`` the newest so many."""
        return self._rows(operation, None, False, limit)

    def get_metrics_in_window(
        self,
        operation: Optional[str] = None,
        window_seconds: Optional[float] = None,
        filter_slow: bool = False,
    ) -> List[MetricRow]:
        """The rows of the last ``window_seconds``; ``filter_slow`` leaves the slow ones alone.

        Without a window it is ``SAMPLING_WINDOW_SECONDS``, or 3600 s.
        """
        if window_seconds is None:
            window_seconds = float(os.environ.get("SAMPLING_WINDOW_SECONDS") or 3600)
        number(window_seconds, "window_seconds")
        return self._rows(operation, window_seconds, flag(filter_slow, "filter_slow"), None)

    def get_aggregates(
        self, operation: Optional[str] = None, window_seconds: Optional[float] = None
    ) -> Dict[str, float]:
        """``count``, ``errors``, ``error_rate`` (0 to 1), ``slow_count``, and ``avg_duration``,
        ``min_duration`` and ``max_duration`` in milliseconds; all 0 without rows."""
        if window_seconds is not None:
            number(window_seconds, "window_seconds")
        found: Sequence[Any]
        if self._is_old:
            rows = self._rows(operation, window_seconds, False, None)
            durations = [row.duration for row in rows] or [0.0]
            found = (
                len(rows),
                sum(row.error for row in rows),
                sum(row.is_slow for row in rows),
                sum(durations) / len(durations),
                min(durations),
                max(durations),
            )
        else:
            where, values = self._where(operation, window_seconds, False)
            found = self._query(
                "SELECT count(*), coalesce(sum(error), 0), coalesce(sum(is_slow), 0),"
                " coalesce(avg(duration), 0), coalesce(min(duration), 0), coalesce(max(duration), 0)"
                f" FROM metrics {where}",
                values,
            )[0]
        count, errors, slow, average, least, most = tuple(found)
        return {
            "count": count,
            "errors": errors,
            "error_rate": errors / count if count else 0.0,
            "avg_duration": average,
            "min_duration": least,
            "max_duration": most,
            "slow_count": slow,
        }

    def get_error_rate(self, operation: Optional[str] = None, window_seconds: Optional[float] = None) -> float:
        """The share of failed runs, 0 to 1."""
        return self.get_aggregates(operation, window_seconds)["error_rate"]

    # Within

    def _open(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                # `isolation_level=None`: this class begins its transactions itself. Threads share
                # the connection under `_io`.
                self.db_path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._explained(error) from error
        connection.row_factory = sqlite3.Row
        try:
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise self._explained(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            # Before the first table: so that the file can become smaller.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Within the transaction: another process may be making the same file at the moment.
            [version] = connection.execute("PRAGMA user_version").fetchone()
            kinds = dict(connection.execute("SELECT name, type FROM sqlite_master").fetchall())
            if version > SCHEMA_VERSION:
                raise StorageError(
                    f"{self.db_path} has version {version} of the schema, and this library knows"
                    f" {SCHEMA_VERSION}: raise spanwire with pip, or use another file"
                )
            if kinds.get("metrics") == "table":
                self._adopt(connection)
            # A history, of this version or an older one.
            elif kinds.get("metrics") == "view" and "record" in kinds:
                pass
            elif not kinds:
                for statement in _statements(_core.HISTORY_SCHEMA):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            else:
                raise StorageError(
                    f"{self.db_path} is the database of another program, with neither a view nor a table"
                    " 'metrics': use another file"
                )
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        # Readers and the writer do not wait for each other, and a power cut loses the last rows alone.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA busy_timeout = {int(self._timeout * 1000)}")

    def _adopt(self, connection: sqlite3.Connection) -> None:
        """A file of an older monitor: rows join those that are there."""
        columns = {row["name"]: row for row in connection.execute("PRAGMA table_info(metrics)")}
        missing = sorted(_OLD_COLUMNS - set(columns))
        if missing:
            raise StorageError(
                f"{self.db_path} has a table 'metrics' without {', '.join(missing)}: use another file"
            )
        self._is_old = True
        # Its own default, if there is one, writes times as the rows before have them.
        timestamp = columns.get("timestamp")
        self._old_default = timestamp is not None and timestamp["dflt_value"] is not None
        self._old_timestamp = timestamp is not None
        declared = timestamp["type"].upper() if timestamp is not None else ""
        self._old_text = any(part in declared for part in ("TEXT", "CHAR", "DATE", "TIME"))

    def _write(self, rows: List[_Pending]) -> None:
        session = self._session
        try:
            self._write_in_one(rows)
        except BaseException:
            # What was made in there is not there.
            self._session = session
            self._series.clear()
            raise

    def _write_in_one(self, rows: List[_Pending]) -> None:
        with self._writing() as connection:
            if self._is_old:
                return self._write_old(connection, rows)
            now = time.time_ns()
            if self._session is None:
                # By chance and not in order, as the history's writer has it.
                self._session = random.SystemRandom().getrandbits(62)
                connection.execute(
                    "INSERT INTO session (id, service, version, instance, process_id, started_at, seen_at)"
                    " VALUES (?, ?, NULL, ?, ?, ?, ?)",
                    (self._session, _service(), f"{self._session:016x}", os.getpid(), now, now),
                )
            rollups: Dict[Tuple[int, int], List[Tuple[int, bool, bool]]] = {}
            for row in rows:
                duration = int(row.duration * 1e6)
                # The history has the start of a record, and a row that waits has its end.
                started_at = int(row.ended_at * 1e9) - duration
                series = self._series_of(connection, row.operation)
                minute = rollups.setdefault((series, started_at // _MINUTE), [])
                minute.append((duration, row.error_type is not None, row.is_slow))
                connection.execute(
                    "INSERT INTO record (session_id, series_id, started_at, duration, outcome, error_type,"
                    " slow, thread, trace_id, context) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        self._session,
                        series,
                        started_at,
                        duration,
                        "ok" if row.error_type is None else "error",
                        row.error_type,
                        "threshold" if row.is_slow else None,
                        row.thread,
                        # A BLOB of 16 bytes, as the history's writer has it: half of the text.
                        bytes.fromhex(row.trace_id) if row.trace_id else None,
                        row.context,
                    ),
                )
            for (series, at), runs in rollups.items():
                _add_to_rollup(connection, series, at, runs)
            connection.execute("UPDATE session SET seen_at = ? WHERE id = ?", (now, self._session))

    def _write_old(self, connection: sqlite3.Connection, rows: List[_Pending]) -> None:
        with_time = self._old_timestamp and not self._old_default
        columns = "operation, duration, error, is_slow" + (", timestamp" if with_time else "")
        marks = "?, ?, ?, ?" + (", ?" if with_time else "")
        for row in rows:
            values: List[Any] = [row.operation, row.duration, row.error_type, int(row.is_slow)]
            connection.execute(
                f"INSERT INTO metrics ({columns}) VALUES ({marks})",
                values + ([self._old_time(row.ended_at)] if with_time else []),
            )

    def _old_time(self, seconds: float) -> Union[float, str]:
        if not self._old_text:
            return seconds
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")

    def _series_of(self, connection: sqlite3.Connection, operation: str) -> int:
        known = self._series.get(operation)
        if known is None:
            connection.execute(
                # Another process may have added it since.
                "INSERT OR IGNORE INTO series (kind, name) VALUES ('operation', ?)", (operation,)
            )
            [known] = connection.execute(
                "SELECT id FROM series WHERE kind = 'operation' AND name = ? AND webview = ''", (operation,)
            ).fetchone()
            self._series[operation] = known
        return known

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _writing(self) -> _Transaction:
        return _Transaction(self._connected())

    def _forked(self) -> None:
        """In the child: neither its parent's thread is here, nor may its connection be used.

        What waits is the parent's to write, and its locks may be held by a thread that is not here.
        """
        _abandoned.append(self._connection)
        self._connection = self._session = self._thread = None
        self._pending = collections.deque()
        self._lock, self._io, self._wake = threading.Lock(), threading.RLock(), threading.Event()

    def _where(self, operation: Optional[str], window: Optional[float], slow: bool) -> Any:
        conditions: List[str] = [] if self._is_old else ["kind = 'operation'"]
        values: List[Union[str, float]] = []
        if operation is not None:
            conditions.append("operation = ?")
            values.append(text(operation, "operation"))
        if window is not None and not self._is_old:
            # The view has the start of a record, and a window asks when it ended.
            conditions.append("timestamp + duration / 1e3 >= ?")
            values.append(time.time() - window)
        if slow:
            conditions.append("is_slow")
        return ("WHERE " + " AND ".join(conditions) if conditions else ""), tuple(values)

    def _rows(
        self, operation: Optional[str], window: Optional[float], slow: bool, limit: Optional[int]
    ) -> List[MetricRow]:
        if limit is not None:
            whole(limit, "limit")
        where, values = self._where(operation, window, slow)
        if self._is_old:
            self.flush()
            rows = self._old_rows(f"SELECT rowid AS id, * FROM metrics {where}", values)
            since = None if window is None else time.time() - window
            rows = [row for row in rows if since is None or row["timestamp"] >= since]
            return rows if limit is None else rows[max(len(rows) - limit, 0) :]
        found = self._query(
            "SELECT id, operation, timestamp, duration, error, is_slow, error_type, context, thread,"
            f" trace_id FROM metrics {where} ORDER BY id DESC LIMIT ?",
            # For SQLite a negative limit is none.
            values + (-1 if limit is None else limit,),
        )
        rows = [MetricRow(dict(row)) for row in reversed(found)]
        for row in rows:
            row["error"], row["is_slow"] = bool(row["error"]), bool(row["is_slow"])
            row["context"] = json.loads(row["context"]) if row["context"] else None
        return rows

    def _old_rows(self, query: str, values: Any) -> List[MetricRow]:
        rows = []
        for found in self._query(query, values, flush=False):
            row = MetricRow(dict(found))
            row["error_type"] = row["error"] if isinstance(row["error"], str) else None
            row["error"], row["is_slow"] = bool(row["error"]), bool(row["is_slow"])
            row["timestamp"] = _seconds(row.get("timestamp"))
            rows.append(row)
        return rows

    def _query(self, query: str, values: Any, flush: bool = True) -> List[sqlite3.Row]:
        with self._io:
            if self._closed and flush:
                raise StorageError(f"{self.db_path} was closed: open it again with MetricsStorage()")
            if flush:
                self.flush()
            try:
                return self._connected().execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._explained(error) from error

    def _start_writer(self) -> None:
        # It holds the storage weakly, so that one that is forgotten can go.
        self._thread = threading.Thread(
            target=_write_on, args=(weakref.ref(self), self._wake), name="spanwire-metrics", daemon=True
        )
        self._thread.start()

    def _explained(self, error: sqlite3.Error) -> StorageError:
        path, told = self.db_path, str(error)
        if "not a database" in told or "malformed" in told:
            return StorageError(f"{path} is no SQLite database ({told}): name another file, or move it away")
        if "locked" in told or "busy" in told:
            return StorageError(
                f"{path} is locked by another program ({told}): end what holds it, or give a longer"
                " timeout= than "
                f"{self._timeout:g} s"
            )
        if "unable to open" in told:
            return StorageError(
                f"{path} cannot be opened ({told}): make sure that its folder {Path(path).absolute().parent}"
                " is there and that it may be written"
            )
        if "readonly" in told or "read-only" in told:
            return StorageError(f"{path} may not be written ({told}): change its rights or use another file")
        if "full" in told:
            return StorageError(f"{path} cannot grow ({told}): free space, or call cleanup()")
        return StorageError(f"{path} cannot be used ({told})")


class _Transaction:
    """All or nothing, and none within another."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        # Takes the file's lock now. A transaction that reads first and then writes fails at once
        # when another process wrote in between, whatever the timeout.
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, exc_type: object, *_: object) -> None:
        self._connection.execute("COMMIT" if exc_type is None else "ROLLBACK")


def _add_to_rollup(
    connection: sqlite3.Connection, series: int, minute: int, runs: List[Tuple[int, bool, bool]]
) -> None:
    """Adds to the sums of that minute, as the history's own writer does."""
    durations = [duration for duration, _, _ in runs]
    found = connection.execute(
        # One transaction, which has the lock, reads and writes the row: no other process adds in
        # between.
        "SELECT sketch FROM rollup WHERE series_id = ? AND minute = ?", (series, minute)
    ).fetchone()
    connection.execute(
        "INSERT INTO rollup (minute, series_id, count, errors, slow, sum, min, max, sketch)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (series_id, minute) DO UPDATE SET"
        " count = count + excluded.count, errors = errors + excluded.errors, slow = slow + excluded.slow,"
        f" sum = min(sum + excluded.sum, {_INTEGER_MAX}), min = min(min, excluded.min), max = max(max, excluded.max),"
        " sketch = excluded.sketch",
        (
            minute,
            series,
            len(runs),
            sum(failed for _, failed, _ in runs),
            sum(slow for _, _, slow in runs),
            min(sum(durations), _INTEGER_MAX),
            min(durations),
            max(durations),
            _core._sketch_with(found["sketch"] if found else None, durations),
        ),
    )


def _write_on(storage: weakref.ref[MetricsStorage], wake: threading.Event) -> None:
    while True:
        wake.wait()
        wake.clear()
        # The writer sleeps after the wake, so that rows that come together share a transaction.
        time.sleep(_BATCH_SECONDS)
        # Strong only for a flush, and not while it waits.
        still = storage()
        if still is None or still._closed:
            return
        try:
            still.flush()
        except StorageError:
            # The rows stay queued; the next read, flush or close raises the error.
            pass
        del still


storages: weakref.WeakSet[MetricsStorage] = weakref.WeakSet()
#: Connections of the process that this one was forked from. To close them here is not allowed either.
_abandoned: List[Optional[sqlite3.Connection]] = []


def _forked() -> None:
    for storage in list(storages):
        storage._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _close_all() -> None:
    for storage in list(storages):
        try:
            storage.close()
        except (StorageError, sqlite3.Error):
            pass


atexit.register(_close_all)


def _statements(script: str) -> List[str]:
    """One by one, since ``executescript`` would end the transaction."""
    statements, begun = [], ""
    for line in script.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            statements.append(begun)
            begun = ""
    return statements


def _service() -> str:
    from .._telemetry import current

    telemetry = current()
    return telemetry.service_name if telemetry is not None else "python"


def _error_type(error: Union[bool, str, BaseException, None]) -> Optional[str]:
    from .._errors import qualified_name

    if error is None or error is False:
        return None
    if error is True or (isinstance(error, int) and error == 1):
        return "_OTHER"
    if isinstance(error, BaseException):
        return utf8(qualified_name(type(error)))
    if isinstance(error, str):
        return utf8(error)[:256] or None
    if error == 0:
        return None
    raise TypeError(f"error: an exception, a str or a bool is needed, not {type(error).__name__}")


def _seconds(timestamp: Any) -> float:
    """A time of an older file: seconds, or a text in UTC as SQLite's own default writes it."""
    if isinstance(timestamp, (int, float)):
        return float(timestamp)
    if isinstance(timestamp, str):
        try:
            at = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
        except ValueError:
            return 0.0
        return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()
    return 0.0
