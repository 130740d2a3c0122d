// Queues: what fills up, what is dropped.

import { FULL } from "../findings/thresholds.js";
import { above, binary } from "../promql.js";
import { alertOf, lookback } from "./of_finding.js";
import { ANY, MINUTE, recorded, type Group, type Recording, type Times } from "./rule.js";

export function queues(times: Times): Group {
  const fill: Recording = {
    record: "queue:spanwire_queue_fill:ratio",
    expr: binary(ANY.gauge("spanwire.queue.size"), "/", ANY.gauge("spanwire.queue.capacity")),
  };
  return {
    name: "queues",
    about: "Queues, those of webviews and the app's own: what fills up, what is dropped.",
    recordings: [fill],
    alerts: [
      alertOf("queue-nearly-full", above(recorded(fill), FULL), {
        forS: MINUTE,
        labels: { threshold: `${FULL * 100}%` },
      }),
      alertOf("queue-dropped", lookback(times, 5 * MINUTE)),
    ],
  };
}
