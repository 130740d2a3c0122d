"""What an argument may be, told by its name."""

from __future__ import annotations

import math
from typing import Any


def text(value: Any, name: str, longest: int = 128) -> str:
    """A str that is not empty and has at most ``longest`` bytes; what UTF-8 cannot say is replaced."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: a str is needed, not {type(value).__name__}")
    told = utf8(value)
    if not 1 <= len(told.encode()) <= longest:
        raise ValueError(f"{name}: 1 to {longest} bytes of UTF-8 are allowed")
    return told


def utf8(value: str) -> str:
    """The same as the Rust half has of it, which holds UTF-8 alone."""
    return value if value.isascii() else value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def number(value: Any, name: str, *, least: float = 0.0, above: bool = False) -> float:
    """A finite number from ``least`` on, or above it."""
    # A bool is an int in Python.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}: a number is needed, not {type(value).__name__}")
    # Each comparison with NaN is false, so it is asked for by itself.
    if not math.isfinite(value) or value < least or (above and value == least):
        raise ValueError(f"{name}: a number {'above' if above else 'from'} {least:g} is needed, not {value}")
    return float(value)


def whole(value: object, name: str, *, least: int = 0) -> int:
    """An int from ``least`` on."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: an int is needed, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name}: an int from {least} on is needed, not {value}")
    return value


def flag(value: Any, name: str) -> bool:
    """A bool; 0 and 1 pass for one, as SQLite has them."""
    if value not in (0, 1):
        raise TypeError(f"{name}: a bool is needed, not {type(value).__name__}")
    return bool(value)
