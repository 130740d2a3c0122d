"""``MetricsStorage`` and ``PerformanceMonitor``: each name of the older monitor's table."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import sys
import threading
import time

import pytest
from conftest import series

import spanwire

from spanwire.compat import MetricsStorage, PerformanceMonitor, StorageError
from spanwire.compat import storage as storage_module


@pytest.fixture
def storage(tmp_path):
    with MetricsStorage(tmp_path / "metrics.db") as storage:
        yield storage


# PerformanceMonitor


def test_hundred_milliseconds_read_as_such_without_error(storage):
    monitor = PerformanceMonitor(storage=storage)
    # A loaded machine may sleep longer, so one of a few is enough; none is shorter.
    for _ in range(20):
        with monitor.monitor("op"):
            time.sleep(0.1)
        row = storage.get_metrics("op")[-1]
        assert row["duration"] >= 90
        assert not row["error"] and not row["is_slow"]
        if row["duration"] <= 110:
            return
    pytest.fail(f"the last of 20 read {row['duration']} ms")


def test_ten_threads_give_ten_rows(storage):
    monitor = PerformanceMonitor(storage)

    def work():
        with monitor.monitor("threaded"):
            time.sleep(0.001)

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = storage.get_metrics("threaded")
    assert len(rows) == 10
    assert len({row.thread for row in rows}) == 10


def test_monitor_without_storage_measures(telemetry):
    monitor = PerformanceMonitor()
    assert monitor.storage is None
    with monitor.monitor("py_compat"):
        pass
    name = 'spanwire_operation_duration_seconds_count{spanwire_operation_name="py_compat"}'
    assert series(telemetry, name) == 1


def test_slow_threshold_is_a_second_and_can_be_set(storage):
    monitor = PerformanceMonitor(storage)
    assert monitor.slow_threshold_ms == 1000
    with monitor.monitor("op"):
        pass
    monitor.slow_threshold_ms = 0
    with monitor.monitor("op"):
        pass
    assert [row.is_slow for row in storage.get_metrics("op")] == [False, True]


def test_error_is_recorded_with_its_type_and_context_and_raised_on(storage, traced):
    monitor = PerformanceMonitor(storage)
    with pytest.raises(KeyError):
        with monitor.monitor("op", context={"layer": 5}) as run:
            raise KeyError("layer")
    [row] = storage.get_metrics("op")
    assert row.error is True and row.error_type == "KeyError"
    assert row.context == {"layer": 5}
    assert row.trace_id == run.trace_id


def test_frequent_operation_is_sampled_for_traces_and_not_for_rows(storage):
    monitor = PerformanceMonitor(storage)
    for _ in range(20):
        with monitor.monitor("often", sample_one_in=10):
            pass
    assert len(storage.get_metrics("often")) == 20


@pytest.mark.parametrize(
    ("variable", "attribute", "default"),
    [
        ("SLOW_REQUEST_THRESHOLD_MS", "slow_threshold_ms", 1000),
        ("SAMPLING_WINDOW_SECONDS", "sampling_window_seconds", 3600),
        ("ERROR_RATE_THRESHOLD", "error_rate_threshold", 0.1),
    ],
)
def test_environment_sets_the_defaults(monkeypatch, variable, attribute, default):
    monkeypatch.delenv(variable, raising=False)
    assert getattr(PerformanceMonitor(), attribute) == default
    monkeypatch.setenv(variable, "0.25")
    assert getattr(PerformanceMonitor(), attribute) == 0.25
    monkeypatch.setenv(variable, "many")
    with pytest.raises(ValueError, match=variable):
        PerformanceMonitor()


def test_window_of_the_environment_is_that_of_reading(storage, monkeypatch):
    storage.insert_metric("op", duration=1)
    monkeypatch.setenv("SAMPLING_WINDOW_SECONDS", "0")
    assert storage.get_metrics_in_window("op") == []
    monkeypatch.delenv("SAMPLING_WINDOW_SECONDS")
    assert len(storage.get_metrics_in_window("op")) == 1


def test_alert_comes_once_when_the_error_rate_passes(caplog):
    monitor = PerformanceMonitor()
    alerts = []
    monitor.on_alert = lambda operation, rate: alerts.append((operation, rate))
    for _ in range(9):
        with monitor.monitor("op"):
            pass
    with caplog.at_level(logging.WARNING, "spanwire.compat"):
        for _ in range(3):
            with pytest.raises(ValueError):
                with monitor.monitor("op"):
                    raise ValueError
    # One of ten is the threshold, two of eleven pass it.
    assert [(name, round(rate, 3)) for name, rate in alerts] == [("op", 0.182)]
    assert len(caplog.records) == 1 and "ValueError" in caplog.text


def test_failures_that_left_the_window_are_no_longer_in_the_rate(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("spanwire.compat.monitor.time.monotonic", lambda: now[0])
    monitor, alerts = PerformanceMonitor(), []
    monitor.on_alert = lambda operation, rate: alerts.append(rate)

    def run(fails):
        try:
            with monitor.monitor("op"):
                if fails:
                    raise ValueError
        except ValueError:
            pass

    run(True)
    assert alerts == [1.0]
    now[0] += 3599
    run(True)
    assert alerts == [1.0], "it has not fallen"
    now[0] += 3661
    run(False)
    run(True)
    assert alerts == [1.0, 0.5], "two runs of the last hour"


def test_block_ends_as_it_did_when_its_row_cannot_be_kept(tmp_path, caplog):
    storage = MetricsStorage(tmp_path / "metrics.db")
    storage.close()
    with PerformanceMonitor(storage).monitor("op"):
        result = 5
    assert result == 5 and "closed" in caplog.text


# MetricsStorage


def test_file_has_the_old_default_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with MetricsStorage():
        assert (tmp_path / "metrics.db").exists()
    with MetricsStorage(db_path="other.db"):
        assert (tmp_path / "other.db").exists()


def test_rows_are_read_with_sqlite3_itself(storage):
    before = time.time()
    storage.insert_metric("op", duration=12.5, error=None, is_slow=False)
    storage.insert_metric("op", 2000.0, ValueError("x"), True)
    storage.flush()
    connection = sqlite3.connect(storage.db_path)
    rows = connection.execute(
        "SELECT operation, duration, error, is_slow, timestamp FROM metrics ORDER BY id"
    ).fetchall()
    connection.close()
    assert [row[:4] for row in rows] == [("op", 12.5, 0, 0), ("op", 2000.0, 1, 1)]
    assert before - 3 < rows[1][4] < time.time()


def test_get_metrics_has_the_columns_as_keys_and_attributes(storage):
    storage.insert_metric("op", duration=1.5)
    storage.insert_metric("other", duration=2)
    [row] = storage.get_metrics("op")
    assert row["duration"] == row.duration == 1.5
    assert (row.error, row.is_slow, row.operation) == (False, False, "op")
    assert abs(row.timestamp - time.time()) < 5
    assert len(storage.get_metrics()) == 2
    assert [row.operation for row in storage.get_metrics(limit=1)] == ["other"]
    assert storage.get_metrics("none") == []


def test_get_metrics_in_window_filters_by_time_and_slowness(storage):
    storage.insert_metric("op", duration=1)
    storage.insert_metric("op", duration=3000, is_slow=True)
    assert len(storage.get_metrics_in_window("op", window_seconds=60)) == 2
    [slow] = storage.get_metrics_in_window("op", window_seconds=60, filter_slow=True)
    assert slow.duration == 3000
    time.sleep(0.05)
    assert storage.get_metrics_in_window("op", window_seconds=0.01) == []


def test_aggregates_count_errors_and_slow_ones(storage):
    for duration, error, slow in [(10, None, False), (20, "x", False), (60, None, True), (30, True, False)]:
        storage.insert_metric("op", duration=duration, error=error, is_slow=slow)
    storage.insert_metric("other", duration=999)
    assert storage.get_aggregates("op") == {
        "count": 4,
        "errors": 2,
        "error_rate": 0.5,
        "avg_duration": 30.0,
        "min_duration": 10.0,
        "max_duration": 60.0,
        "slow_count": 1,
    }
    assert storage.get_error_rate("op", window_seconds=60) == 0.5
    assert storage.get_aggregates("none")["count"] == 0
    assert storage.get_aggregates()["count"] == 5


def test_cleanup_deletes_old_rows_alone(storage):
    storage.insert_metric("op", duration=1)
    assert storage.cleanup(older_than_seconds=60) == 0
    assert storage.cleanup_old_metrics(days=1) == 0
    time.sleep(0.02)
    storage.insert_metric("op", duration=2)
    storage.flush()
    assert storage.cleanup(older_than_seconds=0.015) == 1
    assert [row.duration for row in storage.get_metrics("op")] == [2]


def test_rows_are_written_without_being_asked_for(storage):
    storage.insert_metric("op", duration=1)
    connection = sqlite3.connect(storage.db_path)
    deadline = time.monotonic() + 10
    while not connection.execute("SELECT count(*) FROM metrics").fetchone()[0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    connection.close()


def test_file_is_shared_by_two_storages(tmp_path):
    path = tmp_path / "metrics.db"
    with MetricsStorage(path) as one, MetricsStorage(path) as two:
        one.insert_metric("op", duration=1)
        two.insert_metric("op", duration=2)
        one.flush()
        two.flush()
        assert len(one.get_metrics("op")) == len(two.get_metrics("op")) == 2


def test_file_is_a_history_of_the_core(tmp_path):
    path = tmp_path / "metrics.db"
    with MetricsStorage(path) as storage:
        storage.insert_metric("op", duration=1, error=ValueError("x"))
        storage.flush()
        with spanwire.install("x", environment={}, metrics="none", history=path) as telemetry:
            assert telemetry.warnings == []
            with spanwire.monitor("op"):
                pass
        assert [row.error for row in storage.get_metrics("op")] == [True, False]


def test_rows_are_in_the_sums_of_their_minute_as_those_of_the_core(tmp_path):
    path = tmp_path / "metrics.db"
    with MetricsStorage(path) as storage:
        storage.insert_metric("op", duration=2, error=ValueError("x"))
        storage.flush()
        with spanwire.install("x", environment={}, metrics="none", history=path):
            spanwire.monitor("op").record(0.5)
        storage.insert_metric("op", duration=3000, is_slow=True)
        storage.flush()
    connection = sqlite3.connect(path)
    # The run of 3 s began in an earlier minute when the minute is young.
    sums = connection.execute(
        "SELECT sum(count), sum(errors), sum(slow), sum(sum), min(min), max(max) FROM rollup"
        " JOIN series ON series.id = series_id WHERE kind = 'operation' AND name = 'op'"
    ).fetchone()
    assert sums == (3, 1, 1, 3_502_000_000, 2_000_000, 3_000_000_000)
    records = connection.execute(
        "SELECT series_id, started_at / 60000000000, count(*) FROM record GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    minutes = connection.execute("SELECT series_id, minute, count FROM rollup ORDER BY 1, 2").fetchall()
    connection.close()
    assert minutes == records


def in_child(work):
    """What ``work`` returns in a forked child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(work()).encode())
        except BaseException as error:
            os.write(writer, json.dumps(repr(error)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as answer:
        found = json.loads(answer.read())
    os.waitpid(child, 0)
    return found


def descriptors_of(path):
    """How often this process has the file open."""
    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return sum(os.path.lexists(link) and os.readlink(link) == str(path) for link in links)


forks = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")


@forks
def test_forked_child_writes_rows_of_its_own(tmp_path):
    with MetricsStorage(tmp_path / "metrics.db") as storage:
        storage.insert_metric("op", duration=1)
        storage.flush()

        def work():
            storage.insert_metric("op", duration=2)
            storage.flush()
            return [row.duration for row in storage.get_metrics("op")]

        assert in_child(work) == [1, 2]
        storage.insert_metric("op", duration=3)
        assert sorted(row.duration for row in storage.get_metrics("op")) == [1, 2, 3]


@forks
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="only Linux tells a process's files")
@pytest.mark.parametrize("use", [MetricsStorage.get_metrics, MetricsStorage.cleanup_old_metrics])
def test_forked_child_opens_a_connection_of_its_own(tmp_path, use):
    path = tmp_path / "metrics.db"
    with MetricsStorage(path) as storage:

        def work():
            before = descriptors_of(path)
            use(storage)
            return before, descriptors_of(path)

        before, after = in_child(work)
        assert (before, after) == (1, 2)


@forks
def test_what_waits_at_a_fork_is_written_by_the_parent_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("spanwire.compat.storage._BATCH_SECONDS", 5.0)
    with MetricsStorage(tmp_path / "metrics.db") as storage:
        storage.insert_metric("op", duration=1)
        # As if the parent's thread was writing when it was forked.
        with storage._io, storage._lock:
            assert in_child(lambda: len(storage.get_metrics("op"))) == 0
        assert len(storage.get_metrics("op")) == 1
        storage._closed = True
        storage._wake.set()


@pytest.mark.parametrize("timestamp", ["REAL", "DATETIME DEFAULT CURRENT_TIMESTAMP", "TEXT"])
def test_database_of_an_older_monitor_is_used_as_it_is(tmp_path, timestamp):
    path = tmp_path / "metrics.db"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL,"
        f" duration REAL NOT NULL, error TEXT, is_slow BOOLEAN, timestamp {timestamp})"
    )
    old = {"REAL": 1.7e9, "TEXT": "2024-01-02T03:04:05"}.get(timestamp, "2024-01-02 03:04:05")
    connection.execute(
        "INSERT INTO metrics (operation, duration, error, is_slow, timestamp) VALUES ('op', 5, 'boom', 1, ?)",
        (old,),
    )
    connection.commit()
    connection.close()
    with MetricsStorage(path) as storage:
        storage.insert_metric("op", duration=7)
        first, second = storage.get_metrics("op")
        assert (first.duration, first.error, first.error_type, first.is_slow) == (5, True, "boom", True)
        assert 1.7e9 <= first.timestamp < 1.71e9
        assert (second.duration, second.error, second.is_slow) == (7, False, False)
        assert abs(second.timestamp - time.time()) < 5
        assert len(storage.get_metrics_in_window("op", window_seconds=60)) == 1
        assert storage.get_aggregates("op")["error_rate"] == 0.5
        assert storage.cleanup_old_metrics(days=30) == 1
        assert len(storage.get_metrics("op")) == 1


def test_what_is_no_database_is_told_with_what_to_do(tmp_path):
    path = tmp_path / "metrics.db"
    path.write_bytes(b"not a database, though long enough to be one" * 50)
    with pytest.raises(StorageError, match="no SQLite database.*another file"):
        MetricsStorage(path)


def test_newer_database_is_told_with_what_to_do(tmp_path):
    path = tmp_path / "metrics.db"
    MetricsStorage(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="99.*pip"):
        MetricsStorage(path)


def test_locked_database_is_told_with_what_to_do_and_rows_wait(tmp_path):
    path = tmp_path / "metrics.db"
    with MetricsStorage(path, timeout=0.05) as storage:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        storage.insert_metric("op", duration=1)
        with pytest.raises(StorageError, match="locked.*timeout"):
            storage.flush()
        with pytest.raises(StorageError, match="locked"):
            MetricsStorage(path, timeout=0.05)
        holder.execute("ROLLBACK")
        holder.close()
        assert len(storage.get_metrics("op")) == 1


def test_database_of_another_program_and_a_missing_folder_are_told(tmp_path):
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE users (name TEXT)")
    connection.close()
    with pytest.raises(StorageError, match="another program"):
        MetricsStorage(path)
    with pytest.raises(StorageError, match="folder"):
        MetricsStorage(tmp_path / "missing" / "metrics.db")
    connection = sqlite3.connect(tmp_path / "odd.db")
    connection.execute("CREATE TABLE metrics (name TEXT)")
    connection.close()
    with pytest.raises(StorageError, match="without duration, error, is_slow, operation"):
        MetricsStorage(tmp_path / "odd.db")


def test_rows_beyond_the_bound_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("spanwire.compat.storage._PENDING_MAX", 3)
    monkeypatch.setattr("spanwire.compat.storage._BATCH_SECONDS", 1.0)
    with MetricsStorage(tmp_path / "metrics.db") as storage:
        for _ in range(5):
            storage.insert_metric("op", duration=1)
        assert storage.dropped == 2
        assert len(storage.get_metrics("op")) == 3


@pytest.mark.parametrize(
    ("call", "error", "names"),
    [
        (lambda s: MetricsStorage(5), TypeError, "db_path"),
        (lambda s: MetricsStorage("x.db", timeout="1"), TypeError, "timeout"),
        (lambda s: s.insert_metric(5, duration=1), TypeError, "operation"),
        (lambda s: s.insert_metric("", duration=1), ValueError, "operation"),
        (lambda s: s.insert_metric("x" * 129, duration=1), ValueError, "operation"),
        (lambda s: s.insert_metric("op", duration="1"), TypeError, "duration"),
        (lambda s: s.insert_metric("op", duration=-1), ValueError, "duration"),
        (lambda s: s.insert_metric("op", duration=float("nan")), ValueError, "duration"),
        (lambda s: s.insert_metric("op", duration=1e300), ValueError, "duration"),
        (lambda s: s.insert_metric("op", duration=1, trace_id="zz"), ValueError, "trace_id"),
        (lambda s: s.insert_metric("op", duration=1, error=5.5), TypeError, "error"),
        (lambda s: s.insert_metric("op", duration=1, is_slow="no"), TypeError, "is_slow"),
        (lambda s: s.insert_metric("op", duration=1, context=[1]), TypeError, "context"),
        (lambda s: s.get_metrics(5), TypeError, "operation"),
        (lambda s: s.get_metrics("op", limit=-1), ValueError, "limit"),
        (lambda s: s.get_metrics_in_window("op", window_seconds="1"), TypeError, "window_seconds"),
        (lambda s: s.get_metrics_in_window("op", window_seconds=-1), ValueError, "window_seconds"),
        (lambda s: s.get_metrics_in_window("op", filter_slow="no"), TypeError, "filter_slow"),
        (lambda s: s.cleanup("1"), TypeError, "older_than_seconds"),
        (lambda s: PerformanceMonitor("metrics.db"), TypeError, "storage"),
        (lambda s: PerformanceMonitor(s).monitor(5).__enter__(), TypeError, "operation"),
        (lambda s: PerformanceMonitor(s).monitor("").__enter__(), ValueError, "operation"),
    ],
)
def test_bad_argument_is_told_by_name(storage, call, error, names):
    with pytest.raises(error, match=names):
        call(storage)


@pytest.mark.parametrize("kind", ["new", "old"])
def test_row_that_sqlite_cannot_hold_stops_no_other(tmp_path, kind):
    path = tmp_path / "metrics.db"
    if kind == "old":
        with sqlite3.connect(path) as old:
            old.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, operation TEXT, duration REAL,"
                        " error TEXT, is_slow INTEGER, timestamp REAL)")
    with MetricsStorage(path) as storage:
        storage.insert_metric("op \udcff", duration=1)
        storage.insert_metric("op", duration=1, error="bad \udcff")
        storage.insert_metric("op", duration=2, context={"file": "\udcff"})
        for _ in range(20):
            storage.insert_metric("huge", duration=1e12)
        storage._pending.append(storage_module._Pending("\udcff", 0, 0, None, False, "", None, None))
        storage.insert_metric("op", duration=3)
        assert storage.get_metrics("op")[-1].duration == 3
        assert len(storage.get_metrics("op \udcff")) == 1
        assert len(storage.get_metrics()) == 24
        assert storage.dropped == 1
