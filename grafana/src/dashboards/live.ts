// The last minute, every second: eight cards and four charts.

import { chosen, type Board, type Row } from "../board.js";
import { FAILED, FAILED_OPERATIONS, MESSAGES, OPERATIONS, operationSuccess } from "../outcomes.js";
import { card, chart, RED, YELLOW } from "../panels.js";
import {
  aggregate,
  binary,
  orZeroOf,
  relabelled,
  sum,
  times,
  type Expr,
} from "../promql.js";
import { byRole, memoryShareByRole } from "../roles.js";
import { label } from "../semconv.js";
import { TARGET } from "../server.js";
import { is } from "../series.js";
import { orZero, successCard } from "../shared.js";
import { target, traced } from "../targets.js";

const QUEUE = label("spanwire.queue.name");
const QUEUE_SIZE = "spanwire.queue.size";
const WEBVIEW_PROCESSES = "spanwire.webview.process.count";

/** Errors are few, and what counts is that there were some: not a rate but all of an hour. */
const hour = chosen.over("1h", "4200");

const count = (expr: Expr): Expr => aggregate("count", [], expr);
const mean = (expr: Expr): Expr => aggregate("avg", [], expr);

const cpu = sum(
  byRole(
    chosen.gauge("process.cpu.utilization"),
    chosen.gauge("spanwire.webview.process.cpu.utilization"),
  ),
);
const memory = sum(memoryShareByRole(chosen));
const memoryOfMachine = mean(chosen.gauge("system.memory.utilization"));
const actions = times(sum(chosen.rate(OPERATIONS, {}, "_count")), 60);

/** The queues of webviews, which have the webviews' names. */
const webviews = (where: Record<string, string>): Expr =>
  relabelled(
    chosen.gauge("spanwire.page.state", { "spanwire.page.state": is("ready"), ...where }),
    QUEUE,
    "$1",
    label("spanwire.webview.name"),
  );
const ofQueue = { on: [...TARGET, QUEUE] };
const eventQueue = sum(binary(chosen.gauge(QUEUE_SIZE), "and", webviews({}), ofQueue));
const ownQueues = sum(
  binary(
    chosen.gauge(QUEUE_SIZE),
    "unless",
    // Not the chosen webviews alone: the queue of another is not the app's own either.
    webviews({ "spanwire.webview.name": '=~".+"' }),
    ofQueue,
  ),
);
const running = sum(chosen.gauge("spanwire.operation.active"));
const operationQueue = binary(orZero(running), "+", orZero(ownQueues));

const alive = count(chosen.gauge("process.uptime"));
const processes = binary(
  alive,
  "+",
  orZeroOf(sum(chosen.gauge(WEBVIEW_PROCESSES)), alive),
);

const failedOperations = orZero(sum(hour.grown(OPERATIONS, FAILED_OPERATIONS, "_count")));
const failedMessages = orZero(sum(hour.grown(MESSAGES, FAILED)));
const pageErrors = orZero(sum(hour.grown("spanwire.page.errors")));

const HALF_AND_MOST = [
  [0.7, YELLOW],
  [0.9, RED],
] as const;
const WAITING = [
  [10, YELLOW],
  [100, RED],
] as const;

const cards: Row = [
  "Now",
  card({
    title: "CPU",
    description: "Share of all cores that the app uses, its webview's processes included.",
    unit: "percentunit",
    decimals: 1,
    width: 3,
    max: 1,
    targets: [target("CPU", cpu)],
    steps: HALF_AND_MOST,
  }),
  card({
    title: "Memory",
    description:
      "Share of the machine's memory that the app uses, its webview's processes included. Pages that they share count for each.",
    unit: "percentunit",
    decimals: 1,
    width: 3,
    max: 1,
    targets: [target("memory", memory)],
    steps: HALF_AND_MOST,
  }),
  card({
    title: "Actions/min",
    description: "Operations that ended, well or not, at the rate of now.",
    unit: "opm",
    width: 3,
    targets: [target("actions", orZero(actions))],
  }),
  successCard({
    title: "Success rate",
    description:
      "Share of operations that succeeded, now. Yellow from half of the error rate from which the app counts as failing (SPANWIRE_ERROR_RATE_THRESHOLD), red above it.",
    width: 3,
    success: operationSuccess(chosen),
    none: "idle",
  }),
  card({
    title: "Operation queue",
    description: "Operations that run, and what waits in queues of the app's own.",
    unit: "none",
    decimals: 0,
    width: 3,
    targets: [target("operations", operationQueue)],
    steps: WAITING,
  }),
  card({
    title: "Event queue",
    description: "Messages that wait for the page.",
    unit: "none",
    decimals: 0,
    width: 3,
    targets: [target("messages", eventQueue)],
    steps: WAITING,
    none: "no page",
  }),
  card({
    title: "Errors",
    description:
      "Operations and messages that failed, and errors that pages reported: since the app started, or in the last hour.",
    unit: "none",
    decimals: 0,
    width: 3,
    targets: [target("errors", binary(binary(failedOperations, "+", failedMessages), "+", pageErrors))],
    steps: [[0.5, RED]],
  }),
  card({
    title: "Processes",
    description: "The host process and the webview's own.",
    unit: "none",
    decimals: 0,
    width: 3,
    targets: [target("processes", processes)],
  }),
];

const charts: Row = [
  "The last minute",
  chart({
    title: "CPU and memory",
    description:
      "The app's share of all cores and of the machine's memory, its webview's processes included, and how much of that memory is in use by whomever.",
    unit: "percentunit",
    width: 12,
    max: 1,
    targets: [
      target("CPU of the app", cpu),
      target("memory of the app", memory),
      target("memory of the machine", memoryOfMachine),
    ],
  }),
  chart({
    title: "Action rate and duration",
    description:
      "Operations that ended per minute at the left, how long they took at the right. Points are operations whose trace was kept: click one to open it.",
    unit: "opm",
    width: 12,
    label: "rate",
    targets: [
      // The first, since Grafana puts exemplars on the first axis.
      traced("duration p95", chosen.quantile(0.95, OPERATIONS)),
      target("duration average", chosen.mean(OPERATIONS, [])),
      target("rate", orZero(actions)),
    ],
    right: { legends: "/^duration/", unit: "s", label: "duration" },
  }),
  chart({
    title: "Queue sizes",
    description: "Messages that wait in each queue, one upon the other.",
    unit: "none",
    decimals: 0,
    width: 12,
    stacked: true,
    targets: [target(`{{${QUEUE}}}`, sum(chosen.gauge(QUEUE_SIZE), QUEUE))],
  }),
  chart({
    title: "Cumulative errors",
    description:
      "Operations and messages that failed, and errors that pages reported: all since the app started, or in the hour before each point.",
    unit: "none",
    decimals: 0,
    width: 12,
    stacked: true,
    targets: [
      target("operations", failedOperations),
      target("messages", failedMessages),
      target("page", pageErrors),
    ],
  }),
];

export const live: Board = {
  name: "live",
  title: "Spanwire / Live",
  description:
    "The last minute, looked at every second. It is as fast as Prometheus scrapes: once a second in the stack that comes with Spanwire.",
  rows: [cards, charts],
  from: "now-60s",
  refresh: "1s",
};
