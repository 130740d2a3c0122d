// Memory, the start, and whether the app is there.

import {
  CPU_SATURATED,
  MEMORY_MIN_BYTES,
  MEMORY_MIN_SHARE,
  STARTUP_BUDGET_S,
} from "../findings/thresholds.js";
import { above, aggregate, and, binary, number, or, times as scaled, type Expr } from "../promql.js";
import { byRole } from "../roles.js";
import { JOB, TARGET, UP } from "../server.js";
import { offset, oneOf } from "../series.js";
import { alertOf, lookback } from "./of_finding.js";
import {
  ANY,
  DAY,
  HOUR,
  MINUTE,
  overTime,
  recorded,
  type Group,
  type Recording,
  type Times,
} from "./rule.js";

const STARTUP = "spanwire.startup.duration";
const SHOWN = { "spanwire.startup.phase": oneOf("dom_ready", "first_paint") };

/** The job that the stack which comes with Spanwire scrapes; another is known by its series. */
const OUR_JOB = "spanwire";

export function processes(times: Times): Group {
  const memory: Recording = {
    record: "role:spanwire_memory_usage_bytes:sum",
    expr: byRole(
      ANY.gauge("process.memory.usage"),
      ANY.gauge("spanwire.webview.process.memory.usage"),
      ...TARGET,
    ),
  };
  // The least of now against the most of then: a peak is no growth.
  const ten = times.text(10 * MINUTE);
  const now = overTime("min_over_time", recorded(memory), ten);
  const before = overTime("max_over_time", recorded(memory), ten, times.text(50 * MINUTE));
  const growth = binary(now, "-", before);

  // A start is news for a quarter of an hour: its time stays as it was until the app starts again, and
  // no two starts take the same time. To a Prometheus that is new an old start is none either.
  const newsS = 15 * MINUTE;
  const shown = (series: Expr): Expr => aggregate("max", TARGET, series);
  const startup = shown(ANY.gauge(STARTUP, SHOWN));
  const startupBefore = shown(offset(ANY.gauge(STARTUP, SHOWN), times.text(newsS)));
  const isOldNews = binary(startup, "==", startupBefore, { on: TARGET });
  const isOldProcess = above(ANY.gauge("process.uptime"), newsS);
  const slowStart = binary(
    binary(above(startup, STARTUP_BUDGET_S), "unless", isOldNews, { on: TARGET }),
    "unless",
    isOldProcess,
    { on: TARGET },
  );

  const down = binary(ANY.server(UP), "==", number(0));
  // A target that is down has no series of its own any more. One that had them within a day is an
  // app.
  const known = overTime("count_over_time", ANY.gauge("spanwire.error_rate.threshold"), times.text(DAY));
  const ours = binary(ANY.server(UP, `${JOB}="${OUR_JOB}"`), "==", number(0));
  return {
    name: "process",
    about: "The process: its memory, its start, and whether it is there.",
    recordings: [memory],
    alerts: [
      alertOf(
        "memory-growth",
        and(
          and(above(growth, MEMORY_MIN_BYTES), binary(growth, ">", scaled(before, MEMORY_MIN_SHARE))),
          // A process that is younger is compared with the one before it, which may have been another version.
          above(ANY.gauge("process.uptime"), times.seconds(HOUR)),
          TARGET,
        ),
        { forS: 10 * MINUTE },
      ),
      alertOf("startup-slow", slowStart, { labels: { threshold: `${STARTUP_BUDGET_S}s` } }),
      alertOf("target-down", or(and(down, known, TARGET), ours), { forS: MINUTE }),
      alertOf("host-cpu-saturated", lookback(times, 5 * MINUTE), {
        // To a Prometheus that is new the mean is that of one moment.
        forS: MINUTE,
        labels: { threshold: `${CPU_SATURATED * 100}%` },
      }),
    ],
  };
}
