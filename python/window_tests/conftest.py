"""Windows of pywebview's in processes of their own: a process has one event loop of GTK's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from otlp_receiver import Receiver

HERE = Path(__file__).parent


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def run_app():
    """Runs an app of ``apps/`` and returns what it printed as its last line of JSON."""

    def run(name: str, *args: str, endpoint: str | None = None, seconds: float = 90, **extra: str) -> Any:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE / "apps")]),
            "SPANWIRE_PROMETHEUS_PORT": "0",
            # Each trace is kept, whatever its length.
            "OTEL_TRACES_SAMPLER": "always_on",
            "SPANWIRE_TRACE_RATE": "100000",
            **extra,
        }
        if endpoint:
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        path = Path(name) if os.sep in name else HERE / "apps" / name
        ended = subprocess.run(
            [sys.executable, str(path), *args],
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
        result = json.loads(lines[-1]) if lines else {}
        result["stderr"] = ended.stderr
        assert "AssertionError" not in ended.stderr, ended.stderr
        return result

    return run
