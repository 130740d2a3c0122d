"""Real apps of pywebview, observed: what the page, Python and an OTLP receiver saw."""

from __future__ import annotations

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
