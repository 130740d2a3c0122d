"""Real apps of pywebview, observed: what the page, Python and an OTLP receiver saw."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from otlp_receiver import attributes, events

SERVER, CLIENT = 2, 3
FUNCTIONS = {"add", "text", "nothing", "fails", "unserialisable", "slow", "deep.multiply", "exposed"}
# One more for each window: `report`, at its end.
WINDOWS = 8


def one(spans, kind):
    found = [span for span in spans if span.kind == kind]
    assert len(found) == 1, [(span.name, span.kind) for span in spans]
    return found[0]


def test_eight_windows_each_call_is_one_trace_whose_stages_are_the_pages_time(receiver, run_app):
    calls = 1000
    result = run_app("eight_windows.py", str(calls), endpoint=receiver.endpoint)

    # Both sides counted the same, and each call settled as it should.
    assert result["page"] == result["python"]
    assert set(result["page"]) == FUNCTIONS
    assert sum(result["page"].values()) == calls
    metrics = result["metrics"]
    assert sum(one_["received"] for one_ in metrics) == calls + WINDOWS
    assert all(one_["open"] == 0 for one_ in metrics)

    traces = [
        spans
        for spans in receiver.traces().values()
        if any(span.kind == SERVER and span.name in FUNCTIONS for span in spans)
    ]
    assert len(traces) == calls, "one trace for each call"

    sums: dict[str, list[float]] = {name: [] for name in FUNCTIONS}
    for spans in traces:
        client, server = one(spans, CLIENT), one(spans, SERVER)
        reply = next(span for span in spans if span.name == f"reply {server.name}")
        assert client.name == server.name
        assert server.parent_span_id == client.span_id
        assert reply.parent_span_id == server.span_id
        error = attributes(server).get("error.type")
        assert error == ("handler_error" if server.name in {"fails", "unserialisable"} else None)

        at_page, at_host = events(client), events(server)
        stages = [
            at_page["posted"] - client.start_time_unix_nano,
            at_page["received"] - at_page["posted"],
            at_host["started"] - server.start_time_unix_nano,
            at_host["returned"] - at_host["started"],
            at_page["settled"] - at_host["returned"],
        ]
        # The two clocks of one host: a moment may be rounded into the other side's.
        assert all(stage > -2_000_000 for stage in stages), stages
        sums[server.name].append(sum(stages) / 1e6)

    differences = []
    for name in FUNCTIONS:
        took = sorted(ms for called, ms in result["times"] if called == name)
        traced = sorted(sums[name])
        assert len(took) == len(traced) == calls // len(FUNCTIONS)
        differences += [abs(a - b) for a, b in zip(took, traced)]
    assert median(differences) <= 2, median(differences)


def of_name(receiver, name):
    return [span for span in receiver.spans if span.name == name]


def test_scripts_to_the_page_have_a_size_and_a_time(receiver, run_app):
    result = run_app("one_window.py", "scripts", endpoint=receiver.endpoint)
    assert result["ok"]
    # pywebview's own scripts are none of the app's.
    assert result["messages_sent"] == 2
    assert result["messages_failed"] == 1
    spans = of_name(receiver, "send evaluate_js")
    assert sorted(attributes(span).get("error.type", "") for span in spans) == ["", "script_error"]
    assert all(attributes(span)["spanwire.message.size"] > 0 for span in spans)
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in spans)
    assert len(of_name(receiver, "send run_js")) == 1


def test_a_function_that_blocks_keeps_no_other_call(receiver, run_app):
    result = run_app("one_window.py", "blocked", endpoint=receiver.endpoint)
    assert result["other"] == 7
    assert result["blocked"] == "released"


def test_a_function_that_is_not_there_is_counted(receiver, run_app):
    result = run_app("one_window.py", "unknown", endpoint=receiver.endpoint)
    assert result["alive"] == 1
    spans = [span for span in receiver.spans if attributes(span).get("error.type") == "unknown_event"]
    assert len(spans) == 1


def test_a_page_that_crashed_is_gone(receiver, run_app):
    result = run_app("one_window.py", "crash", endpoint=receiver.endpoint)
    assert result["before"] == "ready"
    assert result["after"] == "gone"


def test_a_page_that_was_loaded_later_is_observed_too(receiver, run_app):
    result = run_app("one_window.py", "reload", endpoint=receiver.endpoint)
    assert result["value"] == 2
    assert result["state"] == "ready"
    # The page's half is there: a client span.
    assert [span.kind for span in of_name(receiver, "ping")].count(CLIENT) == 1


def test_uninstrument_gives_pywebview_its_functions_back(receiver, run_app):
    result = run_app("one_window.py", "removed", endpoint=receiver.endpoint)
    assert (result["first"], result["second"], result["received"]) == (1, 2, 1)
    assert result["bridge_is_back"]
    assert "does not exist" not in result["stderr"]


def test_a_window_that_was_open_before_is_observed(receiver, run_app):
    result = run_app("one_window.py", "late", endpoint=receiver.endpoint)
    assert result["received"] == 1
    assert [span.kind for span in of_name(receiver, "ping")].count(CLIENT) == 1


def test_the_page_cannot_read_or_forge_what_proves_a_report(receiver, run_app):
    result = run_app("one_window.py", "secret", endpoint=receiver.endpoint)
    kind, source, enumerable = result["seen"]
    assert (kind, enumerable) == ("function", 0)
    assert len(result["nonce"]) >= 32 and result["nonce"] not in source
    assert result["forged"] is False


def test_the_start_of_the_app_is_a_trace(receiver, run_app):
    run_app("one_window.py", "reload", endpoint=receiver.endpoint)
    phases = {span.name for span in receiver.spans if span.name.startswith("startup ")}
    assert {"startup webview", "startup navigation", "startup script", "startup dom_ready"} <= phases


def test_the_example_is_traced_by_its_one_line(receiver, run_app):
    example = Path(__file__).parent.parent / "examples" / "pywebview_one_line.py"
    presses = [f"document.querySelector('{button}').click()" for button in ("#thumbnail", "#missing")]
    result = run_app("drive.py", str(example), *presses, endpoint=receiver.endpoint)
    assert "moon.exr" in result["text"]
    for name, error in (("thumbnail", None), ("open", "handler_error")):
        spans = of_name(receiver, name)
        assert sorted(span.kind for span in spans) == [SERVER, CLIENT]
        assert attributes(one(spans, SERVER)).get("error.type") == error
