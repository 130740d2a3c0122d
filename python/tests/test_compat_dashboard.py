"""``MetricsCollector`` and ``DashboardServer``: each name of the older dashboard's table."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from conftest import scrape, series

import spanwire
from spanwire.compat import DashboardServer, MetricsCollector


def get(url, **headers):
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


# MetricsCollector


def test_collector_has_the_old_defaults():
    collector = MetricsCollector()
    assert (collector.sample_interval, collector.history_size) == (1.0, 300)
    collector = MetricsCollector(sample_interval=0.5, history_size=10)
    assert (collector.sample_interval, collector.history_size) == (0.5, 10)


def test_system_metrics_are_those_of_this_process():
    collector = MetricsCollector()
    collector.collect_system_metrics()
    sum(range(2_000_000))
    system = collector.collect_system_metrics()
    assert 0 <= system["cpu_percent"] <= 100
    assert system["memory_mb"] > 5
    assert 0 < system["memory_percent"] < 100
    assert system["thread_count"] >= 1
    assert system["process_count"] >= 1


def test_actions_are_counted_with_their_times(telemetry):
    collector = MetricsCollector()
    collector.record_action("py_save", 0.1, True)
    collector.record_action("py_save", duration=0.3, success=False)
    collector.set_current_action("py_load")
    collector.set_action_queue_depth(4)
    assert collector.collect_action_metrics() == {
        "total_actions": 2,
        "actions_per_minute": 2,
        "avg_duration_ms": pytest.approx(200),
        "current_action": "py_load",
        "queue_depth": 4,
        "success_rate": 50.0,
        "error_count": 1,
    }
    running = 'spanwire_operation_active{spanwire_operation_name="py_load"}'
    assert series(telemetry, running) == 1
    collector.set_current_action(None)
    assert series(telemetry, running) == 0
    assert collector.collect_action_metrics()["current_action"] is None
    name = 'spanwire_operation_duration_seconds_sum{spanwire_operation_name="py_save"}'
    assert series(telemetry, name) == pytest.approx(0.1)
    assert 'name="actions.queue_depth"' in scrape(telemetry)


def test_events_are_counted_with_their_times():
    collector = MetricsCollector()
    collector.set_event_queue_depth(3)
    collector.record_event(0.002, True)
    collector.record_event(processing_time=0.004, success=False)
    collector.set_event_queue_depth(1)
    assert collector.collect_event_metrics() == {
        "events_queued": 3,
        "events_processed": 2,
        "events_failed": 1,
        "avg_processing_ms": pytest.approx(3),
        "queue_depth": 1,
    }


def test_history_rolls_while_it_runs():
    collector = MetricsCollector(sample_interval=0.005, history_size=3)
    collector.start()
    collector.start()
    deadline = time.monotonic() + 10
    seen = set()
    while len(seen) < 5 and time.monotonic() < deadline:
        seen.update(sample["timestamp"] for sample in collector.get_history())
        time.sleep(0.001)
    collector.stop()
    collector.stop()
    assert len(seen) >= 5 and len(collector.history) == 3
    latest = collector.get_latest_metrics()
    assert latest == collector.history[-1]
    assert {"timestamp", "system", "actions", "events"} <= set(latest)
    assert json.loads(json.dumps(latest)) == latest
    assert not [t for t in threading.enumerate() if t.name == "spanwire-collector"]


def test_latest_metrics_are_taken_when_there_are_none():
    assert MetricsCollector().get_latest_metrics()["actions"]["total_actions"] == 0


# DashboardServer


def test_dashboard_serves_metrics_and_leads_to_grafana(monkeypatch):
    monkeypatch.setenv("GRAFANA_URL", "http://localhost:3999/d/spanwire")

    async def main():
        collector = MetricsCollector()
        server = DashboardServer(host="127.0.0.1", port=0, metrics_collector=collector)
        await server.start_async()
        collector.record_action("py_dash", 0.1, True)
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(None, get, server.url + "/metrics")
        assert 'spanwire_operation_name="py_dash"' in text
        latest = json.loads(await loop.run_in_executor(None, get, server.url + "/api/metrics"))
        assert latest["system"]["memory_mb"] > 1
        opener = urllib.request.build_opener(NoRedirect)
        with pytest.raises(urllib.error.HTTPError) as redirect:
            await loop.run_in_executor(None, opener.open, server.url + "/")
        assert redirect.value.code == 302
        assert redirect.value.headers["Location"] == "http://localhost:3999/d/spanwire"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            request = urllib.request.Request(server.url + "/metrics", headers={"Host": "evil.example"})
            await loop.run_in_executor(None, urllib.request.urlopen, request)
        url = server.url
        await server.stop_async()
        await server.stop_async()
        with pytest.raises(OSError):
            get(url + "/metrics")

    asyncio.run(main())
    assert spanwire.current() is None


def test_dashboard_leaves_the_apps_telemetry_at_work(telemetry):
    async def main():
        server = DashboardServer(port=0)
        await server.start_async()
        await server.stop_async()

    asyncio.run(main())
    assert spanwire.current() is telemetry
    assert scrape(telemetry)


def test_start_blocks_until_another_thread_stops_it(capsys):
    server = DashboardServer(port=0)
    blocked = threading.Thread(target=server.start)
    blocked.start()
    deadline = time.monotonic() + 10
    while server.url is None or "/metrics" not in capsys.readouterr().out:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert get(server.url + "/api/metrics") and blocked.is_alive()
    with pytest.raises(RuntimeError, match="stop it"):
        server.start()
    server.stop()
    blocked.join(10)
    assert not blocked.is_alive()


def test_taken_port_is_told_with_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(spanwire.SpanwireError, match=f"{port}.*another port"):
            DashboardServer(port=port).start()
        done = subprocess.run(
            [sys.executable, "-m", "spanwire.compat", "dashboard", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode == 1 and "another port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_blocks_until_it_is_interrupted(number):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "spanwire.compat", "dashboard", "--host", "127.0.0.1",
         "--port", "0", "--interval", "0.5", "--simulate"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OTEL_METRICS_EXPORTER": "prometheus"},
    )
    try:
        panel = [process.stdout.readline() for _ in range(6)]
        [line] = [line for line in panel if "/metrics" in line]
        url = next(word for word in line.split() if word.startswith("http"))
        deadline = time.monotonic() + 10
        while "spanwire_operation_duration_seconds" not in get(url):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("call", "error", "names"),
    [
        (lambda: MetricsCollector(sample_interval=0), ValueError, "sample_interval"),
        (lambda: MetricsCollector(sample_interval="1"), TypeError, "sample_interval"),
        (lambda: MetricsCollector(history_size=0), ValueError, "history_size"),
        (lambda: MetricsCollector(history_size=1.5), TypeError, "history_size"),
        (lambda: MetricsCollector().record_action(1, 1, True), TypeError, "name"),
        (lambda: MetricsCollector().record_action("a", -1, True), ValueError, "duration"),
        (lambda: MetricsCollector().record_event("1"), TypeError, "processing_time"),
        (lambda: MetricsCollector().set_current_action(5), TypeError, "name"),
        (lambda: MetricsCollector().set_action_queue_depth(-1), ValueError, "depth"),
        (lambda: MetricsCollector().set_event_queue_depth("1"), TypeError, "depth"),
        (lambda: DashboardServer(host=1), TypeError, "host"),
        (lambda: DashboardServer(port="80"), TypeError, "port"),
        (lambda: DashboardServer(port=65536), ValueError, "port"),
        (lambda: DashboardServer(metrics_collector=5), TypeError, "metrics_collector"),
    ],
)
def test_bad_argument_is_told_by_name(call, error, names):
    with pytest.raises(error, match=names):
        call()
