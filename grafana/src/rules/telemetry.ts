// What is lost on the way to the collector, and what waits on disk for it.

import { LOST, LOST_BY_SPOOL } from "../outcomes.js";
import { above, or, sum } from "../promql.js";
import { label } from "../semconv.js";
import { TARGET } from "../server.js";
import { ANY, AT, MINUTE, type Group, type Times } from "./rule.js";

export function telemetry(times: Times): Group {
  const component = label("otel.component.type");
  const error = label("error.type");
  const recent = times.over(10 * MINUTE);
  // Not metric points: they are sums, and the next export carries them.
  const [first, ...others] = [
    "otel.sdk.exporter.span.exported",
    "otel.sdk.exporter.log.exported",
    "otel.sdk.processor.span.processed",
    "otel.sdk.processor.log.processed",
  ].map((name) => sum(recent.grown(name, LOST), ...TARGET, component, error));
  // Its series have no component, and say so by their name.
  const spool = sum(recent.grown("spanwire.spool.items", LOST_BY_SPOOL), ...TARGET, error);
  return {
    name: "telemetry",
    about:
      "Telemetry about telemetry: what is lost on the way to the collector, or waits for it for long.",
    recordings: [],
    alerts: [
      {
        alert: "SpanwireTelemetryLost",
        expr: above(or(first!, ...others, spool), 0),
        severity: "warning",
        summary: `Telemetry of ${AT} is lost`,
        description: `{{ $value | humanize }} spans or log records did not get through the {{ or $labels.${component} "spool" }} in the last 10 minutes: {{ $labels.${error} }}.`,
      },
      {
        alert: "SpanwireTelemetrySpooling",
        expr: above(sum(ANY.gauge("spanwire.spool.size"), ...TARGET), 0),
        forS: 30 * MINUTE,
        severity: "warning",
        summary: `Telemetry of ${AT} does not reach the collector`,
        description:
          "{{ $value | humanize1024 }}B of spans and log records wait on disk, and the spool was not empty for 30 minutes.",
      },
    ],
  };
}
