"""What a callback of ``WebView`` answers, without a window."""

from __future__ import annotations

import asyncio
import json
import re
import threading

import pytest

from spanwire import _core
from spanwire.webview import _run, _to_json


class Reply:
    """As the Rust half, which takes UTF-8 alone."""

    wants_reply, is_cancelled = True, False

    def on_cancelled(self, cancel):
        """Nothing gives it up."""

    def __init__(self):
        self.got, self.is_there = None, threading.Event()

    def respond(self, text):
        self._take(json.loads(text.encode()))

    def reject(self, name, message):
        self._take((name.encode().decode(), message.encode().decode()))

    def _take(self, got):
        assert self.got is None, "one reply"
        self.got = got
        self.is_there.set()


def replied(callback, data=None):
    reply = Reply()
    _run(callback, "event", json.dumps(data), reply)
    assert reply.is_there.wait(10)
    return reply.got


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no text for you")


@pytest.mark.parametrize("is_coroutine", [False, True])
@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (Silent(), "Silent", "(the exception raised another when it was printed)"),
        (ValueError("no \udcff.exr"), "ValueError", "no \\udcff.exr"),
        (asyncio.CancelledError("enough"), "CancelledError", "enough"),
    ],
)
def test_exception_rejects_with_its_class_and_what_can_be_said(error, name, message, is_coroutine):
    def plain(data):
        raise error

    async def coroutine(data):
        raise error

    assert replied(coroutine if is_coroutine else plain) == (name, message)


def test_half_a_surrogate_pair_crosses_as_it_is():
    assert replied(lambda data: data + ["größe", "\udcff.exr"], ["\ud800"]) == ["\ud800", "größe", "\udcff.exr"]
    assert "größe" in _to_json("größe", "data"), "what UTF-8 can say needs no escape"


def test_value_that_is_too_deep_is_no_json():
    deep = []
    for _ in range(200_000):
        deep = [deep]
    kind, message = replied(lambda data: deep)
    assert kind == "TypeError" and "JSON cannot carry it" in message


@pytest.mark.parametrize(
    ("call", "error", "names"),
    [
        (lambda: _core.Ipc(1), TypeError, "^name: a str"),
        (lambda: _core.Ipc("x", workers=-1), ValueError, "^workers: -1"),
        (lambda: _core.Ipc("x", workers=2**70), ValueError, "^workers: "),
        (lambda: _core.Ipc("x", queue_capacity=-1), ValueError, "^queue_capacity: -1"),
        (lambda: _core.Ipc("x", queue_capacity="1"), TypeError, "^queue_capacity: an int"),
    ],
)
def test_bad_argument_is_told_by_name(call, error, names):
    with pytest.raises(error) as told:
        call()
    # Not in a note alone, which Python has from 3.11 on.
    assert re.search(names, str(told.value)), told.value


def test_difference_of_two_snapshots_has_the_counts_of_both():
    ipc = _core.Ipc("x")
    before = ipc.metrics()
    assert isinstance(before.since(before), _core.IpcCounts) and isinstance(before, _core.IpcCounts)
    names = ("sent", "failed", "dropped", "received")
    assert [getattr(before.since(before), f"messages_{name}") for name in names] == [0, 0, 0, 0]
    assert before.since(before).elapsed_seconds == before.since(before).throughput == 0
    assert (before.success_rate, before.retry_attempts, before.avg_latency_us) == (100, 0, 0)
    assert str(before) == before.format()


def test_message_that_finds_no_room_is_refused_and_counted():
    ipc = _core.Ipc("x", queue_capacity=2)
    for _ in range(2):
        ipc.emit("tick", "1")
    for send in (lambda: ipc.emit("tick", "1"), lambda: ipc.eval("0")):
        with pytest.raises(RuntimeError, match="full"):
            send()
    assert (ipc.metrics().messages_dropped, ipc.metrics().peak_queue_length) == (2, 2)
    ipc.close()
    assert ipc.metrics().messages_open == 0


def test_callbacks_come_and_go_on_several_threads():
    ipc, ended = _core.Ipc("x"), []

    def work(number):
        for _ in range(500):
            listener = ipc.on(f"event {number % 2}", lambda text, reply: None)
            assert ipc.off(listener) and not ipc.off(listener)
        ended.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(ended) == [0, 1, 2, 3]
    ipc.close()
