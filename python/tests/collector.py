"""A collector for tests: it takes OTLP over HTTP on loopback and decodes what it needs of it."""

from __future__ import annotations

import gzip
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Span:
    name: str
    trace_id: str
    span_id: str
    parent: str
    status: int
    attributes: dict = field(default_factory=dict)
    events: list = field(default_factory=list)
    seconds: float = 0.0


class Collector:
    """What arrived: ``spans`` and ``logs`` in order."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.logs: list[dict] = []
        self.requests: Counter = Counter()
        #: Of spans: the attributes of each request's resources, and its headers.
        self.resources: list[dict] = []
        self.headers: list[dict] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.requests[self.path] += 1
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                if self.path == "/v1/traces":
                    outer._take_spans(body)
                elif self.path == "/v1/logs":
                    outer._take_logs(body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def span(self, name: str) -> Span:
        [span] = [span for span in self.spans if span.name == name]
        return span

    def _take_spans(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(_attributes(resource.resource.attributes))
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Span(
                            name=span.name,
                            trace_id=span.trace_id.hex(),
                            span_id=span.span_id.hex(),
                            parent=span.parent_span_id.hex(),
                            status=span.status.code,
                            attributes=_attributes(span.attributes),
                            events=[(e.name, _attributes(e.attributes)) for e in span.events],
                            seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                        )
                    )

    def _take_logs(self, body: bytes) -> None:
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    self.logs.append(
                        {
                            "body": record.body.string_value,
                            "event": record.event_name,
                            "trace_id": record.trace_id.hex(),
                            "span_id": record.span_id.hex(),
                            "severity": record.severity_text,
                            **_attributes(record.attributes),
                        }
                    )


def _attributes(pairs: object) -> dict:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
