"""The decorator: what a monitor makes of a function."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable

from ._core import Monitor

_Function = Callable[..., Any]


def wrap(monitor: Monitor, function: _Function) -> _Function:
    """The same function, each call of which is a run of ``monitor``."""
    # These come before the plain case: to call such a function runs none of its code, so a `with`
    # around the call would measure nothing.
    if inspect.isasyncgenfunction(function):
        return _async_generator(monitor, function)
    if inspect.isgeneratorfunction(function):
        return _generator(monitor, function)
    if inspect.iscoroutinefunction(function):
        return _coroutine(monitor, function)
    if not callable(function):
        raise TypeError(f"function: a callable is needed, not {type(function).__name__}")
    return _plain(monitor, function)


def _plain(monitor: Monitor, function: _Function) -> _Function:
    @functools.wraps(function)
    def measured(*args: Any, **kwargs: Any) -> Any:
        with monitor:
            return function(*args, **kwargs)

    return measured


def _coroutine(monitor: Monitor, function: _Function) -> _Function:
    @functools.wraps(function)
    async def measured(*args: Any, **kwargs: Any) -> Any:
        with monitor:
            return await function(*args, **kwargs)

    return measured


def _generator(monitor: Monitor, function: _Function) -> _Function:
    # A generator runs in the context of who asks it for its next item, so its run is current only
    # while it works.
    @functools.wraps(function)
    def measured(*args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs)
        # The run starts at the first iteration and not at the wrapper's call: a generator that the
        # caller never iterates records no run.
        run = monitor.start()
        step, value = inner.send, None
        try:
            while True:
                run._attach()
                try:
                    # `send`, `throw` and `close` go to the inner generator, so it behaves as
                    # without a monitor.
                    item = step(value)
                finally:
                    run._detach()
                try:
                    value = yield item
                    step = inner.send
                except GeneratorExit:
                    # What it tidies up with is within its run too.
                    run._attach()
                    try:
                        inner.close()
                    finally:
                        run._detach()
                    raise
                # What the caller throws into the generator is raised within it at the next step.
                except BaseException as error:
                    step, value = inner.throw, error
        # Python turns a `StopIteration` that leaves a generator into a RuntimeError, so its value
        # is returned.
        except StopIteration as stop:
            run.end()
            return stop.value
        except BaseException as error:
            run.end(error)
            raise

    return measured


def _async_generator(monitor: Monitor, function: _Function) -> _Function:
    @functools.wraps(function)
    async def measured(*args: Any, **kwargs: Any) -> Any:
        inner = function(*args, **kwargs)
        run = monitor.start()
        step, value = inner.asend, None
        try:
            while True:
                run._attach()
                try:
                    item = await step(value)
                finally:
                    run._detach()
                try:
                    value = yield item
                    step = inner.asend
                except GeneratorExit:
                    run._attach()
                    try:
                        await inner.aclose()
                    finally:
                        run._detach()
                    raise
                except BaseException as error:
                    step, value = inner.athrow, error
        except StopAsyncIteration:
            run.end()
        except BaseException as error:
            run.end(error)
            raise

    return measured
