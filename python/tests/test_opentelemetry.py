"""Beside OpenTelemetry's Python API and SDK, prometheus_client and logging.

What `connect` does holds for the process, so these tests run in processes of their own where it
matters.
"""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys

import pytest
from collector import Collector
from conftest import ALL_TRACES
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import spanwire
import spanwire.opentelemetry
from spanwire import monitor
from spanwire.logging import SpanwireHandler
from spanwire.opentelemetry import SpanwireSpanProcessor

HEAD = """
import asyncio, logging, spanwire
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from spanwire import monitor
from spanwire.opentelemetry import SpanwireSpanExporter, SpanwireSpanProcessor, connect
telemetry = spanwire.install("x", prometheus_port=0, metrics="none", system=False)
connect(); connect()
provider = TracerProvider()
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("app")
"""


def run(collector, code, **env):
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code + "\nprint(telemetry.shutdown(30))"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **env},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_runs_and_spans_are_children_of_each_other(collector):
    code = """
provider.add_span_processor(SpanwireSpanProcessor())
with tracer.start_as_current_span("a", attributes={"n": 1, "l": ["x", "y"]}):
    with monitor("b"):
        with tracer.start_as_current_span("c") as c:
            c.add_event("e", {"k": True})
            with monitor("d"):
                assert trace.get_current_span().get_span_context().is_valid
        trace.get_current_span().set_attribute("field", 5)
    with monitor("b2"):
        pass
assert not trace.get_current_span().get_span_context().is_valid
"""
    out = run(collector, code, **ALL_TRACES)
    assert "spans: 5 exported, 0 dropped, 0 lost" in out
    a, b, c, d = (collector.span(name) for name in "abcd")
    assert a.parent == ""
    assert (b.parent, c.parent, d.parent) == (a.span_id, b.span_id, c.span_id)
    assert collector.span("b2").parent == a.span_id
    assert len({span.trace_id for span in collector.spans}) == 1
    assert a.attributes["n"] == 1
    assert c.events == [("e", {"k": True})]
    assert b.attributes["field"] == 5


def test_what_a_handler_of_the_page_begins_is_a_child_of_its_span(collector):
    code = """
import threading
provider.add_span_processor(SpanwireSpanProcessor())
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
async def later():
    with tracer.start_as_current_span("task"):
        with monitor("in_task"):
            await asyncio.sleep(0)
def handler():
    with monitor("run"):
        pass
    with tracer.start_as_current_span("span"):
        pass
    tasks.append(asyncio.run_coroutine_threadsafe(later(), loop))
tasks = []
observer = spanwire._core.BridgeObserver("main")
call = observer.call("save", [], "1", handler, lambda script: None)
call()
assert spanwire.current_run() is None
assert not trace.get_current_span().get_span_context().is_valid
call.reply("f({value: 'null'})")
tasks[0].result(10)
"""
    run(collector, code, **ALL_TRACES)
    handler = collector.span("save")
    for name in ("run", "span", "task"):
        assert collector.span(name).parent == handler.span_id, name
    assert collector.span("in_task").parent == collector.span("task").span_id
    assert len({span.trace_id for span in collector.spans}) == 1


def test_tasks_keep_their_parents(collector):
    code = """
provider.add_span_processor(SpanwireSpanProcessor())
async def child(name):
    with tracer.start_as_current_span(name):
        await asyncio.sleep(0)
        async with monitor(name + "_run"):
            await asyncio.sleep(0)
async def main():
    async with monitor("main"):
        await asyncio.gather(child("p"), child("q"))
asyncio.run(main())
"""
    run(collector, code, **ALL_TRACES)
    for name in "pq":
        assert collector.span(name).parent == collector.span("main").span_id
        assert collector.span(name + "_run").parent == collector.span(name).span_id


def test_tail_sampling_keeps_a_trace_of_both_or_gives_it_up(collector):
    code = """
provider.add_span_processor(SpanwireSpanProcessor())
for n in range(200):
    with tracer.start_as_current_span("good"):
        with monitor("good_run"):
            pass
for n in range(5):
    try:
        with monitor("bad_root"):
            with tracer.start_as_current_span("bad_span"):
                with monitor("bad_leaf"):
                    raise ValueError
    except ValueError:
        pass
"""
    run(collector, code)
    names = [span.name for span in collector.spans]
    for name in ("bad_root", "bad_span", "bad_leaf"):
        assert names.count(name) == 5, names
    assert names.count("good") == names.count("good_run") < 100


def test_exporter_of_a_batch_hands_over_whole_traces(collector):
    code = """
provider.add_span_processor(BatchSpanProcessor(SpanwireSpanExporter()))
with tracer.start_as_current_span("a"):
    with tracer.start_as_current_span("b"):
        pass
assert provider.force_flush()
"""
    run(collector, code, **ALL_TRACES)
    assert collector.span("b").parent == collector.span("a").span_id


def test_exporter_of_a_batch_samples_by_how_a_trace_went(collector):
    code = """
provider.add_span_processor(BatchSpanProcessor(SpanwireSpanExporter(), max_export_batch_size=512))
for n in range(200):
    with tracer.start_as_current_span("good"):
        pass
for n in range(5):
    with tracer.start_as_current_span("bad") as span:
        span.set_status(trace.StatusCode.ERROR)
assert provider.force_flush()
"""
    run(collector, code)
    names = [span.name for span in collector.spans]
    assert names.count("bad") == 5 and names.count("good") < 100


@pytest.mark.parametrize(
    "processor", ["SpanwireSpanProcessor()", "BatchSpanProcessor(SpanwireSpanExporter())"]
)
def test_spans_of_the_sdk_wait_in_the_spool_for_the_collector(tmp_path, processor):
    with Collector() as gone:
        away = gone
    code = f"""
provider.add_span_processor({processor})
with tracer.start_as_current_span("spooled"):
    pass
provider.force_flush(2000)
"""
    spool = {"SPANWIRE_SPOOL_DIR": str(tmp_path), **ALL_TRACES}
    assert "1 spooled" in run(away, code, **spool)
    with Collector() as back:
        with spanwire.install(
            "x", environment=spool, metrics="none", system=False, otlp_endpoint=back.url
        ) as telemetry:
            telemetry.flush(10)
        assert back.span("spooled")


def test_processor_without_telemetry_lets_the_sdk_work(collector):
    code = """
telemetry.shutdown()
provider.add_span_processor(SpanwireSpanProcessor())
with tracer.start_as_current_span("late"):
    with monitor("late_run"):
        pass
"""
    run(collector, code, **ALL_TRACES)
    assert collector.spans == []


def test_log_records_have_the_ids_of_their_trace(traced):
    from spanwire.logging import TraceIdFilter

    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.addFilter(TraceIdFilter())
    handler.setFormatter(logging.Formatter("%(trace_id)s %(span_id)s %(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)
    log.warning("outside")
    with monitor("py_logs") as run:
        log.warning("inside")
    assert text.getvalue() == f"  outside\n{run.trace_id} {run.span_id} inside\n"


def test_log_records_go_out_over_otlp_when_asked(traced, collector):
    from spanwire.logging import SpanwireHandler

    log = logging.Logger("app.scene")
    log.addHandler(SpanwireHandler())
    with monitor("py_log") as run:
        try:
            raise ValueError("no such layer")
        except ValueError:
            log.exception("scene %d", 5)
    traced.shutdown()
    [record] = collector.logs
    assert record["body"] == "scene 5" and record["severity"] == "ERROR"
    assert record["trace_id"] == run.trace_id and record["span_id"] == run.span_id
    assert record["exception.type"] == "ValueError" and record["logger.name"] == "app.scene"
    assert "no such layer" in record["exception.stacktrace"]


def test_prometheus_client_has_our_series(telemetry):
    from prometheus_client import CollectorRegistry, Counter, generate_latest

    from spanwire.prometheus import SpanwireCollector

    registry = CollectorRegistry()
    Counter("own", "The app's.", registry=registry).inc()
    registry.register(SpanwireCollector())
    with monitor("py_client"):
        pass
    text = generate_latest(registry).decode()
    assert "own_total 1.0" in text
    name = 'spanwire_operation_duration_seconds_count{spanwire_operation_name="py_client"} 1.0'
    assert name in text
    telemetry.pause()
    assert "spanwire" not in generate_latest(registry).decode()
    telemetry.shutdown()
    assert "own_total 1.0" in generate_latest(registry).decode()


def test_history_has_each_run_as_a_row(tmp_path):
    import sqlite3

    path = tmp_path / "history.db"
    with spanwire.install("x", environment={}, metrics="none", history=path) as telemetry:
        with monitor("py_row") as run:
            run.field("layers", 5)
        with pytest.raises(KeyError):
            with monitor("py_row"):
                raise KeyError
        monitor("py_row").record(0.25)
        telemetry.flush()
    assert "0 dropped" in telemetry.shutdown().history
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT error, error_type, duration FROM metrics WHERE operation = 'py_row' ORDER BY id"
    ).fetchall()
    connection.close()
    assert [row[:2] for row in rows] == [(0, None), (1, "KeyError"), (0, None)]
    assert rows[2][2] == pytest.approx(250)


def test_texts_that_are_no_utf8_are_no_trouble_of_the_apps(traced, collector, capsys):
    provider = TracerProvider()
    provider.add_span_processor(SpanwireSpanProcessor())
    tracer = provider.get_tracer("hostile")
    with tracer.start_as_current_span("open \udcff", attributes={"file": "\udcff.exr"}) as span:
        span.add_event("read \udcff", {"line": "\udcff"})
        span.set_attribute("files", ["a", "\udcff"])
    logger = logging.getLogger("py_hostile")
    handler = SpanwireHandler()
    logger.addHandler(handler)
    try:
        logger.error("no such file: %s", "\udcff")
        for created in (float("inf"), float("nan"), -1.0, 1e300):
            late = {"name": "py_hostile", "msg": "late", "levelno": logging.INFO, "created": created}
            handler.emit(logging.makeLogRecord(late))
        handler.emit(logging.makeLogRecord({"name": "py_hostile", "msg": "loud", "levelno": 10**12}))
    finally:
        logger.removeHandler(handler)
    assert "Traceback" not in capsys.readouterr().err
    traced.shutdown()
    [span] = [span for span in collector.spans if span.name.startswith("open ")]
    assert span.attributes["file"].endswith(".exr")
    assert len([log for log in collector.logs if "no such file" in log["body"]]) == 1
    assert len([log for log in collector.logs if log["body"] in ("late", "loud")]) == 5


@pytest.fixture
def sampled(collector):
    """With traces, by the default sampler, which holds a trace until all of it has ended."""
    telemetry = spanwire.install(
        "test", environment={}, metrics="none", system=False, otlp_endpoint=collector.url, traces="otlp"
    )
    with telemetry:
        yield telemetry


def tracer_of(*processors):
    provider = TracerProvider()
    for processor in processors:
        provider.add_span_processor(processor)
    return provider.get_tracer("app")


def exported(telemetry, collector):
    """The names of the spans whose trace is decided, since none of it is open; sorted."""
    telemetry.flush(30)
    return sorted(span.name for span in collector.spans)


def test_trace_does_not_wait_for_a_span_that_found_no_room(sampled, collector):
    most = 10_000
    tracer = tracer_of(SpanwireSpanProcessor())
    # Within a trace that is kept already, so that these make no traces to be held.
    caller = trace.SpanContext(1, 1, is_remote=True, trace_flags=trace.TraceFlags(1))
    kept = trace.set_span_in_context(trace.NonRecordingSpan(caller))
    others = [tracer.start_span("other", kept) for _ in range(most - 1)]
    with tracer.start_as_current_span("root") as root:
        with tracer.start_as_current_span("no room"):
            pass
        root.set_status(trace.StatusCode.ERROR)
    assert exported(sampled, collector) == ["root"]
    # None of these is of interest.
    sampled.shutdown()
    for other in others:
        other.end()


def test_trace_does_not_wait_for_a_span_that_cannot_be_handed_over(
    sampled, collector, monkeypatch, caplog
):
    monkeypatch.setattr(spanwire.opentelemetry, "_told", [])
    tracer = tracer_of(SpanwireSpanProcessor())
    with tracer.start_as_current_span("root") as root:
        tracer.start_span("before 1970", start_time=-1).end()
        root.set_status(trace.StatusCode.ERROR)
    assert exported(sampled, collector) == ["root"]
    assert "a span was not handed over" in caplog.text


def test_trace_does_not_wait_for_a_span_that_two_processors_told(sampled, collector):
    tracer = tracer_of(SpanwireSpanProcessor(), SpanwireSpanProcessor())
    with tracer.start_as_current_span("root") as root:
        with tracer.start_as_current_span("child"):
            pass
        root.set_status(trace.StatusCode.ERROR)
    assert exported(sampled, collector) == ["child", "root"]


def test_span_that_is_not_wanted_is_not_described(sampled, collector, monkeypatch):
    described = []
    plain = spanwire.opentelemetry._plain
    monkeypatch.setattr(
        spanwire.opentelemetry, "_plain", lambda span: described.append(span.name) or plain(span)
    )
    tracer = tracer_of(SpanwireSpanProcessor())
    with tracer.start_as_current_span("wanted"):
        pass
    sampled.pause()
    with tracer.start_as_current_span("paused"):
        pass
    sampled.shutdown()
    with tracer.start_as_current_span("late"):
        pass
    assert described == ["wanted"]
