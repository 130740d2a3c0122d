// Scoped operations: what the app does.

import { chosen, recent, shown, type Board, type Row } from "../board.js";
import {
  FAILED_OPERATIONS,
  JUDGED_OPERATIONS,
  operationSuccess,
  OPERATIONS,
} from "../outcomes.js";
import { card, chart, graded, GREEN, NOTHING, ORANGE, RED, YELLOW } from "../panels.js";
import {
  above,
  aggregate,
  and,
  binary,
  orZeroOf,
  ratio,
  seen,
  sum,
  times,
  type Expr,
} from "../promql.js";
import { waiting } from "../queues.js";
import { label } from "../semconv.js";
import {
  beyond,
  latency,
  latencyHeat,
  orZero,
  SLOW_OPERATION_THRESHOLD,
  runningChart,
  successCard,
  successChart,
  totalShown,
} from "../shared.js";
import { rows } from "../tables.js";
import { target, traced } from "../targets.js";
import { ERRORS_PER_S, MESSAGES_PER_S, OPERATIONS as OPERATIONS_UNIT, OPERATIONS_PER_S } from "../units.js";

const SLOW = "spanwire.operation.slow";
const ACTIVE = "spanwire.operation.active";

const OPERATION = label("spanwire.operation.name");
const ERROR = label("error.type");
const THRESHOLD_KIND = label("spanwire.threshold.kind");
const QUEUE = label("spanwire.queue.name");
const WORKER_STATE = label("spanwire.queue.worker.state");
const MEASURED = label("spanwire.measurement.name");
const CATEGORY = label("spanwire.measurement.category");
const MEASURED_UNIT = label("spanwire.measurement.unit");

const perMinute = (by: readonly string[]): Expr =>
  times(sum(chosen.rate(OPERATIONS, {}, "_count"), ...by), 60);
const success = operationSuccess(chosen);
const slowFrom = chosen.threshold(SLOW_OPERATION_THRESHOLD);

const overview: Row = [
  "Overview",
  card({
    title: "Actions per minute",
    description: "Operations that ended per minute, well or not.",
    unit: "opm",
    width: 4,
    targets: [target("actions", orZero(perMinute([])))],
  }),
  successCard({
    title: "Operations OK",
    description:
      "Success rate of operations; cancelled ones do not count. Yellow from half of the error rate from which the app counts as failing (SPANWIRE_ERROR_RATE_THRESHOLD), red above it.",
    width: 4,
    success,
    none: "no operations",
  }),
  graded({
    title: "Duration p99",
    description:
      "99 of 100 operations took at most this long in the time shown, and of how many operations that is: of fewer than 100 it is the slowest one. Yellow from half of the slow threshold in force (SPANWIRE_SLOW_THRESHOLD_MS), red above it.",
    unit: "s",
    width: 4,
    value: shown.quantile(0.99, OPERATIONS),
    words: [beyond(OPERATIONS)],
    legend: "p99",
    best: "low",
    yellow: times(slowFrom, 0.5),
    red: slowFrom,
    none: "no operations",
    of: {
      legend: "of",
      expr: sum(shown.increase(OPERATIONS, {}, "_count")),
      unit: OPERATIONS_UNIT,
    },
  }),
  card({
    title: "Running now",
    description: "Operations that are running.",
    unit: "none",
    decimals: 0,
    width: 4,
    targets: [target("running", orZero(sum(chosen.gauge(ACTIVE))))],
  }),
  card({
    title: "Slow",
    description: "Operations that took longer than their slow threshold, in the time shown.",
    unit: "none",
    decimals: 0,
    width: 4,
    still: true,
    targets: [target("slow", totalShown((of) => of.grown(SLOW)))],
    steps: [[0.5, YELLOW]],
  }),
  card({
    title: "Errors",
    description: "Operations that failed, in the time shown; cancelled ones do not count.",
    unit: "none",
    decimals: 0,
    width: 4,
    still: true,
    targets: [
      target("errors", totalShown((of) => of.grown(OPERATIONS, FAILED_OPERATIONS, "_count"))),
    ],
    steps: [[0.5, RED]],
  }),
];

const actions: Row = [
  "Actions",
  chart({
    title: "Actions per minute by operation",
    description: "Operations that ended per minute, well or not.",
    unit: "opm",
    width: 12,
    stacked: true,
    targets: [target(`{{${OPERATION}}}`, perMinute([OPERATION]))],
  }),
  chart({
    title: "Average and tail duration",
    description:
      "The average, and what 99 of 100 operations took at most. Points are operations whose trace was kept: click one to open it.",
    unit: "s",
    width: 12,
    targets: [
      traced("p99", chosen.quantile(0.99, OPERATIONS)),
      target("average", chosen.mean(OPERATIONS, [])),
    ],
    colors: [
      ["/^p99$/", ORANGE],
      ["/^average$/", GREEN],
    ],
  }),
  successChart({
    title: "Success rate by operation",
    description:
      "Share of operations that succeeded, and the rate below which the app counts as failing; cancelled ones do not count.",
    width: 12,
    success,
    none: "no operations",
    parts: [target(`{{${OPERATION}}}`, operationSuccess(chosen, OPERATION))],
  }),
  runningChart(12),
];

const trouble: Row = [
  "Slow and failed",
  chart({
    title: "Slow operations",
    description:
      "Operations per second that took longer than their slow threshold.",
    unit: OPERATIONS_PER_S,
    width: 12,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [target(`{{${OPERATION}}}`, sum(chosen.grownRate(SLOW), OPERATION))],
  }),
  chart({
    title: "Errors by type",
    description:
      "Operations that failed per second, by operation and the error's Rust type; a single failure shows.",
    unit: ERRORS_PER_S,
    bad: true,
    width: 12,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [
      target(
        `{{${OPERATION}}} {{${ERROR}}}`,
        sum(chosen.grownRate(OPERATIONS, FAILED_OPERATIONS, "_count"), OPERATION, ERROR),
      ),
    ],
  }),
  chart({
    title: "Above their thresholds",
    description:
      "How many operations, and events of pages, failed or were slow more often within the app's own window (SPANWIRE_WINDOW_SECONDS) than SPANWIRE_ERROR_RATE_THRESHOLD and SPANWIRE_SLOW_RATE_THRESHOLD allow. The app's log names them.",
    unit: "none",
    decimals: 0,
    width: 24,
    bad: true,
    stacked: true,
    none: NOTHING,
    targets: [
      target(`{{${THRESHOLD_KIND}}}`, sum(chosen.gauge("spanwire.threshold.exceeded"), THRESHOLD_KIND)),
    ],
  }),
  latency({
    title: "Duration",
    description:
      "How long operations took, and from where they count as slow unless they have a threshold of their own.",
    metric: OPERATIONS,
    width: 12,
    threshold: SLOW_OPERATION_THRESHOLD,
  }),
  latencyHeat({
    title: "Duration distribution",
    description:
      "How many operations took how long. Points are operations whose trace was kept: click one to open it.",
    metric: OPERATIONS,
    cells: OPERATIONS_PER_S,
    width: 12,
  }),
];

/** Operations that ended: what is idle has no place among the slowest and the busiest. */
const busy = above(times(sum(recent.ownRate(OPERATIONS, {}, "_count"), OPERATION), 60), 0);
const ofBusy = (expr: Expr): Expr => orZeroOf(and(expr, busy), busy);
const failedShare = ratio(
  sum(recent.grown(OPERATIONS, FAILED_OPERATIONS, "_count"), OPERATION),
  sum(recent.ownIncrease(OPERATIONS, JUDGED_OPERATIONS, "_count"), OPERATION),
);

const names: Row = [
  "By name",
  rows({
    title: "Slowest and busiest operations",
    description:
      "Each operation that ended in the last 5 minutes, or since the app's start, with its rate and its times over these. It is sorted by the tail; click a column's head to sort by it.",
    unit: "none",
    width: 24,
    rows: { [OPERATION]: "Operation" },
    columns: [
      { name: "p99", unit: "s", expr: seen(recent.ownQuantile(0.99, OPERATIONS, [OPERATION])), words: [beyond(OPERATIONS)] },
      { name: "Average", unit: "s", expr: recent.ownMean(OPERATIONS, [OPERATION]) },
      { name: "Per minute", unit: "opm", expr: busy, decimals: 1 },
      {
        name: "Failed",
        unit: "percentunit",
        expr: ofBusy(failedShare),
        decimals: 1,
      },
      { name: "Slow", unit: "none", expr: ofBusy(sum(recent.grown(SLOW), OPERATION)), decimals: 0 },
    ],
    sortBy: "p99",
    none: "no operations",
  }),
];

const own: Row = [
  "The app's own queues and measurements",
  chart({
    title: "Queue fill",
    description:
      "How full each queue is, those of webviews among them, and bursts between two scrapes. The alert fires above 80 %.",
    unit: "percentunit",
    decimals: 1,
    width: 8,
    max: 1,
    targets: [
      target(
        `{{${QUEUE}}}`,
        aggregate(
          "max",
          [QUEUE],
          binary(waiting(chosen), "/", chosen.gauge("spanwire.queue.capacity")),
        ),
      ),
    ],
  }),
  chart({
    title: "Messages that left a queue",
    description:
      "Per second, by queue and reason; without a reason they were taken. Queues of the app's own alone: the dashboard IPC has those of webviews.",
    unit: MESSAGES_PER_S,
    width: 8,
    none: "no queue of the app's own",
    targets: [
      target(`{{${QUEUE}}} {{${ERROR}}}`, sum(chosen.rate("spanwire.queue.messages"), QUEUE, ERROR)),
    ],
  }),
  chart({
    title: "Workers",
    description:
      "Workers of the app's own queues, at the scrape: with all of a queue's busy, its messages wait. The operation of a worker is linked to the span of the push in Jaeger.",
    unit: "none",
    decimals: 0,
    width: 8,
    none: "no workers",
    targets: [
      target(
        `{{${QUEUE}}} {{${WORKER_STATE}}}`,
        sum(chosen.gauge("spanwire.queue.worker.count"), QUEUE, WORKER_STATE),
      ),
    ],
  }),
  chart({
    title: "Measurements",
    description:
      "The last value of what the app, or its page, measures under a name of its own; each in its own unit.",
    unit: "short",
    width: 24,
    none: "nothing measured",
    targets: [
      target(
        `{{${CATEGORY}}} {{${MEASURED}}} {{${MEASURED_UNIT}}}`,
        aggregate(
          // A gauge of the app's own: a sum over instances of a frame rate would mean nothing.
          "avg",
          [CATEGORY, MEASURED, MEASURED_UNIT],
          chosen.gauge("spanwire.measurement"),
        ),
      ),
    ],
  }),
];

export const operations: Board = {
  name: "operations",
  title: "Spanwire / Operations",
  description:
    "What the app does: its scoped operations, how many, how long they take, which fail and which run now.",
  rows: [overview, actions, trouble, names, own],
};
