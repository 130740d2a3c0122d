"""Operations."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import threading
import time

import pytest
from conftest import scrape, series

import spanwire
from spanwire import monitor

COUNT = "spanwire_operation_duration_seconds_count"


def count(telemetry, name, error_type=None):
    error = f'error_type="{error_type}",' if error_type else ""
    return series(telemetry, f'{COUNT}{{{error}spanwire_operation_name="{name}"}}')


def test_block_is_counted_with_its_time(telemetry):
    with monitor("py_block"):
        time.sleep(0.02)
    assert count(telemetry, "py_block") == 1
    total = series(
        telemetry, 'spanwire_operation_duration_seconds_sum{spanwire_operation_name="py_block"}'
    )
    assert 0.02 <= total < 5


def test_exception_is_recorded_with_its_class_and_raised_on(traced, collector):
    def cause():
        raise KeyError("layer")

    with pytest.raises(json.JSONDecodeError):
        with monitor("py_fails") as run:
            run.field("scene", "castle")
            run.field("layers", 12)
            try:
                cause()
            except KeyError:
                json.loads("{")
    assert count(traced, "py_fails", "json.decoder.JSONDecodeError") == 1
    traced.shutdown()
    span = collector.span("py_fails")
    assert span.status == 2
    assert span.attributes["error.type"] == "json.decoder.JSONDecodeError"
    assert span.attributes["scene"] == "castle"
    assert span.attributes["layers"] == 12
    [log] = collector.logs
    assert log["trace_id"] == span.trace_id and log["span_id"] == span.span_id
    assert "KeyError: 'layer'" in log["exception.message"]
    assert "in cause" in log["exception.stacktrace"]
    [(name, event)] = span.events
    assert event["exception.type"] == "json.decoder.JSONDecodeError"


def test_exception_that_cannot_be_printed_is_recorded(telemetry):
    class Hostile(Exception):
        def __str__(self):
            raise RuntimeError("no text for you")

    with pytest.raises(Hostile):
        with monitor("py_hostile"):
            raise Hostile
    assert 'spanwire_operation_name="py_hostile"' in scrape(telemetry)


def test_blocks_within_are_children(traced, collector):
    with monitor("py_outer"):
        with monitor("py_inner"):
            with monitor("py_innermost"):
                pass
        with monitor("py_second"):
            pass
    assert spanwire.current_run() is None
    traced.shutdown()
    outer, inner = collector.span("py_outer"), collector.span("py_inner")
    assert outer.parent == ""
    assert inner.parent == outer.span_id
    assert collector.span("py_innermost").parent == inner.span_id
    assert collector.span("py_second").parent == outer.span_id
    assert len({span.trace_id for span in collector.spans}) == 1


def test_one_monitor_is_used_again_within_itself_and_on_threads(telemetry):
    again = monitor("py_again")
    barrier = threading.Barrier(8)

    def work():
        barrier.wait()
        for _ in range(100):
            with again:
                with again:
                    pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(telemetry, "py_again") == 1600
    assert again.active == 0


def test_decorated_functions_of_each_kind_are_measured(traced, collector):
    @monitor("py_plain")
    def plain(a, *, b):
        """Says so."""
        with monitor("py_in_plain"):
            return a + b

    @monitor("py_coroutine")
    async def coroutine():
        await asyncio.sleep(0)
        with monitor("py_in_coroutine"):
            return 5

    @monitor("py_generator")
    def generator():
        with monitor("py_in_generator"):
            got = yield 1
        yield got
        return 3

    @monitor("py_async_generator")
    async def async_generator():
        yield 1
        await asyncio.sleep(0)
        yield 2

    assert plain(1, b=2) == 3 and plain.__doc__ == "Says so." and plain.__name__ == "plain"
    assert asyncio.run(coroutine()) == 5
    working = generator()
    assert next(working) == 1
    with monitor("py_between"):
        assert working.send("x") == "x"
    with pytest.raises(StopIteration) as stop:
        next(working)
    assert stop.value.value == 3

    async def collect():
        return [item async for item in async_generator()]

    assert asyncio.run(collect()) == [1, 2]
    for name in ("py_plain", "py_coroutine", "py_generator", "py_async_generator"):
        assert count(traced, name) == 1
    traced.shutdown()
    parents = {span.name: span for span in collector.spans}
    for name in ("plain", "coroutine", "generator"):
        assert parents[f"py_in_{name}"].parent == parents[f"py_{name}"].span_id
    # The generator was suspended meanwhile.
    assert parents["py_between"].parent == ""


def test_generator_that_is_closed_or_raises_ends_its_run(telemetry):
    @monitor("py_closed")
    def numbers():
        yield 1
        yield 2

    for _ in numbers():
        break
    assert count(telemetry, "py_closed") == 1

    @monitor("py_thrown")
    def thrown():
        try:
            yield 1
        except ValueError:
            yield "caught"
            raise

    working = thrown()
    next(working)
    assert working.throw(ValueError("x")) == "caught"
    with pytest.raises(ValueError):
        next(working)
    assert count(telemetry, "py_thrown", "ValueError") == 1


def test_async_block_and_tasks_have_parents_of_their_own(traced, collector):
    async def child(name):
        async with monitor(name):
            await asyncio.sleep(0)
            async with monitor(name + "_leaf"):
                await asyncio.sleep(0)

    async def main():
        async with monitor("py_main"):
            await asyncio.gather(child("py_a"), child("py_b"))

    asyncio.run(main())
    traced.shutdown()
    main_span = collector.span("py_main")
    for name in ("py_a", "py_b"):
        assert collector.span(name).parent == main_span.span_id
        assert collector.span(name + "_leaf").parent == collector.span(name).span_id


def test_cancelled_task_is_recorded_as_cancelled(telemetry):
    async def main():
        started = asyncio.Event()

        @monitor("py_cancelled")
        async def waits():
            started.set()
            await asyncio.Event().wait()

        task = asyncio.ensure_future(waits())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert count(telemetry, "py_cancelled", "cancelled") == 1


def test_slow_run_is_counted_by_the_threshold_in_force(telemetry):
    slow = monitor("py_slow", slow_after=0.0)
    with slow:
        pass
    name = 'spanwire_operation_slow_total{spanwire_operation_name="py_slow"}'
    assert series(telemetry, name) == 1
    slow.set_slow_threshold(60)
    with slow:
        pass
    assert series(telemetry, name) == 1
    slow.set_slow_threshold(None)


def test_recorded_duration_counts_as_measured(telemetry):
    elsewhere = monitor("py_elsewhere")
    elsewhere.record(0.25)
    elsewhere.record(2, ok=False)
    elsewhere.record(0.5, error_type="device_lost")
    assert count(telemetry, "py_elsewhere") == 1
    assert count(telemetry, "py_elsewhere", "device_lost") == 1
    assert count(telemetry, "py_elsewhere", "_OTHER") == 1


def test_sampled_monitor_counts_all_and_traces_some(traced, collector):
    often = monitor("py_often", sample_one_in=10)
    for _ in range(100):
        with often:
            pass
    assert count(traced, "py_often") == 100
    traced.shutdown()
    assert len([span for span in collector.spans if span.name == "py_often"]) == 10


def test_without_install_blocks_run_and_nothing_is_measured():
    with monitor("py_nothing") as run:
        run.field("a", 1)
        assert run.trace_id is None
    assert spanwire.current() is None


@pytest.mark.parametrize(
    ("call", "error", "names"),
    [
        (lambda: monitor(5), TypeError, "name"),
        (lambda: monitor(""), ValueError, "name"),
        (lambda: monitor("x" * 129), ValueError, "name"),
        (lambda: monitor("x", slow_after=-1), ValueError, "slow_after"),
        (lambda: monitor("x", slow_after="1"), TypeError, "slow_after"),
        (lambda: monitor("x", sample_one_in=-1), ValueError, "sample_one_in"),
        (lambda: monitor("x", sample_one_in=2**40), ValueError, "sample_one_in"),
        (lambda: monitor("x", sample_one_in=1.5), TypeError, "sample_one_in"),
        (lambda: monitor("x").record(10**400), ValueError, "duration"),
        (lambda: monitor("x").record(1.0, error_type=5), TypeError, "error_type"),
        (lambda: monitor("x").set_slow_threshold("1"), TypeError, "seconds"),
        (lambda: monitor("x").start().field(1, 2), TypeError, "key"),
        (lambda: monitor("x").start().end("text"), TypeError, "error"),
        (lambda: monitor("x").start().end(ValueError), TypeError, "error"),
        (lambda: spanwire.set_current_operation(1), TypeError, "name"),
        (lambda: spanwire.MessageQueue("q", -1), ValueError, "capacity"),
        (lambda: spanwire.MessageQueue("q", 2**70), ValueError, "capacity"),
        (lambda: spanwire.MessageQueue("q").drain(-1), ValueError, "max"),
        (lambda: spanwire.MessageQueue("q").push(1, "1"), TypeError, "timeout"),
        (lambda: monitor("x", fields={1: 2}), TypeError, "fields"),
        (lambda: monitor("x", fields={"a": object()}), TypeError, "str, int, float or bool"),
        (lambda: monitor("x").record(-1), ValueError, "duration"),
        (lambda: monitor("x").record("1"), TypeError, "duration"),
        (lambda: monitor("x")(5), TypeError, "function"),
        (lambda: spanwire.set_slow_threshold(float("nan")), ValueError, "seconds"),
        (lambda: spanwire.Measurement(" outer space"), ValueError, "name"),
        (lambda: spanwire.Measurement("a", unit=""), ValueError, "unit"),
        (lambda: spanwire.Measurement("a").record("1"), TypeError, "value"),
        (lambda: spanwire.MessageQueue(1), TypeError, "name"),
        (lambda: spanwire.MessageQueue("q", 0), ValueError, "capacity"),
        (lambda: spanwire.MessageQueue("q", "1"), TypeError, "capacity"),
        (lambda: spanwire.MessageQueue("q", overflow="x"), ValueError, "overflow"),
        (lambda: spanwire.MessageQueue("q").pop(-1), ValueError, "timeout"),
    ],
)
def test_bad_argument_is_told_by_name(call, error, names):
    with pytest.raises(error, match=names) as told:
        call()
    # Not in a note alone, which Python has from 3.11 on.
    assert names in str(told.value)


def test_names_that_are_no_utf8_are_measured(telemetry):
    with monitor("py_open \udcff", fields={"file \udcff": "\udcff"}) as run:
        run.field("\udcff", "\udcff")
    monitor("py_open \udcff").record(1.0, error_type="\udcff")
    spanwire.set_current_operation("py_open \udcff")
    spanwire.set_current_operation(None)
    spanwire.MessageQueue("py_queue \udcff").push(1)
    assert count(telemetry, "py_open \ufffd\ufffd\ufffd") == 1


def test_exception_whose_text_is_no_utf8_keeps_its_type(traced, collector):
    with pytest.raises(ValueError):
        with monitor("py_surrogate"):
            raise ValueError("cannot open \udcff.exr")
    assert count(traced, "py_surrogate", "ValueError") == 1
    traced.shutdown()
    [log] = collector.logs
    assert log["exception.message"] == "cannot open \\udcff.exr"


def test_exception_that_is_false_is_described_with_its_causes(traced, collector):
    class Empty(Exception):
        def __len__(self):
            return 0

    with pytest.raises(RuntimeError):
        with monitor("py_false"):
            try:
                raise Empty("nothing there")
            except Empty as cause:
                raise RuntimeError("no scene") from cause
    traced.shutdown()
    [log] = collector.logs
    assert "nothing there" in log["exception.message"]


def test_exception_that_cannot_be_described_keeps_its_type(telemetry):
    class Hostile(type):
        def __getattribute__(cls, name):
            if name == "__module__":
                raise RuntimeError("no name for you")
            return super().__getattribute__(name)

    class Nameless(Exception, metaclass=Hostile):
        pass

    def deeper():
        with monitor("py_deep"):
            deeper()

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 150)
    try:
        with pytest.raises(RecursionError):
            deeper()
    finally:
        sys.setrecursionlimit(before)
    with pytest.raises(Nameless):
        with monitor("py_nameless"):
            raise Nameless
    assert 'error_type="_OTHER",spanwire_operation_name="py_deep"' not in scrape(telemetry)
    assert 'spanwire_operation_name="py_nameless"' in scrape(telemetry)


def test_what_a_closed_generator_tidies_up_is_its_child(traced, collector):
    @monitor("py_tidied")
    def numbers():
        try:
            yield 1
        finally:
            with monitor("py_tidying"):
                pass

    @monitor("py_async_tidied")
    async def async_numbers():
        try:
            yield 1
        finally:
            with monitor("py_async_tidying"):
                await asyncio.sleep(0)

    working = numbers()
    next(working)
    with monitor("py_closer") as closer:
        working.close()
        assert spanwire.current_run() is closer

    async def close():
        items = async_numbers()
        await items.__anext__()
        await items.aclose()

    asyncio.run(close())
    traced.shutdown()
    for name in ("", "async_"):
        assert collector.span(f"py_{name}tidying").parent == collector.span(f"py_{name}tidied").span_id


def test_run_that_is_entered_later_gives_way_to_what_was_current(telemetry):
    with monitor("py_first"):
        run = monitor("py_later").start()
        with monitor("py_second") as second:
            with run:
                assert spanwire.current_run() is run
            assert spanwire.current_run() is second


def test_block_of_a_suspended_generator_ends_its_own_run(traced, collector):
    shared = monitor("py_shared")

    def suspended():
        with shared:
            yield

    waiting = suspended()
    next(waiting)
    inside, leave = threading.Event(), threading.Event()

    def work():
        with shared as run:
            run.field("place", "thread")
            inside.set()
            leave.wait(10)
            run.field("left", True)

    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    with monitor("py_meanwhile"):
        waiting.close()
    leave.set()
    thread.join()
    traced.shutdown()
    [of_thread] = [span for span in collector.spans if span.attributes.get("place") == "thread"]
    assert of_thread.attributes.get("left") is True


def test_thread_that_ends_within_a_block_leaves_the_others_theirs(telemetry):
    left = monitor("py_left")
    thread = threading.Thread(target=left.__enter__)
    thread.start()
    thread.join()
    with left as run:
        assert spanwire.current_run() is run
    assert count(telemetry, "py_left") == 1
    assert left.active == 1


@pytest.mark.parametrize("seconds", [1e9, 1e15, 1.8e19])
def test_huge_duration_is_recorded_as_what_it_is(telemetry, seconds):
    huge = monitor(f"py_huge_{seconds:g}", slow_after=seconds)
    huge.record(seconds)
    huge.set_slow_threshold(seconds)
    with huge:
        pass
    assert count(telemetry, f"py_huge_{seconds:g}") == 2
