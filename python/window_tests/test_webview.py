"""`spanwire.WebView` in real windows: a test for each line of what the older systems' users have."""

from __future__ import annotations

import pytest
from otlp_receiver import attributes

SERVER = 2


@pytest.fixture
def wire(run_app, receiver):
    def run(mode, *args):
        result = run_app("wire.py", mode, *args, endpoint=receiver.endpoint)
        assert result["ok"], result["stderr"]
        return result

    return run


@pytest.mark.parametrize("also", [[], ["instrumented"]])
def test_on_as_call_and_as_decorator(wire, receiver, also):
    result = wire("on_as_call_and_as_decorator", *also)
    assert result["told"] == [{"doubled": 42}, "größe"]
    # Each is one trace, with the page's half.
    for name in ("decorated", "called"):
        spans = [span for span in receiver.spans if span.name == name]
        assert len(spans) == 2 and len({span.trace_id for span in spans}) == 1


def test_emit_and_emit_event_reach_the_page(wire):
    assert wire("emit_reaches_the_page")["told"] == [{"path": "a.png"}, [1, None, "</script>\u2028"]]


def test_an_error_is_logged_with_its_event_counted_and_rejects_the_promise(wire, receiver):
    result = wire("an_error_rejects_and_is_logged")
    fails, unserialisable, missing = result["told"]
    assert fails == ["KeyError", "'no such asset'"]
    assert unserialisable[0] == "TypeError" and "JSON cannot carry it" in unserialisable[1]
    assert "missing" in missing[1]
    assert result["logged"] == ["the callback of 'fails' failed", "the callback of 'unserialisable' failed"]
    errors = {
        span.name: attributes(span).get("error.type") for span in receiver.spans if span.kind == SERVER
    }
    assert errors["fails"] == errors["unserialisable"] == "handler_error"


def test_a_coroutine_answers_and_what_it_begins_is_in_the_calls_trace(wire, receiver):
    assert wire("a_coroutine_answers")["told"] == [2, "ValueError"]
    servers = {span.span_id for span in receiver.spans if span.name == "slow" and span.kind == SERVER}
    within = [span for span in receiver.spans if span.name == "in_coroutine"]
    assert len(servers) == len(within) == 2
    assert {span.parent_span_id for span in within} == servers


def test_calls_that_the_page_gives_up_end_once_and_do_not_run_later(wire, receiver):
    result = wire("the_page_gives_calls_up")
    codes = sorted(map(tuple, result["ended"]))
    assert codes == [
        ("after", "still here"),
        ("blocks", "CANCELLED"),
        ("missing", "UNKNOWN_EVENT"),
        ("waits", "CANCELLED"),
        ("waits", "TIMEOUT"),
    ]
    assert result["ran"] == []
    errors = sorted(
        (span.name, attributes(span).get("error.type"))
        for span in receiver.spans
        if span.kind == SERVER and span.name in ("blocks", "waits", "after")
    )
    assert errors == [("after", None), ("blocks", "cancelled"), ("waits", "cancelled"), ("waits", "timeout")]


def test_a_coroutine_is_cancelled_when_its_call_is_given_up(wire, receiver):
    result = wire("coroutines_end_with_their_calls")
    assert result["ended"] == ["abort", "timeout", "leave", "close"]
    assert (result["logged"], result["open"]) == ([], 0)
    ends = [
        attributes(span).get("error.type")
        for span in receiver.spans
        if span.kind == SERVER and span.name == "sleeps"
    ]
    assert sorted(ends) == ["cancelled", "cancelled", "cancelled", "timeout"]


def test_the_window_has_its_title_its_size_and_its_page(wire):
    result = wire("the_window_is_as_it_was_asked_for")
    assert result["page"] == "Paint"
    assert result["window"] == ["Paint", 640, 480]
    # No window manager is there that would keep the size.
    assert result["size"] == [640, 480]


def test_a_page_of_an_address_has_the_wire(wire):
    assert wire("a_page_of_an_address")["told"] == ["/page.html", 42]


def test_a_callback_that_blocks_keeps_no_message_to_the_page(wire):
    assert wire("a_callback_that_blocks_keeps_no_message_to_the_page")["free"]


def test_callbacks_run_beside_the_event_loop(wire):
    assert wire("the_lock_is_free_while_the_page_talks")["on_main_thread"] is False


def test_the_eight_metrics_their_text_and_their_reset(wire):
    result = wire("metrics_and_reset")
    metrics = result["metrics"]
    assert metrics["messages_sent"] >= 1 and metrics["messages_failed"] == 1
    assert metrics["messages_received"] >= 1 and metrics["messages_dropped"] == 0
    assert 0 < metrics["success_rate"] < 100 and metrics["avg_latency_us"] > 0
    assert "Messages Sent" in result["format"] and "Peak Queue Length" in result["format"]
    assert len(result["format"].splitlines()) == 9
    reset = result["reset"]
    assert all(reset[name] == 0 for name in reset if name != "success_rate")
    assert reset["success_rate"] == 100


def test_ten_thousand_scripts(wire):
    result = wire("load_test")
    assert (result["sent"], result["failed"], result["dropped"]) == (10_000, 0, 0)
    assert result["last"] == 9_999 and result["success_rate"] == 100
    assert 0 < result["peak"] <= 10_000 and result["avg_latency_us"] > 0
    assert result["throughput"] > 0


def test_ten_thousand_callbacks_come_and_go(wire):
    result = wire("handlers_come_and_go")
    assert result["alive"] == 0 and result["threads"] <= 0
    # Allocators keep some; one kept callback would be hundreds of bytes.
    assert result["grown"] < 1_000_000, result["grown"]


def test_events_of_the_page_are_messages(wire):
    told = wire("events_of_the_page_are_messages")["told"]
    # What is posted by hand goes at once, and not with the turn's batch.
    assert told == ["posted", {"id": 7}, {}, "element", "document", "target"]


def test_wrong_arguments_are_said(wire):
    raised = wire("wrong_arguments")["raised"]
    kinds = {name: error and error[0] for name, error in raised.items()}
    assert kinds == {
        "title": "TypeError",
        "width": "TypeError",
        "both": "ValueError",
        "event": "TypeError",
        "callback": "TypeError",
        "name": "ValueError",
        "outer space": "ValueError",
        "long": "ValueError",
        "data": "TypeError",
        "nan": "TypeError",
        "script": "TypeError",
    }
    for name in ("title", "width", "event", "callback", "data", "script"):
        assert raised[name][1].startswith(name), raised[name]


def test_a_closed_window_takes_nothing(wire):
    result = wire("after_the_end")
    assert result["state"] == "closed" and "closed" in result["closed"]
