// Scoped operations: what the app does.

import { chosen, type Board, type Row } from "../board.js";
import {
  FAILED_OPERATIONS,
  operationSuccess,
  OPERATIONS,
} from "../outcomes.js";
import { card, chart, graded, NOTHING, RED, YELLOW } from "../panels.js";
import {
  aggregate,
  binary,
  complement,
  number,
  sum,
  times,
  type Expr,
} from "../promql.js";
import { label } from "../semconv.js";
import {
  latency,
  latencyHeat,
  orZero,
  SLOW_OPERATION_THRESHOLD,
  successCard,
  successChart,
  totalShown,
} from "../shared.js";
import { rows } from "../tables.js";
import { target, traced } from "../targets.js";

const SLOW = "spanwire.operation.slow";
const ACTIVE = "spanwire.operation.active";

const OPERATION = label("spanwire.operation.name");
const ERROR = label("error.type");
const QUEUE = label("spanwire.queue.name");
const MEASURED = label("spanwire.measurement.name");
const CATEGORY = label("spanwire.measurement.category");
const MEASURED_UNIT = label("spanwire.measurement.unit");

const perMinute = (by: readonly string[]): Expr =>
  times(sum(chosen.rate(OPERATIONS, {}, "_count"), ...by), 60);
const success = operationSuccess(chosen);
const p99 = chosen.quantile(0.99, OPERATIONS);
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
    title: "Success rate",
    description:
      "Share of operations that succeeded; cancelled ones do not count. Yellow from half of the error rate from which the app counts as failing (SPANWIRE_ERROR_RATE_THRESHOLD), red above it.",
    width: 4,
    success,
    none: "no operations",
  }),
  graded({
    title: "Duration p99",
    description:
      "99 of 100 operations took at most this long. Yellow from half of the slow threshold in force (SPANWIRE_SLOW_THRESHOLD_MS), red above it.",
    unit: "s",
    width: 4,
    value: p99,
    legend: "p99",
    best: "low",
    yellow: times(slowFrom, 0.5),
    red: slowFrom,
    none: "no operations",
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
      "The average at the left and the slowest of 100 at the right, each on an axis of its own. Points are operations whose trace was kept: click one to open it.",
    unit: "s",
    width: 12,
    label: "average",
    targets: [
      // The first, since Grafana puts exemplars on the first axis.
      traced("p99", chosen.quantile(0.99, OPERATIONS)),
      target("average", chosen.mean(OPERATIONS, [])),
    ],
    right: { legends: "/^p99/", unit: "s", label: "p99" },
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
  chart({
    title: "Running operations",
    description: "What the app is doing: operations that are running, by name.",
    unit: "none",
    decimals: 0,
    width: 12,
    stacked: true,
    none: "nothing runs",
    targets: [target(`{{${OPERATION}}}`, binary(sum(chosen.gauge(ACTIVE), OPERATION), ">", number(0)))],
  }),
];

const trouble: Row = [
  "Slow and failed",
  chart({
    title: "Slow operations",
    description:
      "Operations that took longer than their slow threshold, at each point over the interval before it.",
    unit: "none",
    width: 12,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [target(`{{${OPERATION}}}`, sum(chosen.grown(SLOW), OPERATION))],
  }),
  chart({
    title: "Errors by type",
    description:
      "Operations that failed, at each point over the interval before it, by operation and the error's Rust type; a single failure shows.",
    unit: "none",
    width: 12,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [
      target(
        `{{${OPERATION}}} {{${ERROR}}}`,
        sum(chosen.grown(OPERATIONS, FAILED_OPERATIONS, "_count"), OPERATION, ERROR),
      ),
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
    title: "Duration, all of it",
    description:
      "How many operations took how long. Points are operations whose trace was kept: click one to open it.",
    metric: OPERATIONS,
    width: 12,
  }),
];

const names: Row = [
  "By name",
  rows({
    title: "Slowest and busiest operations",
    description:
      "Each operation with its rate and its times now. It is sorted by the tail; click a column's head to sort by it.",
    unit: "none",
    width: 24,
    rows: { [OPERATION]: "Operation" },
    columns: [
      { name: "p99", unit: "s", expr: chosen.quantile(0.99, OPERATIONS, [OPERATION]) },
      { name: "Average", unit: "s", expr: chosen.mean(OPERATIONS, [OPERATION]) },
      { name: "Per minute", unit: "opm", expr: perMinute([OPERATION]) },
      {
        name: "Failed",
        unit: "percentunit",
        expr: complement(operationSuccess(chosen, OPERATION)),
        decimals: 1,
      },
      { name: "Slow", unit: "none", expr: sum(chosen.grown(SLOW), OPERATION), decimals: 0 },
    ],
    sortBy: "p99",
  }),
];

const own: Row = [
  "The app's own queues and measurements",
  chart({
    title: "Queue fill",
    description:
      "How full each queue is, those of webviews among them. The alert fires above 80 %.",
    unit: "percentunit",
    width: 8,
    max: 1,
    targets: [
      target(
        `{{${QUEUE}}}`,
        aggregate(
          "max",
          [QUEUE],
          binary(chosen.gauge("spanwire.queue.size"), "/", chosen.gauge("spanwire.queue.capacity")),
        ),
      ),
    ],
  }),
  chart({
    title: "Messages that left a queue",
    description:
      "Per second, by queue and reason; without a reason they were taken. Queues of the app's own alone: the dashboard IPC has those of webviews.",
    unit: "cps",
    width: 8,
    targets: [
      target(`{{${QUEUE}}} {{${ERROR}}}`, sum(chosen.rate("spanwire.queue.messages"), QUEUE, ERROR)),
    ],
  }),
  chart({
    title: "Measurements",
    description:
      "The last value of what the app, or its page, measures under a name of its own; each in its own unit.",
    unit: "short",
    width: 8,
    targets: [
      target(
        `{{${CATEGORY}}} {{${MEASURED}}} {{${MEASURED_UNIT}}}`,
        aggregate(
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
