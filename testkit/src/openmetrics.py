"""Reads OpenMetrics text with Prometheus' own client library and writes what it found as JSON.

It ends with an error when the text is not of the format.
"""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def exemplar(sample):
    found = sample.exemplar
    return found and {
        "labels": found.labels,
        "value": found.value,
        "timestamp": found.timestamp and float(found.timestamp),
    }


def main():
    # Bytes, since the text mode of a stream changes line ends.
    text = sys.stdin.buffer.read().decode("utf-8")
    families = [
        {
            "name": family.name,
            "type": family.type,
            "unit": family.unit,
            "help": family.documentation,
            "samples": [
                {
                    "name": sample.name,
                    "labels": sample.labels,
                    # JSON has no infinity.
                    "value": str(sample.value),
                    "exemplar": exemplar(sample),
                }
                for sample in family.samples
            ],
        }
        for family in text_string_to_metric_families(text)
    ]
    json.dump(families, sys.stdout)


main()
