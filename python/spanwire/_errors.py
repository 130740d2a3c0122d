"""How an exception is described: its type, its text with that of its causes, and its traceback."""

from __future__ import annotations

import asyncio
import concurrent.futures
import traceback
from typing import Optional, Set, Tuple

_CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError)
_CHAIN_MAX = 16
#: The innermost ones: each of a thousand runs within each other would describe a thousand.
_FRAMES_MAX = 64


def describe(error: BaseException) -> Tuple[Optional[str], str, str]:
    """The type's qualified name, None for a cancellation; the texts of the chain; the traceback."""
    if isinstance(error, _CANCELLED):
        return None, "", ""
    if not isinstance(error, BaseException):
        raise TypeError(f"error: an exception is needed, not {type(error).__name__}")
    return qualified_name(type(error)), _chain(error), _stack(error)


def qualified_name(error_type: type) -> str:
    """``ValueError``, ``json.decoder.JSONDecodeError``: a value of ``error.type``."""
    # The name of the main module says nothing: it is `__main__` for each app.
    if error_type.__module__ in ("builtins", "__main__"):
        return error_type.__qualname__
    return f"{error_type.__module__}.{error_type.__qualname__}"


def _chain(error: BaseException) -> str:
    texts = []
    seen: Set[int] = set()
    link: Optional[BaseException] = error
    # A chain can lead back to itself: Python does not forbid `a.__cause__ = a`.
    while link is not None and id(link) not in seen and len(seen) < _CHAIN_MAX:
        seen.add(id(link))
        text = text_of(link)
        texts.append(text if link is error else f"{qualified_name(type(link))}: {text}")
        # Not by what it is as a bool: a class of the app's may say that of itself.
        context = None if link.__suppress_context__ else link.__context__
        link = link.__cause__ if link.__cause__ is not None else context
    return "; caused by ".join(texts)


def text_of(error: BaseException) -> str:
    """What it says; what UTF-8 cannot carry is written as an escape."""
    try:
        return _utf8(str(error))
    except Exception:
        return "(the exception raised another when it was printed)"


def _utf8(text: str) -> str:
    # A lone surrogate, as from the name of a file, cannot be encoded and would fail the export.
    return text.encode("utf-8", "backslashreplace").decode()


def _stack(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(type(error), error, error.__traceback__, limit=-_FRAMES_MAX)
        return _utf8("".join(lines))
    except Exception:
        return ""
