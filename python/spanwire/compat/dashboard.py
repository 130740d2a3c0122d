"""``DashboardServer``: ``/metrics`` for Prometheus, and the way to Grafana, which draws.

There is no page of our own: the dashboards for Grafana come with Spanwire (``spanwire export
grafana``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, List, Optional, Tuple

from .._core import SpanwireError
from .._telemetry import Telemetry, current, install
from ._checks import number, text, whole
from .collector import MetricsCollector

__all__ = ["DashboardServer", "main"]

_GRAFANA = "http://localhost:3000"


class DashboardServer:
    """Serves ``/metrics``, ``/api/metrics`` (the collector's latest sample as JSON) and ``/``, which
    leads to Grafana.

    :param host: where it listens; ``127.0.0.1`` by default, which other machines do not reach.
    :param port: 8080 by default; 0 takes a free one: see :attr:`url`.
    :param metrics_collector: a :class:`MetricsCollector`; None makes one.

    ``GRAFANA_URL`` says where Grafana is (``http://localhost:3000``). Where ``spanwire.install`` was
    not called, the server does it and shuts that down when it stops.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8080,
        metrics_collector: Optional[MetricsCollector] = None,
    ) -> None:
        self.host = text(host, "host", 255)
        self.port = whole(port, "port")
        if self.port > 65535:
            raise ValueError(f"port: 0 to 65535, not {port}")
        if metrics_collector is not None and not hasattr(metrics_collector, "get_latest_metrics"):
            raise TypeError(
                f"metrics_collector: a MetricsCollector is needed, not {type(metrics_collector).__name__}"
            )
        self.metrics_collector = metrics_collector or MetricsCollector()
        self.grafana_url = os.environ.get("GRAFANA_URL") or _GRAFANA
        self._server: Optional[ThreadingHTTPServer] = None
        self._thread: Optional[threading.Thread] = None
        self._own: Optional[Telemetry] = None

    @property
    def url(self) -> Optional[str]:
        """Where it listens; None while it does not."""
        if self._server is None:
            return None
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Serves until Ctrl-C, SIGTERM or :meth:`stop`; it blocks.

        :raises SpanwireError: when the port is taken or the address is not this machine's.
        """
        self._begin()
        ended = threading.Event()
        before = None
        if threading.current_thread() is threading.main_thread():
            # Python allows this on the main thread alone.
            before = signal.signal(signal.SIGTERM, lambda *_: ended.set())
        print(self._panel(), flush=True)
        try:
            # In short waits: `stop` on another thread sets no event.
            while not ended.wait(0.2) and self._server is not None:
                pass
        except KeyboardInterrupt:
            pass
        finally:
            if before is not None:
                signal.signal(signal.SIGTERM, before)
            self.stop()

    def stop(self) -> None:
        """Ends it, also from another thread; a second call does nothing."""
        # `stop` takes the server before it closes it: of two threads that call `stop`, only one
        # finds a server.
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.metrics_collector.stop()
        if self._own is not None:
            self._own.shutdown()
            self._own = None

    async def start_async(self) -> None:
        """Serves from now on, beside the event loop; errors as :meth:`start`."""
        await asyncio.get_running_loop().run_in_executor(None, self._begin)

    async def stop_async(self) -> None:
        """Ends it without holding up the event loop."""
        await asyncio.get_running_loop().run_in_executor(None, self.stop)

    def _begin(self) -> None:
        if self._server is not None:
            raise RuntimeError("the server runs already: stop it first")
        try:
            # The server binds its port before `install`: if the port is taken, there is nothing to
            # undo.
            server = _Server((self.host, self.port), _handler(self))
        except OSError as error:
            raise SpanwireError(
                f"{self.host}:{self.port} cannot be listened at ({error.strerror or error}): is another"
                " dashboard running? Give another port="
            ) from error
        if current() is None:
            # Any free port: `/metrics` of this server reads it on loopback.
            self._own = install("spanwire-dashboard", prometheus_port=0)
        self._server = server
        self.metrics_collector.start()
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="spanwire-dashboard", daemon=True
        )
        self._thread.start()

    def _panel(self) -> str:
        lines = [
            "Spanwire",
            f"metrics  {self.url}/metrics   for Prometheus to scrape",
            f"grafana  {self.grafana_url}   its dashboards: spanwire export grafana",
            "Ctrl-C ends it",
        ]
        width = max(map(len, lines))
        edge = "+" + "-" * (width + 2) + "+"
        return "\n".join([edge, *(f"| {line:<{width}} |" for line in lines), edge])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Elsewhere the option lets two servers share a port.
    allow_reuse_address = os.name == "posix"


def _handler(dashboard: DashboardServer) -> Any:
    class Handler(BaseHTTPRequestHandler):
        server_version = "spanwire"
        sys_version = ""
        # In seconds. Without a timeout a client that sends no request would keep its thread for ever.
        timeout = 10

        def do_GET(self) -> None:
            if not self._is_asked_by_its_name():
                return self._answer(403, "text/plain", b"this host name is not served here\n")
            path = self.path.split("?", 1)[0]
            if path == "/metrics":
                self._answer(*_metrics())
            elif path == "/api/metrics":
                body = json.dumps(dashboard.metrics_collector.get_latest_metrics())
                self._answer(200, "application/json", body.encode())
            elif path == "/":
                self._answer(302, "text/plain", b"", ("Location", dashboard.grafana_url))
            else:
                self._answer(404, "text/plain", b"there are /, /metrics and /api/metrics\n")

        def _is_asked_by_its_name(self) -> bool:
            """On loopback a page of another site must not read it by a name of its own."""
            if not dashboard.host.startswith("127.") and dashboard.host not in ("localhost", "::1"):
                return True
            # The port is cut off, and the brackets of an IPv6 address.
            name = self.headers.get("Host", "").rsplit(":", 1)[0].strip("[]")
            return name in (dashboard.host, "localhost", "127.0.0.1", "::1")

        def _answer(self, status: int, kind: str, body: bytes, *headers: Tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        # The base class writes a line to stderr for each request.
        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _metrics() -> Tuple[int, str, bytes]:
    telemetry = current()
    url = telemetry.metrics_url if telemetry is not None else None
    if url is None:
        return 503, "text/plain", b"the Prometheus endpoint is off: see OTEL_METRICS_EXPORTER\n"
    try:
        # The library has one place that writes the format. A second one here would drift from it.
        with urllib.request.urlopen(url, timeout=5) as answer:
            return 200, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, "text/plain", error.read()
    except OSError:
        return 503, "text/plain", b"the Prometheus endpoint does not answer\n"


def main(arguments: Optional[List[str]] = None) -> int:
    """The command ``spanwire-dashboard``."""
    parser = argparse.ArgumentParser(
        prog="spanwire-dashboard", description="Serves /metrics and leads to Grafana."
    )
    parser.add_argument("command", nargs="?", choices=["dashboard"], default="dashboard")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (%(default)s)")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between samples (%(default)s)")
    parser.add_argument("--simulate", action="store_true", help="make up actions and events, with bursts and errors")
    given = parser.parse_args(arguments)
    try:
        number(given.interval, "--interval", above=True)
        server = DashboardServer(given.host, given.port, MetricsCollector(given.interval))
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    ended = threading.Event()
    if given.simulate:
        threading.Thread(target=simulate, args=(server.metrics_collector, ended), daemon=True).start()
    try:
        server.start()
    except SpanwireError as error:
        print(f"spanwire-dashboard: {error}", file=sys.stderr)
        return 1
    finally:
        ended.set()
    return 0


def simulate(collector: MetricsCollector, ended: threading.Event) -> None:
    """Actions and events of an app that is not there, with a burst every ten seconds."""
    # A fixed seed: each run shows the same.
    chance = random.Random(1)
    begun = time.monotonic()
    while not ended.wait(0.1):
        is_burst = int(time.monotonic() - begun) % 10 == 0
        name = chance.choice(["open_scene", "render", "save"])
        collector.set_current_action(name)
        collector.record_action(name, chance.expovariate(20), chance.random() > 0.05)
        for _ in range(50 if is_burst else 3):
            collector.record_event(chance.expovariate(500), chance.random() > 0.02)
        collector.set_event_queue_depth(chance.randrange(50) if is_burst else 0)
        collector.set_action_queue_depth(chance.randrange(5))
    collector.set_current_action(None)
