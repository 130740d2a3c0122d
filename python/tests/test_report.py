"""``Telemetry.report``: one ZIP file of the history."""

from __future__ import annotations

import json
import os
import zipfile

import pytest

import spanwire
from spanwire import SpanwireError, monitor


def test_report_names_what_failed_and_how_often(tmp_path):
    out = tmp_path / "report.zip"
    with spanwire.install(
        "paint-tool", environment={}, metrics="none", system=False, history=tmp_path / "history.db"
    ) as telemetry:
        for number in range(10):
            try:
                with monitor("export_layers"):
                    if number % 2:
                        raise KeyError("the text is a secret")
            except KeyError:
                pass
        report = telemetry.report(out)
        with pytest.raises(SpanwireError, match="exists and is not overwritten"):
            telemetry.report(os.fspath(out))
    assert (report.path, report.size) == (out, out.stat().st_size)
    [advice] = report.advice
    assert (advice.id, advice.subject) == ("operation-failing", "operation export_layers")
    assert advice.evidence == "5 of 10 fail, 50 %; of the newest 5 failures 5 are KeyError"
    assert advice.remedy and advice.severity in ("warning", "critical") and advice.stage
    assert str(report) == report.verdict == f"{advice.subject}: {advice.evidence}"
    assert report.missing == []
    with zipfile.ZipFile(out) as parts:
        assert parts.testzip() is None
        names = ["report.html", "trace.json", "otlp.jsonl", "history.sqlite"]
        assert parts.namelist() == names
        texts = [parts.read(name) for name in names]
    assert b"export_layers" in texts[0] and json.loads(texts[1])["traceEvents"]
    assert not any(b"a secret" in text for text in texts)


def test_without_a_history_there_is_no_report(tmp_path):
    with spanwire.install("x", environment={}, metrics="none", system=False) as telemetry:
        with pytest.raises(SpanwireError, match="SPANWIRE_HISTORY"):
            telemetry.report(tmp_path / "report.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(tmp_path):
    out = tmp_path / "missing" / "report.zip"
    with spanwire.install(
        "x", environment={}, metrics="none", system=False, history=tmp_path / "history.db"
    ) as telemetry:
        with pytest.raises(SpanwireError, match="missing.*report.zip cannot be written"):
            telemetry.report(out)
        with pytest.raises(TypeError):
            telemetry.report(7)
