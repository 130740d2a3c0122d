// Queues: what fills up, what is dropped.

import { DROPPED } from "../outcomes.js";
import { above, binary, sumWithout } from "../promql.js";
import { label } from "../semconv.js";
import { ANY, AT, MINUTE, recorded, type Group, type Recording, type Times } from "./rule.js";

const QUEUE = label("spanwire.queue.name");

/** From where on a queue counts as nearly full. */
const FULL = 0.8;

export function queues(times: Times): Group {
  const fill: Recording = {
    record: "queue:spanwire_queue_fill:ratio",
    expr: binary(ANY.gauge("spanwire.queue.size"), "/", ANY.gauge("spanwire.queue.capacity")),
  };
  const dropped = times.over(5 * MINUTE).grown("spanwire.queue.messages", DROPPED);
  return {
    name: "queues",
    about: "Queues, those of webviews and the app's own: what fills up, what is dropped.",
    recordings: [fill],
    alerts: [
      {
        alert: "SpanwireQueueNearlyFull",
        expr: above(recorded(fill), FULL),
        forS: MINUTE,
        severity: "warning",
        labels: { threshold: `${FULL * 100}%` },
        summary: `Queue {{ $labels.${QUEUE} }} of ${AT} is nearly full`,
        description:
          "It is {{ $value | humanizePercentage }} full. Once it is full, messages are dropped, or their senders wait.",
      },
      {
        alert: "SpanwireQueueMessagesDropped",
        expr: above(sumWithout(dropped, label("spanwire.outcome")), 0),
        severity: "warning",
        summary: `Queue {{ $labels.${QUEUE} }} of ${AT} dropped messages`,
        description: `{{ $value | humanize }} messages were dropped in the last 5 minutes: {{ $labels.${label("error.type")} }}.`,
      },
    ],
  };
}
