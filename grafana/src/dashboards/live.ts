// The last minute, every second: eight cards, four charts, what runs, and why it is slow.

import { chosen, whole, type Board, type Row } from "../board.js";
import {
  FAILED,
  FAILED_OPERATIONS,
  MESSAGES,
  messageSuccess,
  OPERATIONS,
  operationSuccess,
} from "../outcomes.js";
import { DELAY, delayCard, deliveryCard, DELIVERY, EVENT, pageBusy, pageBusyCard } from "../page.js";
import { BLUE, card, chart, GREEN, ORANGE, PURPLE, RED, YELLOW } from "../panels.js";
import {
  aggregate,
  binary,
  mostBy,
  orZeroOf,
  relabelled,
  sum,
  times,
  type Expr,
} from "../promql.js";
import { QUEUE, waiting } from "../queues.js";
import { byRole, memoryShareByRole } from "../roles.js";
import { label } from "../semconv.js";
import { TARGET } from "../server.js";
import { is } from "../series.js";
import { orZero, runningChart, successCard } from "../shared.js";
import { target, traced } from "../targets.js";

const WEBVIEW_PROCESSES = "spanwire.webview.process.count";

/**
 * Errors are few, and what counts is that there were some: not a rate but all of an hour. Those of the
 * process before this one are none of it, or each restart would begin in red.
 */
const hour = chosen.over({ range: "1h", seconds: "3600", youngS: "4200", restarts: "newest" });

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
    // The queue of a wire has its webview's name. Under the queue's label the two can be joined.
    QUEUE,
    "$1",
    label("spanwire.webview.name"),
  );
const ofQueue = { on: [...TARGET, QUEUE] };
const ofPages = (expr: Expr): Expr => binary(expr, "and", webviews({}), ofQueue);
const eventQueue = sum(ofPages(waiting(chosen)));
const ownQueues = sum(
  binary(
    waiting(chosen),
    "unless",
    // Not the chosen webviews alone: the queue of another is not the app's own either.
    webviews({ "spanwire.webview.name": '=~".+"' }),
    ofQueue,
  ),
);
const running = sum(chosen.gauge("spanwire.operation.active"));
const operationQueue = binary(orZero(running), "+", orZero(ownQueues));

// Each host process has this gauge once, so its count is that of the host processes.
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
    title: "Operations OK",
    description:
      "Success rate of operations, now; messages have a card of their own. Yellow from half of the error rate from which the app counts as failing (SPANWIRE_ERROR_RATE_THRESHOLD), red above it.",
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
    description:
      "Messages that wait for the page: at the last scrape, or on average since the one before when that is more, since a burst can come and go between two.",
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

const why: Row = [
  "Why it is slow",
  successCard({
    title: "Messages OK",
    description:
      "Success rate of messages between page and host, now. Yellow from half of the error rate from which the app counts as failing (SPANWIRE_ERROR_RATE_THRESHOLD), red above it.",
    width: 6,
    success: messageSuccess(chosen),
    none: "no messages",
  }),
  deliveryCard({ width: 6 }),
  pageBusyCard({ width: 6 }),
  delayCard({ width: 6 }),
  chart({
    title: "Delivery and UI thread delay",
    description:
      "99 of 100 messages to the page were acknowledged within the first, and 95 of 100 wakes of the UI thread waited no longer than the second. Points are messages whose trace was kept: click one to open it.",
    unit: "s",
    width: 12,
    targets: [
      traced("delivery p99", chosen.quantile(0.99, DELIVERY)),
      target("UI thread delay p95", chosen.quantile(0.95, DELAY)),
    ],
    colors: [
      ["/^delivery/", ORANGE],
      ["/^UI thread/", PURPLE],
    ],
  }),
  chart({
    title: "What keeps the page busy",
    description:
      "Share of the time that the page's own code is at work on messages, by event: the five that took the most in the time shown. Near 100 % nothing else gets done, and messages wait.",
    unit: "percentunit",
    decimals: 1,
    width: 12,
    stacked: true,
    targets: [target(`{{${EVENT}}}`, mostBy(5, pageBusy(chosen, EVENT), pageBusy(whole, EVENT), EVENT))],
  }),
];

const charts: Row = [
  "The last minute",
  chart({
    title: "CPU and memory",
    description:
      "The app's share of all cores and of the machine's memory, its webview's processes included, and how much of that memory is in use by all processes.",
    unit: "percentunit",
    decimals: 1,
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
    targets: [
      // The first, since Grafana puts exemplars on the first axis.
      traced("duration p95", chosen.quantile(0.95, OPERATIONS)),
      target("duration average", chosen.mean(OPERATIONS, [])),
      target("rate", orZero(actions)),
    ],
    right: { legends: "/^duration/", unit: "s" },
    colors: [
      ["/p95$/", YELLOW],
      ["/average$/", GREEN],
      ["/^rate$/", BLUE],
    ],
  }),
  chart({
    title: "Queue sizes",
    description:
      "Messages that wait in each queue: at the scrape, or on average since the one before when that is more.",
    unit: "none",
    decimals: 0,
    width: 12,
    targets: [target(`{{${QUEUE}}}`, sum(waiting(chosen), QUEUE))],
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
    colors: [
      ["/^operations$/", RED],
      ["/^messages$/", ORANGE],
      ["/^page$/", PURPLE],
    ],
  }),
  runningChart(24),
];

export const live: Board = {
  name: "live",
  title: "Spanwire / Live",
  description:
    "The last minute, looked at every second. It is as fast as Prometheus scrapes: once a second in the stack that comes with Spanwire.",
  rows: [cards, why, charts],
  from: "now-60s",
  refresh: "1s",
};
