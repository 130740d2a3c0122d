// Scoped operations: what fails.

import { FAILURES_MIN } from "../findings/thresholds.js";
import { FAILED_OPERATIONS, JUDGED_OPERATIONS, OPERATIONS } from "../outcomes.js";
import { and, binary, number, or, ratio, sumWithout, times as scaled } from "../promql.js";
import { label } from "../semconv.js";
import { onRecorded } from "./messages.js";
import { alertOf } from "./of_finding.js";
import {
  aboveThreshold,
  ERROR_RATE,
  MINUTE,
  recorded,
  thresholdLabel,
  type Group,
  type Recording,
  type Times,
} from "./rule.js";

export function operations(times: Times): Group {
  const error = label("error.type");
  const increase: Recording = {
    record: "instance:spanwire_operations:increase5m",
    expr: sumWithout(
      times.over(5 * MINUTE).grown(OPERATIONS, {}, "_count"),
      label("spanwire.operation.name"),
    ),
  };
  const judged: Recording = {
    record: "instance:spanwire_operations_judged:increase5m",
    expr: sumWithout(recorded(increase, onRecorded(JUDGED_OPERATIONS)), error),
  };
  const failed: Recording = {
    record: "instance:spanwire_operations_failed:increase5m",
    expr: or(
      sumWithout(recorded(increase, onRecorded(FAILED_OPERATIONS)), error),
      // Zero where nothing failed, as for messages.
      scaled(recorded(judged), 0),
    ),
  };
  const failureRatio: Recording = {
    record: "instance:spanwire_operations_failed:ratio5m",
    expr: ratio(recorded(failed), recorded(judged)),
  };
  return {
    name: "operations",
    about: "Scoped operations: what fails.",
    recordings: [increase, judged, failed, failureRatio],
    alerts: [
      alertOf(
        "operation-failing",
        and(
          aboveThreshold(recorded(failureRatio), ERROR_RATE),
          binary(recorded(failed), ">=", number(FAILURES_MIN)),
        ),
        { forS: 2 * MINUTE, labels: { threshold: thresholdLabel(ERROR_RATE) } },
      ),
    ],
  };
}
