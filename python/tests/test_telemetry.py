"""install and its end."""

import urllib.request

import pytest

import spanwire


def test_install_serves_metrics_until_shutdown():
    with spanwire.install("paint-tool", environment={}, prometheus_port=0) as telemetry:
        assert telemetry.warnings == []
        spanwire.Measurement("fps").record(59.5)
        text = urllib.request.urlopen(telemetry.metrics_url, timeout=5).read().decode()
    assert "59.5" in text
    with pytest.raises(OSError):
        urllib.request.urlopen(telemetry.metrics_url, timeout=5)
