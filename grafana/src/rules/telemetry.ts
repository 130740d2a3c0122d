// What is lost on the way to the collector, and what waits on disk for it.

import { above, sum } from "../promql.js";
import { TARGET } from "../server.js";
import { alertOf, lookback } from "./of_finding.js";
import { ANY, MINUTE, type Group, type Times } from "./rule.js";

export function telemetry(times: Times): Group {
  return {
    name: "telemetry",
    about:
      "Telemetry about telemetry: what is lost on the way to the collector, or waits for it for long.",
    recordings: [],
    alerts: [
      // Not metric points: they are sums, and the next export carries them.
      alertOf("telemetry-lost", lookback(times, 10 * MINUTE)),
      alertOf("telemetry-spooling", above(sum(ANY.gauge("spanwire.spool.size"), ...TARGET), 0), {
        // A spool that fills and empties again is its purpose.
        forS: 30 * MINUTE,
      }),
    ],
  };
}
