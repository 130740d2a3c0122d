// Memory, and whether the app is there.

import { above, and, binary, number, or, times as scaled } from "../promql.js";
import { byRole, ROLE } from "../roles.js";
import { JOB, TARGET, UP } from "../server.js";
import {
  ANY,
  AT,
  DAY,
  HOUR,
  MINUTE,
  overTime,
  recorded,
  type Group,
  type Recording,
  type Times,
} from "./rule.js";

const MEBIBYTE = 1024 * 1024;
/** Growth in an hour that is worth a look: both as it is and as a share. */
const GROWTH_MIN_BYTES = 64 * MEBIBYTE;
const GROWTH_MIN_SHARE = 0.2;

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

  const down = binary(ANY.server(UP), "==", number(0));
  const known = overTime("count_over_time", ANY.gauge("spanwire.error_rate.threshold"), times.text(DAY));
  const ours = binary(ANY.server(UP, `${JOB}="${OUR_JOB}"`), "==", number(0));
  return {
    name: "process",
    about: "The process: its memory, and whether it is there.",
    recordings: [memory],
    alerts: [
      {
        alert: "SpanwireMemoryGrowth",
        expr: and(
          and(
            above(growth, GROWTH_MIN_BYTES),
            binary(growth, ">", scaled(before, GROWTH_MIN_SHARE)),
          ),
          // A process that is younger is compared with the one before it, which may have been another version.
          above(ANY.gauge("process.uptime"), times.seconds(HOUR)),
          TARGET,
        ),
        forS: 10 * MINUTE,
        severity: "warning",
        summary: `Memory of {{ $labels.${ROLE} }} of ${AT} grows`,
        description:
          "It uses {{ $value | humanize1024 }}B more than an hour ago, at its least now against its most then.",
      },
      {
        alert: "SpanwireTargetDown",
        expr: or(and(down, known, TARGET), ours),
        forS: MINUTE,
        severity: "warning",
        summary: `${AT} cannot be scraped`,
        description:
          "It does not answer Prometheus: the app ended, hangs, or its endpoint is off or on another port. Nothing else about it can be known meanwhile.",
      },
    ],
  };
}
