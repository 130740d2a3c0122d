"""Each public name says what it is."""

from __future__ import annotations

import importlib
import inspect

import pytest

import spanwire

MODULES = ["spanwire", *(f"spanwire.{name}" for name in ("compat", "logging", "opentelemetry", "prometheus", "webview"))]


def members():
    for module in map(importlib.import_module, MODULES):
        for name in getattr(module, "__all__", []):
            it = getattr(module, name)
            yield name, it
            if not inspect.isclass(it):
                continue
            for member, what in vars(it).items():
                is_data = inspect.isdatadescriptor(what) or callable(what)
                if not member.startswith("_") and is_data:
                    yield f"{it.__name__}.{member}", what


def test_each_public_name_has_a_docstring():
    bare = {name for name, it in members() if not isinstance(it, str) and not getattr(it, "__doc__", None)}
    assert bare == set()


@pytest.mark.parametrize("told", ["name", "slow_after", "sample_one_in", "fields", "seconds", "TypeError"])
def test_help_of_a_monitor_has_its_arguments_units_and_errors(told):
    assert told in spanwire.monitor.__doc__
