// What is lost on the way to the collector.
//
// LATER: an alert for telemetry that stays in the spool for long, once the spool's metrics are in
// `semconv.json`.

import { LOST } from "../outcomes.js";
import { above, or, sum } from "../promql.js";
import { label } from "../semconv.js";
import { TARGET } from "../server.js";
import { AT, MINUTE, type Group, type Times } from "./rule.js";

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
  return {
    name: "telemetry",
    about: "Telemetry about telemetry: what is lost on the way to the collector.",
    recordings: [],
    alerts: [
      {
        alert: "SpanwireTelemetryLost",
        expr: above(or(first!, ...others), 0),
        severity: "warning",
        summary: `Telemetry of ${AT} is lost`,
        description: `{{ $value | humanize }} spans or log records did not get through the {{ $labels.${component} }} in the last 10 minutes: {{ $labels.${error} }}.`,
      },
    ],
  };
}
