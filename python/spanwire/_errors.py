"""How an exception is described: its type, its text with that of its causes, and its traceback."""

from __future__ import annotations

import asyncio
import concurrent.futures
import traceback
from typing import Optional, Set, Tuple

_CANCELLED = (asyncio.CancelledError, concurrent.futures.CancelledError)
_CHAIN_MAX = 16


def describe(error: BaseException) -> Tuple[Optional[str], str, str]:
    """The type's qualified name, None for a cancellation; the texts of the chain; the traceback."""
    if isinstance(error, _CANCELLED):
        return None, "", ""
    if not isinstance(error, BaseException):
        raise TypeError(f"error: an exception is needed, not {type(error).__name__}")
    return qualified_name(type(error)), _chain(error), _stack(error)


def qualified_name(error_type: type) -> str:
    """``ValueError``, ``json.decoder.JSONDecodeError``: a value of ``error.type``."""
    if error_type.__module__ in ("builtins", "__main__"):
        return error_type.__qualname__
    return f"{error_type.__module__}.{error_type.__qualname__}"


def _chain(error: BaseException) -> str:
    texts = []
    seen: Set[int] = set()
    link: Optional[BaseException] = error
    while link is not None and id(link) not in seen and len(seen) < _CHAIN_MAX:
        seen.add(id(link))
        text = _text(link)
        texts.append(text if link is error else f"{qualified_name(type(link))}: {text}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "; caused by ".join(texts)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(the exception raised another when it was printed)"


def _stack(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:
        return ""
