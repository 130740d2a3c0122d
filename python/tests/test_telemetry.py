"""install, and its end in all its ways."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import warnings

import pytest
from collector import Collector
from conftest import ALL_TRACES, scrape, series

import spanwire


def run_python(code: str, **env: str) -> subprocess.CompletedProcess:
    """A process of its own, which ends within two minutes."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        # From 3.12 on Python warns of each fork beside threads, which is what some of these try.
        env={**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning", **env},
    )


def test_install_serves_metrics_until_shutdown():
    with spanwire.install("paint-tool", environment={}, prometheus_port=0) as telemetry:
        assert telemetry.warnings == []
        assert spanwire.current() is telemetry
        spanwire.Measurement("fps", category="render", unit="{frame}/s").record(59.5)
        text = scrape(telemetry)
    assert "59.5" in text
    assert 'service_name="paint-tool"' in text
    assert spanwire.current() is None
    with pytest.raises(OSError):
        scrape(telemetry)


def test_second_install_has_series_of_its_own():
    kept = spanwire.monitor("py_kept")
    for runs in (1, 2):
        with spanwire.install("x", environment={}, prometheus_port=0, system=False) as telemetry:
            for _ in range(runs):
                with kept:
                    pass
            name = 'spanwire_operation_duration_seconds_count{spanwire_operation_name="py_kept"}'
            assert series(telemetry, name) == runs
            text = scrape(telemetry)
            assert "# HELP spanwire_operation_duration_seconds" in text


def test_second_install_beside_the_first_is_refused(telemetry):
    with pytest.raises(RuntimeError, match="shutdown"):
        spanwire.install("x", environment={}, prometheus_port=0)


def test_environment_is_read_and_arguments_beat_it(collector):
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_SERVICE_NAME": "from-environment",
        "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
        "SPANWIRE_SLOW_THRESHOLD_MS": "1",
        **ALL_TRACES,
    }
    with spanwire.install("x", environment=environment, slow_threshold=0.5) as telemetry:
        assert 'service_name="from-environment"' in scrape(telemetry)
        assert spanwire.slow_threshold() == 0.5
        with spanwire.monitor("py_env"):
            pass
    assert collector.span("py_env").status == 0


def test_options_reach_the_collector(collector):
    options = {
        "service_version": "2.5.0",
        "resource_attributes": {"studio.show": "castle"},
        "otlp_headers": {"authorization": "Bearer t"},
        "metrics": "prometheus,otlp",
    }
    with spanwire.install(
        "x", environment=ALL_TRACES, otlp_endpoint=collector.url, prometheus_port=0, system=False, **options
    ) as telemetry:
        with spanwire.monitor("py_options"):
            pass
        assert 'service_version="2.5.0"' in scrape(telemetry)
    [resource] = collector.resources
    assert (resource["service.version"], resource["studio.show"]) == ("2.5.0", "castle")
    assert {"/v1/traces", "/v1/metrics"} <= set(collector.requests)
    assert {headers.get("authorization") for headers in collector.headers} == {"Bearer t"}


def test_consent_is_remembered_in_its_file(tmp_path):
    options = {"environment": {}, "metrics": "none", "system": False, "consent_file": tmp_path / "consent"}
    with spanwire.install("x", paused=True, **options) as telemetry:
        assert telemetry.is_paused
        telemetry.resume()
        assert not telemetry.is_paused
    with spanwire.install("x", **options) as telemetry:
        assert not telemetry.is_paused
        telemetry.pause()
    with spanwire.install("x", **options) as telemetry:
        assert telemetry.is_paused, "the person has said no"


def test_bad_variable_is_a_python_warning():
    environment = {"OTEL_EXPORTER_PROMETHEUS_PORT": "many"}
    with pytest.warns(spanwire.SpanwireWarning, match="OTEL_EXPORTER_PROMETHEUS_PORT"):
        telemetry = spanwire.install("x", environment=environment, prometheus_port=0)
    telemetry.shutdown()
    with pytest.raises(spanwire.SpanwireError, match="OTEL_EXPORTER_PROMETHEUS_PORT"):
        spanwire.install("x", environment={**environment}, strict=True)
    assert spanwire.current() is None


def test_shutdown_reports_what_was_exported(traced, collector):
    with spanwire.monitor("py_report"):
        pass
    report = traced.shutdown()
    assert (report.spans.state, report.spans.exported, report.spans.lost) == ("otlp", 1, 0)
    assert report.metrics.state == "off"
    assert str(report).startswith("spans: 1 exported, 0 dropped, 0 lost\n")
    assert str(traced.shutdown()) == str(report)


def test_flush_brings_what_is_queued(traced, collector):
    with spanwire.monitor("py_flush"):
        pass
    traced.flush(5)
    assert collector.span("py_flush")


def test_wait_for_a_collector_leaves_the_lock_to_others():
    """A listener that takes connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "http://127.0.0.1:%d" % silent.getsockname()[1]
        telemetry = spanwire.install(
            "x", environment=ALL_TRACES, metrics="none", system=False, otlp_endpoint=url
        )
        with spanwire.monitor("py_silent"):
            pass
        ticks = []
        ended = threading.Event()

        def tick():
            while not ended.wait(0.01):
                ticks.append(None)

        ticker = threading.Thread(target=tick)
        ticker.start()
        report = telemetry.shutdown(0.5)
        ended.set()
        ticker.join()
    assert len(ticks) > 5
    assert report.spans.lost == 1


def test_spool_keeps_what_could_not_be_sent(tmp_path):
    options = {"environment": ALL_TRACES, "metrics": "none", "system": False}
    with Collector() as gone:
        url = gone.url
    with spanwire.install("x", otlp_endpoint=url, spool_dir=tmp_path, **options) as telemetry:
        with spanwire.monitor("py_spooled"):
            pass
    assert telemetry.shutdown().spans.spooled == 1
    with Collector() as back:
        with spanwire.install("x", otlp_endpoint=back.url, spool_dir=tmp_path, **options) as again:
            again.flush(10)
        assert back.span("py_spooled")


def test_pause_serves_and_records_nothing_until_resume(telemetry, tmp_path):
    paused = spanwire.monitor("py_paused")
    with paused:
        pass
    telemetry.pause()
    assert telemetry.is_paused
    with paused:
        pass
    with pytest.raises(urllib.error.HTTPError, match="503"):
        scrape(telemetry)
    with pytest.raises(spanwire.SpanwireError, match="paused"):
        telemetry.flush()
    telemetry.resume()
    name = 'spanwire_operation_duration_seconds_count{spanwire_operation_name="py_paused"}'
    assert series(telemetry, name) == 1


def test_denied_consent_cannot_be_resumed():
    environment = {"SPANWIRE_CONSENT": "denied"}
    with spanwire.install("x", environment=environment, prometheus_port=0) as telemetry:
        assert telemetry.is_paused
        with pytest.raises(spanwire.SpanwireError):
            telemetry.resume()


def test_end_of_the_interpreter_exports_what_is_queued(collector):
    code = "import spanwire; spanwire.install('x')\nwith spanwire.monitor('py_exit'): pass"
    done = run_python(
        code,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_METRICS_EXPORTER="none",
        **ALL_TRACES,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert collector.span("py_exit")


FORK = """
import os, sys, time, spanwire
telemetry = spanwire.install("x", prometheus_port=0)
monitor, queue = spanwire.monitor("py_fork"), spanwire.MessageQueue("py_fork")
with monitor:
    child = os.fork()
    if child == 0:
        with monitor as run:
            run.field("a", 1)
        spanwire.monitor("py_fork_child").record(1.0)
        assert spanwire.current() is None
        try:
            spanwire.install("y")
        except RuntimeError as error:
            assert "spawn" in str(error)
        else:
            raise AssertionError
        telemetry.flush(); telemetry.pause(); telemetry.resume()
        telemetry.shutdown()
        sys.exit(7)
status = os.waitpid(child, 0)[1]
assert os.waitstatus_to_exitcode(status) == 7, status
assert telemetry.shutdown().spans.exported == 1
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_forked_child_measures_nothing_and_ends(collector):
    done = run_python(
        FORK, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **ALL_TRACES
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [span.name for span in collector.spans] == ["py_fork"]


def _spawned(url: str) -> str:
    with spanwire.install("x", environment=ALL_TRACES, metrics="none", otlp_endpoint=url) as telemetry:
        with spanwire.monitor("py_spawned"):
            pass
    return str(telemetry.shutdown())


def test_spawned_child_measures(collector):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        report = pool.apply(_spawned, (collector.url,))
    assert "1 exported" in report
    assert collector.span("py_spawned")


def _status(key: str) -> int:
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith(key)]
    return int(line.split()[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_thousand_installs_leak_neither_memory_nor_threads(collector):
    kept = spanwire.monitor("py_thousand")

    def once():
        telemetry = spanwire.install(
            "x",
            environment=ALL_TRACES,
            prometheus_port=0,
            system=False,
            otlp_endpoint=collector.url,
        )
        with kept:
            pass
        telemetry.shutdown()

    held = [kept, spanwire.monitor, spanwire.Telemetry, spanwire.ShutdownReport, ALL_TRACES, collector.url, None]

    def python_objects():
        gc.collect()
        return len(gc.get_objects()), [sys.getrefcount(one) for one in held[:-1]]

    for _ in range(100):
        once()
    before = _status("VmRSS"), len(os.listdir("/proc/self/fd"))
    threads = _status("Threads")
    spans, objects = len(collector.spans), python_objects()
    for _ in range(900):
        once()
    after = python_objects()
    # Each run's span came once, and what the collector keeps of it is all that was added.
    assert len(collector.spans) - spans == 900
    assert after[1] == objects[1]
    assert after[0] - objects[0] < 900 * 12
    deadline = time.monotonic() + 5
    while _status("Threads") > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _status("Threads") <= threads
    assert len(os.listdir("/proc/self/fd")) <= before[1] + 4
    # What the collector of this test keeps is among it.
    assert _status("VmRSS") - before[0] < 16 * 1024


@pytest.mark.parametrize(
    ("options", "error", "names"),
    [
        ({"service_name": 5}, TypeError, "service_name"),
        ({"service_name": ""}, ValueError, "service_name"),
        ({"service_name": "x" * 256}, ValueError, "service_name"),
        ({"prometheus_port": "9464"}, TypeError, "prometheus_port"),
        ({"prometheus_port": True}, TypeError, "prometheus_port"),
        ({"prometheus_port": 65536}, ValueError, "prometheus_port"),
        ({"prometheus_port": -1}, ValueError, "prometheus_port"),
        ({"prometheus_host": 1}, TypeError, "prometheus_host"),
        ({"metrics": "statsd"}, ValueError, "metrics"),
        ({"metrics": 1}, TypeError, "metrics"),
        ({"traces": "jaeger"}, ValueError, "traces"),
        ({"logs": "x"}, ValueError, "logs"),
        ({"otlp_endpoint": 1}, TypeError, "otlp_endpoint"),
        ({"otlp_headers": ["a"]}, TypeError, "otlp_headers"),
        ({"otlp_headers": {"a": 1}}, TypeError, "otlp_headers"),
        ({"resource_attributes": "a=b"}, TypeError, "resource_attributes"),
        ({"environment": {1: "a"}}, TypeError, "environment"),
        ({"spool_dir": 1}, TypeError, "spool_dir"),
        ({"consent_file": 1}, TypeError, "consent_file"),
        ({"slow_threshold": "1"}, TypeError, "slow_threshold"),
        ({"slow_threshold": -1}, ValueError, "slow_threshold"),
        ({"system": 1}, TypeError, "system"),
        ({"paused": "no"}, TypeError, "paused"),
        ({"strict": 0}, TypeError, "strict"),
        ({"shutdown_timeout": -1}, ValueError, "shutdown_timeout"),
        ({"unknown": 1}, TypeError, "unknown"),
    ],
)
def test_bad_option_is_told_by_name(options, error, names):
    with pytest.raises(error, match=names):
        spanwire.install(**{"service_name": "x", "environment": {}, "prometheus_port": 0, **options})
    assert spanwire.current() is None


def test_no_warning_comes_without_a_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with spanwire.install("x", environment={}, prometheus_port=0):
            pass


def test_variable_that_is_no_utf8_keeps_no_app_from_starting():
    code = "import spanwire, sys\nwith spanwire.install('x', prometheus_port=0) as it: sys.exit(len(it.warnings))"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        timeout=30,
        env={**os.environb, b"LEGACY_PATH": b"/data/\xff", b"OTEL_SERVICE_NAME": b"\xe9t\xe9"},
    )
    assert ended.returncode == 0, ended.stderr.decode()


def test_two_threads_that_install_at_once_get_one_telemetry():
    for _ in range(5):
        barrier, made, refused = threading.Barrier(4), [], []

        def one():
            barrier.wait()
            try:
                made.append(spanwire.install("x", environment={}, prometheus_port=0, system=False))
            except RuntimeError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for telemetry in made:
            telemetry.shutdown()
        assert len(made) == 1 and all("at work" in text for text in refused)


def test_warning_that_is_an_error_leaves_no_telemetry_at_work():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(spanwire.SpanwireWarning):
            spanwire.install("x", environment={"OTEL_EXPORTER_PROMETHEUS_PORT": "many"}, prometheus_port=0)
    assert spanwire.current() is None
    with spanwire.install("x", environment={}, prometheus_port=0):
        pass


@pytest.mark.parametrize("seconds", [1e9, 1e15, 1.8e19])
def test_huge_time_to_wait_is_a_wait_without_end(seconds):
    telemetry = spanwire.install(
        "x",
        environment={},
        prometheus_port=0,
        slow_threshold=seconds,
        system_interval=seconds,
        shutdown_timeout=seconds,
    )
    telemetry.flush(seconds)
    telemetry.shutdown(seconds)
    spanwire.set_slow_threshold(1.0)


DAEMONS = """
import threading, time, spanwire
spanwire.install("x", prometheus_port=0, system=False)
queue, full = spanwire.MessageQueue("py_daemon"), spanwire.MessageQueue("py_daemon_full", 1, overflow="block")
full.push(0)
def pops():
    queue.pop()
def pushes():
    full.push(1)
def waits():
    while True:
        try:
            full.push(1, timeout=0.001)
        except spanwire.QueueFull:
            pass
def measures():
    while True:
        with spanwire.monitor("py_daemon"):
            time.sleep(0)
for work in [pops, pushes, waits, measures] * 4:
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.05)
"""


def test_daemon_threads_do_not_trouble_the_end_of_the_interpreter():
    for _ in range(2):
        done = run_python(DAEMONS)
        assert (done.returncode, done.stderr) == (0, "")


BUSY_FORKS = """
import os, signal, sys, threading, urllib.request, spanwire
telemetry = spanwire.install("x", prometheus_port=0, system=False)
kept = [spanwire.MessageQueue("py_kept"), spanwire.monitor("py_kept")]
done = threading.Event()
def scrape():
    while not done.is_set():
        urllib.request.urlopen(telemetry.metrics_url).read()
def work():
    while not done.is_set():
        try:
            kept[0].pop(timeout=0.0001)
        except TimeoutError:
            pass
        with kept[1]:
            pass
threads = [threading.Thread(target=scrape) for _ in range(2)] + [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
stuck = 0
for n in range(100):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        spanwire.monitor("py_child_%d" % n).record(1.0)
        spanwire.monitor("py_kept").set_slow_threshold(5.0)
        spanwire.set_slow_threshold(2.0)
        spanwire.Measurement("py_child_%d" % n).record(1.0)
        queue = spanwire.MessageQueue("py_child_%d" % n)
        queue.push(1); queue.pop()
        with kept[1]:
            pass
        kept[0].push(1)
        os._exit(0)
    stuck += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
done.set()
for thread in threads:
    thread.join()
telemetry.shutdown()
sys.exit(stuck)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_child_of_a_busy_process_is_never_stuck():
    done = run_python(BUSY_FORKS)
    assert (done.returncode, done.stderr) == (0, "")


FORKED_QUEUE = """
import os, sys, spanwire
with spanwire.install("x", prometheus_port=0, system=False):
    queue = spanwire.MessageQueue("py_forked", 2, overflow="drop_oldest")
    queue.push("parent")
    child = os.fork()
    if child == 0:
        assert len(queue) == 0 and queue.capacity == 2 and queue.name == "py_forked"
        assert [queue.push(n) for n in range(3)] == [None, None, 0]
        assert queue.drain() == [1, 2]
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert queue.pop() == "parent"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_queue_of_the_parent_is_an_empty_one_in_a_forked_child():
    done = run_python(FORKED_QUEUE)
    assert (done.returncode, done.stderr) == (0, "")


FORK_BEFORE = """
import os, sys, urllib.request, spanwire
monitor = spanwire.monitor("py_before")
with monitor:
    pass
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        with spanwire.install("child", prometheus_port=0, system=False) as telemetry:
            with monitor:
                pass
            text = urllib.request.urlopen(telemetry.metrics_url).read().decode()
        sys.exit(0 if 'spanwire_operation_duration_seconds_count{spanwire_operation_name="py_before"} 1' in text else 5)
    children.append(child)
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_child_that_was_forked_before_the_install_installs_for_itself():
    done = run_python(FORK_BEFORE)
    assert (done.returncode, done.stderr) == (0, "")


SUBINTERPRETER = """
import spanwire
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
told = "import builtins\\ntry:\\n    import spanwire\\nexcept ImportError as error:\\n    print(error, flush=True)"
interpreters.run_string(interpreters.create(), told)
with spanwire.monitor("py_main"):
    print("main", flush=True)
"""


def test_sub_interpreter_is_told_that_it_cannot_have_it():
    done = run_python(SUBINTERPRETER)
    assert done.returncode == 0, done.stderr
    told, main = done.stdout.splitlines()
    assert "interpreter" in told and main == "main"
