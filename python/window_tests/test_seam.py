"""Versions of pywebview that work otherwise: a warning, and the app works."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings

import pytest
import spanwire.pywebview


def in_a_process(code: str) -> str:
    """What a process printed: pywebview's modules are changed there alone."""
    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "change, said",
    [
        ("util.js_bridge_call = lambda window, name, params: None", "js_bridge_call is not as expected"),
        ("del util.load_js_files", "load_js_files is not as expected"),
        ("del window.Window._initialize", "Window._initialize is not as expected"),
        ("window.Window.evaluate_js = lambda self: None", "Window.evaluate_js is not as expected"),
        (
            "exec(compile('def js_bridge_call(window, func_name, param, value_id): pass', util.__file__, 'exec'), util.__dict__)",
            "js_bridge_call does not use",
        ),
    ],
)
def test_another_seam_is_a_warning_and_nothing_is_changed(change, said):
    said_by = in_a_process(
        f"""
        import webview, webview.util as util, webview.window as window
        {change}
        before = dict(vars(util)), dict(vars(window.Window))
        import spanwire.pywebview
        assert spanwire.pywebview.instrument() is False
        assert not spanwire.pywebview.is_instrumented()
        assert (dict(vars(util)), dict(vars(window.Window))) == before
        """
    )
    assert "SeamWarning" in said_by and said in said_by, said_by


def test_this_version_is_instrumented_once_and_given_back():
    in_a_process(
        """
        import webview.util as util, webview.window as window
        before = util.js_bridge_call, util.load_js_files, window.Window.evaluate_js, window.Window._initialize
        import spanwire.pywebview as ours
        assert ours.instrument() and ours.instrument() and ours.is_instrumented()
        assert util.js_bridge_call.__wrapped__ is before[0], "wrapped once"
        ours.uninstrument(); ours.uninstrument()
        assert (util.js_bridge_call, util.load_js_files, window.Window.evaluate_js, window.Window._initialize) == before
        assert ours.instrument() and util.js_bridge_call is not before[0]
        """
    )


def test_a_failure_of_ours_is_none_of_the_apps():
    in_a_process(
        """
        import threading, webview, spanwire.pywebview as ours
        def name(window): raise RuntimeError("no name")
        ours.instrument(name=name)
        class Api:
            def ping(self, value): called.append(value); done.set()
        called, done = [], threading.Event()
        window = webview.create_window("x", html="", js_api=Api())
        window.evaluate_js = lambda script: None
        webview.util.js_bridge_call(window, "ping", [7], "1")
        assert done.wait(10) and called == [7]
        """
    )


def test_a_call_is_answered_by_pywebviews_own_id_also_when_nothing_observes_any_more():
    in_a_process(
        """
        import queue, webview, spanwire.pywebview as ours
        from spanwire import _bridge
        ours.instrument()
        class Api:
            def ping(self, value): return value
        scripts = queue.Queue()
        window = webview.create_window("x", html="", js_api=Api())
        window.evaluate_js = scripts.put
        ours._seam.evaluate_js = lambda window, script: scripts.put(script)
        _bridge.reports(window)
        webview.util.js_bridge_call(window, "ping", [7], "123|1;0.5;0.6")
        assert '["ping"]["123"]' in scripts.get(timeout=10)
        ours.uninstrument()
        webview.util.js_bridge_call(window, "ping", [7], "456|2;0.7;0.8")
        assert '["ping"]["456"]' in scripts.get(timeout=10)
        """
    )


def test_wrong_arguments_are_said():
    with pytest.raises(TypeError, match="^name:"), warnings.catch_warnings():
        spanwire.pywebview.instrument(name="main")


def test_a_thousand_times_in_and_out_leaves_nothing():
    in_a_process(
        """
        import gc, threading, webview, spanwire.pywebview as ours
        window = webview.create_window("x", html="")
        def rounds(count):
            for _ in range(count):
                ours.instrument(); ours.uninstrument()
            gc.collect()
            return len(gc.get_objects()), threading.active_count()
        objects, threads = rounds(10)
        after, threads_after = rounds(1000)
        assert threads_after == threads
        assert after - objects < 1000, after - objects
        assert len(window.events.closed) == 0, len(window.events.closed)
        """
    )
