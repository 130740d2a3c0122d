// The page, and the UI thread that it shares with the host.

import { FELT_S, SATURATED } from "../findings/thresholds.js";
import { above, quantile } from "../promql.js";
import { alertOf, lookback } from "./of_finding.js";
import { MINUTE, recorded, type Group, type Recording, type Times } from "./rule.js";

const DELAY = "spanwire.main_thread.delay";

export function page(times: Times): Group {
  const delay: Recording = {
    record: "instance:spanwire_main_thread_delay_seconds:p95_5m",
    expr: quantile(0.95, times.over(5 * MINUTE).rate(DELAY, {}, "_bucket")),
  };
  const recent = lookback(times, 5 * MINUTE);
  return {
    name: "page",
    about: "The page, and the UI thread that it shares with the host.",
    recordings: [delay],
    alerts: [
      alertOf("ui-thread-blocked", above(recorded(delay), FELT_S), {
        forS: 5 * MINUTE,
        labels: { threshold: `${FELT_S * 1_000}ms` },
      }),
      alertOf("ui-thread-hung", recent, { forS: MINUTE }),
      alertOf("page-unresponsive", recent, { forS: MINUTE }),
      alertOf("page-inert", recent, { forS: MINUTE }),
      alertOf("page-gone", recent, { forS: MINUTE }),
      alertOf("page-reloading", recent),
      alertOf("page-thread-saturated", recent, {
        forS: 5 * MINUTE,
        labels: { threshold: `${SATURATED * 100}%` },
      }),
    ],
  };
}
