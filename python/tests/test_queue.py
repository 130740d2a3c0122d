"""The queue."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref

import pytest
from conftest import scrape, series

from spanwire import MessageQueue, QueueClosed, QueueFull


def test_messages_come_out_in_order_and_are_counted(telemetry):
    queue = MessageQueue("py_order", 10)
    for number in range(3):
        assert queue.push(number) is None
    assert len(queue) == 3 and queue.peak == 3 and queue.capacity == 10
    assert queue.pop() == 0
    assert queue.try_pop() == 1
    assert queue.drain() == [2]
    assert queue.try_pop() is None
    start = 'spanwire_queue_wait_duration_seconds_count{spanwire_queue_name="py_order"}'
    assert series(telemetry, start) == 3
    assert series(telemetry, 'spanwire_queue_peak{spanwire_queue_name="py_order"}') == 3


def test_full_queue_refuses_waits_or_gives_up_the_oldest():
    queue = MessageQueue("py_full", 1)
    queue.push("a")
    with pytest.raises(QueueFull):
        queue.push("b")
    with pytest.raises(QueueFull, match="time"):
        queue.push("b", timeout=0.01)
    oldest = MessageQueue("py_oldest", 1, overflow="drop_oldest")
    oldest.push("a")
    assert oldest.push("b") == "a"
    assert oldest.pop() == "b"


def test_wait_for_a_message_leaves_the_lock_to_others():
    queue = MessageQueue("py_wait")
    got = []
    consumer = threading.Thread(target=lambda: got.append(queue.pop(timeout=10)))
    consumer.start()
    queue.push({"a": 1})
    consumer.join()
    assert got == [{"a": 1}]


def test_wait_for_room_leaves_the_lock_to_others():
    queue = MessageQueue("py_room", 1, overflow="block")
    queue.push(1)
    producer = threading.Thread(target=queue.push, args=(2,))
    producer.start()
    assert queue.pop(timeout=10) == 1
    assert queue.pop(timeout=10) == 2
    producer.join()


def test_pop_times_out_and_ends_when_the_queue_is_closed():
    queue = MessageQueue("py_end")
    with pytest.raises(TimeoutError):
        queue.pop(timeout=0.01)
    with pytest.raises(TimeoutError):
        queue.pop(timeout=0)
    queue.push(1)
    queue.close()
    with pytest.raises(QueueClosed):
        queue.push(2)
    assert queue.closed and queue.pop() == 1
    with pytest.raises(QueueClosed):
        queue.pop()


def test_close_ends_the_wait_of_a_consumer():
    queue = MessageQueue("py_close")
    ended = []

    def consume():
        try:
            queue.pop()
        except QueueClosed:
            ended.append(True)

    consumer = threading.Thread(target=consume)
    consumer.start()
    time.sleep(0.02)
    queue.close()
    consumer.join(10)
    assert ended == [True]


def test_queue_lets_go_of_what_was_in_it():
    class Message:
        pass

    queue = MessageQueue("py_refs")
    message = Message()
    seen = weakref.ref(message)
    queue.push(message)
    del message
    assert seen() is not None
    del queue
    gc.collect()
    assert seen() is None


def test_producers_of_a_full_queue_wait_without_the_lock():
    queue = MessageQueue("py_full_block", 1, overflow="block")
    producers = [
        threading.Thread(target=lambda: [queue.push(i) for i in range(2_000)], daemon=True) for _ in range(4)
    ]
    for thread in producers:
        thread.start()
    got = 0
    # It needs the interpreter's lock for each message, so it ends only when no producer keeps it.
    while got < 8_000:
        got += queue.try_pop() is not None
    for thread in producers:
        thread.join(10)
    assert not any(thread.is_alive() for thread in producers)


def test_many_producers_and_consumers_lose_nothing():
    queue = MessageQueue("py_many", 64, overflow="block")
    got = []

    def consume():
        while True:
            try:
                got.append(queue.pop())
            except QueueClosed:
                return

    consumers = [threading.Thread(target=consume) for _ in range(4)]
    producers = [
        threading.Thread(target=lambda n=n: [queue.push(n * 500 + i) for i in range(500)])
        for n in range(4)
    ]
    for thread in consumers + producers:
        thread.start()
    for thread in producers:
        thread.join()
    queue.close()
    for thread in consumers:
        thread.join()
    assert sorted(got) == list(range(2000))


WAITS = """
import os, signal, sys, threading, spanwire
queue = spanwire.MessageQueue("py_interrupted", 1, overflow=sys.argv[1])
queue.push(1)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    queue.push(2, **({"timeout": 20.0} if sys.argv[2] else {}))
except KeyboardInterrupt:
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize(("overflow", "timeout"), [("block", ""), ("drop_newest", "20")])
def test_wait_for_room_ends_with_ctrl_c(overflow, timeout):
    ended = subprocess.run([sys.executable, "-c", WAITS, overflow, timeout], timeout=15)
    assert ended.returncode == 7


def test_wait_for_room_counts_a_message_that_found_none_once(telemetry):
    queue = MessageQueue("py_once", 1)
    queue.push(1)
    with pytest.raises(QueueFull, match="time"):
        queue.push(2, timeout=0.25)
    start = 'spanwire_queue_messages_total{error_type="timeout"'
    lines = [line for line in scrape(telemetry).splitlines() if line.startswith(start) and "py_once" in line]
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["1"]


@pytest.mark.parametrize("timeout", [1e9, 1e15, 1.8e19])
def test_huge_timeout_is_a_wait_without_end(timeout):
    queue = MessageQueue("py_huge", 1)
    threading.Timer(0.05, queue.push, (1,)).start()
    assert queue.pop(timeout=timeout) == 1
    queue.push(1)
    threading.Timer(0.05, queue.pop).start()
    queue.push(2, timeout=timeout)
    assert queue.pop() == 2


def test_kind_of_message_can_be_named():
    queue: MessageQueue[int] = MessageQueue("py_generic")
    assert MessageQueue[int]
    assert queue.capacity == 1000
