// The wire between page and host.

import { chosen, type Board, type Row } from "../board.js";
import { DROPPED, FAILED, MESSAGES, messageSuccess } from "../outcomes.js";
import {
  BLUE,
  card,
  chart,
  graded,
  GREEN,
  heat,
  NOTHING,
  ORANGE,
  RED,
  timeline,
  YELLOW,
} from "../panels.js";
import {
  above,
  aggregate,
  binary,
  complement,
  number,
  or,
  ratio,
  sum,
  times,
  type Expr,
} from "../promql.js";
import { label } from "../semconv.js";
import { INSTANCE } from "../server.js";
import { is, isNot, oneOf } from "../series.js";
import {
  latency,
  latencyHeat,
  orZero,
  percentiles,
  SLOW_THRESHOLD,
  successCard,
  successChart,
  totalShown,
} from "../shared.js";
import { rows } from "../tables.js";
import { target } from "../targets.js";

const DELIVERY = "spanwire.ipc.delivery.duration";
const HANDLER = "spanwire.ipc.handler.duration";
const CALL = "spanwire.ipc.call.duration";
const PROCESS = "spanwire.ipc.process.duration";
const STARTUP = "spanwire.ipc.startup.delivery.duration";
const TRANSIT = "spanwire.ipc.transit.duration";
const QUEUE_WAIT = "spanwire.queue.wait.duration";
const DELAY = "spanwire.main_thread.delay";
const STATE = "spanwire.page.state";
const VITALS = "spanwire.page.web_vital.duration";

const EVENT = label("spanwire.ipc.event");
const DIRECTION = label("spanwire.ipc.direction");
const OUTCOME = label("spanwire.outcome");
const ERROR = label("error.type");
const QUEUE = label("spanwire.queue.name");
const WEBVIEW = label("spanwire.webview.name");
const LOAD = label("spanwire.page.load.type");
const VITAL = label("browser.web_vital.name");

/** An `Ipc`'s queue has the webview's name; with all webviews the app's own queues show too. */
const QUEUES = { "spanwire.queue.name": oneOf("$webview") };

const success = messageSuccess(chosen);
const deliveryP99 = chosen.quantile(0.99, DELIVERY);
const slow = chosen.threshold(SLOW_THRESHOLD);
const size = chosen.gauge("spanwire.queue.size", QUEUES);
const capacity = chosen.gauge("spanwire.queue.capacity", QUEUES);

/** One colour for each direction, wherever both are in one panel. */
const INBOUND = GREEN;
const OUTBOUND = BLUE;

const JUDGEMENT =
  "Messages that a newer one replaced, that a closed app dropped or that the page gave up are neither successes nor failures.";

const overview: Row = [
  "Overview",
  card({
    title: "Messages",
    description: "Messages that ended per second, both ways, whatever their outcome.",
    unit: "cps",
    width: 4,
    targets: [target("messages", orZero(sum(chosen.rate(MESSAGES))))],
  }),
  successCard({
    title: "Success rate",
    description: `Share of messages that succeeded. Yellow from half of the error rate from which the app counts as failing (SPANWIRE_ERROR_RATE_THRESHOLD), red above it. ${JUDGEMENT}`,
    width: 4,
    success,
    none: "no messages",
  }),
  graded({
    title: "Delivery p99",
    description:
      "99 of 100 messages to the page were acknowledged within this time. Yellow from half of the slow threshold in force (SPANWIRE_IPC_SLOW_THRESHOLD_MS), red above it.",
    unit: "s",
    width: 4,
    value: deliveryP99,
    legend: "p99",
    best: "low",
    yellow: times(slow, 0.5),
    red: slow,
    none: "no messages",
  }),
  card({
    title: "Fullest queue",
    description: "How full the fullest queue is. The alert fires above 80 %.",
    unit: "percentunit",
    width: 4,
    max: 1,
    targets: [target("fullest", aggregate("max", [], binary(size, "/", capacity)))],
    steps: [
      [0.5, YELLOW],
      [0.8, RED],
    ],
    none: "no queue",
  }),
  card({
    title: "Dropped",
    description:
      "Messages that were lost in the time shown since a queue, or the page's own outbox, was full.",
    unit: "none",
    decimals: 0,
    width: 4,
    still: true,
    targets: [target("dropped", totalShown((of) => of.grown(MESSAGES, DROPPED)))],
    steps: [[0.5, RED]],
  }),
  card({
    title: "Unresponsive pages",
    description: "Pages that were sent something and have not shown a sign of life for 5 s.",
    unit: "none",
    decimals: 0,
    width: 4,
    targets: [target("unresponsive", sum(chosen.gauge(STATE, { "spanwire.page.state": is("unresponsive") })))],
    steps: [[0.5, RED]],
    none: "no page",
  }),
];

const messages: Row = [
  "Messages",
  chart({
    title: "Messages by direction and outcome",
    description:
      "Messages that ended per second: inbound is from the page to Rust, outbound from Rust to the page.",
    unit: "cps",
    width: 12,
    targets: [
      target(
        `{{${DIRECTION}}} {{${OUTCOME}}}`,
        sum(chosen.rate(MESSAGES), DIRECTION, OUTCOME),
      ),
    ],
    colors: [
      ["/^inbound ok$/", INBOUND],
      ["/^outbound ok$/", OUTBOUND],
      ["/^inbound failed$/", RED],
      ["/^outbound failed$/", "light-red"],
      ["/^inbound dropped$/", ORANGE],
      ["/^outbound dropped$/", "light-orange"],
    ],
  }),
  successChart({
    title: "Success rate",
    description: `Share of messages that succeeded, by direction, and the rate below which the app counts as failing. ${JUDGEMENT}`,
    width: 12,
    success,
    none: "no messages",
    parts: [
      target(`{{${DIRECTION}}}`, messageSuccess(chosen, DIRECTION)),
    ],
    colors: [
      ["/^all$/", "purple"],
      ["/^inbound$/", INBOUND],
      ["/^outbound$/", OUTBOUND],
    ],
  }),
  chart({
    title: "Failures and drops by reason",
    description:
      "Messages that failed or were dropped, at each point over the interval before it. docs/telemetry.md says what each reason means; a single failure shows.",
    unit: "none",
    width: 12,
    bars: true,
    stacked: true,
    targets: [
      target(
        `{{${DIRECTION}}} {{${ERROR}}}`,
        sum(chosen.grown(MESSAGES, FAILED), DIRECTION, ERROR),
      ),
    ],
    // The most frequent ones.
    colors: [
      ["/ handler_error$/", RED],
      ["/ queue_full$/", ORANGE],
      ["/ script_error$/", "purple"],
      ["/ page_gone$/", "dark-red"],
    ],
    none: NOTHING,
  }),
  chart({
    title: "Retries and skipped spans",
    description:
      "Messages that were sent to the page once more, and events that got no spans since there were too many in a second. Metrics count those all the same.",
    unit: "none",
    width: 12,
    bars: true,
    none: NOTHING,
    targets: [
      target(`retries {{${WEBVIEW}}}`, sum(chosen.grown("spanwire.ipc.retries"), WEBVIEW)),
      target(
        `spans skipped {{${DIRECTION}}}`,
        sum(chosen.grown("spanwire.ipc.spans.skipped"), DIRECTION),
      ),
    ],
  }),
];


const latencies: Row = [
  "Latency",
  latency({
    title: "Delivery",
    description:
      "From emit, or a handler's end, to the page's acknowledgement. Points are messages whose trace was kept: click one to open it.",
    metric: DELIVERY,
    width: 12,
    threshold: SLOW_THRESHOLD,
  }),
  latencyHeat({
    title: "Delivery, all of it",
    description:
      "How many messages to the page took how long. Points are messages whose trace was kept: click one to open it.",
    metric: DELIVERY,
    width: 12,
  }),
  latency({
    title: "Handlers",
    description:
      "Rust at work on messages from the page, awaits included. Points are messages whose trace was kept: click one to open it.",
    metric: HANDLER,
    width: 12,
    threshold: SLOW_THRESHOLD,
  }),
  latencyHeat({
    title: "Handlers, all of it",
    description:
      "How many messages from the page kept a handler for how long. Points are messages whose trace was kept: click one to open it.",
    metric: HANDLER,
    width: 12,
  }),
  chart({
    title: "Where the time goes",
    description:
      "The mean time that a message spends in each stage, one upon the other: on its way to Rust, in its handler, in the queue to the page, on its way to the page, and in the page's own code.",
    unit: "s",
    width: 12,
    stacked: true,
    targets: [
      target("1 to the host", chosen.mean(TRANSIT, [], { "spanwire.ipc.direction": is("inbound") })),
      target("2 handler", chosen.mean(HANDLER, [])),
      target("3 queue", chosen.mean(QUEUE_WAIT, [], QUEUES)),
      target("4 to the page", chosen.mean(TRANSIT, [], { "spanwire.ipc.direction": is("outbound") })),
      target("5 page", chosen.mean(PROCESS, [])),
    ],
  }),
  latency({
    title: "The page at work",
    description:
      "How long the page's own code ran for an event or a reply. WebKitGTK's clock has steps of 1 ms, so there what is shorter is mostly 0.",
    metric: PROCESS,
    width: 12,
    threshold: SLOW_THRESHOLD,
  }),
  chart({
    title: "Deliveries of startup",
    description:
      "Messages that were sent before their page was loaded and waited for it: their mean time. They are in no other panel of this row.",
    unit: "s",
    width: 12,
    none: "nothing was sent so early",
    targets: [
      target(
        `{{${WEBVIEW}}}`,
        binary(
          sum(chosen.grown(STARTUP, {}, "_sum"), WEBVIEW),
          "/",
          above(sum(chosen.grown(STARTUP, {}, "_count"), WEBVIEW), 0),
        ),
      ),
    ],
  }),
];

const queues: Row = [
  "Queues",
  chart({
    title: "Queue size",
    description:
      "Messages that wait, the most that ever waited at once since the app started, and how many fit.",
    unit: "none",
    decimals: 0,
    width: 12,
    targets: [
      target(`size {{${QUEUE}}}`, sum(size, QUEUE)),
      target(
        `peak {{${QUEUE}}}`,
        aggregate("max", [QUEUE], chosen.gauge("spanwire.queue.peak", QUEUES)),
      ),
      target(`capacity {{${QUEUE}}}`, sum(capacity, QUEUE)),
    ],
    right: { legends: "/^capacity/", unit: "none", label: "capacity" },
  }),
  latency({
    title: "Queue wait",
    description: "From push to pop: how long messages waited until they were sent.",
    metric: QUEUE_WAIT,
    width: 12,
    where: QUEUES,
    threshold: SLOW_THRESHOLD,
  }),
  chart({
    title: "In flight",
    description:
      "Messages that the page was handed and has not acknowledged, and how long the oldest of them has been with it. Many or old ones with an empty queue: a listener keeps the page busy.",
    unit: "none",
    decimals: 0,
    width: 12,
    targets: [
      target(`messages {{${WEBVIEW}}}`, sum(chosen.gauge("spanwire.ipc.in_flight"), WEBVIEW)),
      target(
        `oldest {{${WEBVIEW}}}`,
        aggregate("max", [WEBVIEW], chosen.gauge("spanwire.ipc.in_flight.age")),
      ),
    ],
    right: { legends: "/^oldest/", unit: "s", label: "age" },
  }),
];

const calls: Row = [
  "Calls",
  chart({
    title: "Calls as the page saw them",
    description:
      "Calls of the page that ended, at each point over the interval before it: answered, rejected with an error of the handler, given up after their time or by the page's own wish, or left without an answer since the page went.",
    unit: "none",
    width: 12,
    bars: true,
    stacked: true,
    none: "no calls",
    targets: [
      target("ok", sum(chosen.increase(CALL, { "error.type": is("") }, "_count"))),
      target(`{{${ERROR}}}`, sum(chosen.grown(CALL, { "error.type": isNot("") }, "_count"), ERROR)),
    ],
    colors: [
      ["/^ok$/", GREEN],
      ["/^timeout$/", RED],
    ],
  }),
  chart({
    title: "Time that calls took",
    description:
      "From invoke until the promise was settled, or until the page gave the call up: the mean of each event.",
    unit: "s",
    width: 12,
    none: "no calls",
    targets: [target(`{{${EVENT}}}`, chosen.mean(CALL, [EVENT]))],
  }),
  chart({
    title: "Open calls",
    description: "Calls that the page waits for, by event. One that stays is a handler that never answers.",
    unit: "none",
    decimals: 0,
    width: 12,
    none: "no calls",
    targets: [target(`{{${EVENT}}}`, sum(chosen.gauge("spanwire.ipc.call.active"), EVENT))],
  }),
  chart({
    title: "Oldest open call",
    description: "How long the page has waited for the oldest call of each event. The alert fires above 5 minutes.",
    unit: "s",
    width: 12,
    none: "no calls",
    targets: [target(`{{${EVENT}}}`, aggregate("max", [EVENT], chosen.gauge("spanwire.ipc.call.age")))],
  }),
];

const byEvent = (of: Expr): Expr => sum(of, EVENT);
const eventFailed = byEvent(chosen.grown(MESSAGES, FAILED));
const eventAll = byEvent(chosen.increase(MESSAGES));

const SIZE = "spanwire.ipc.event.size";
const WAY = "spanwire.ipc.event.transit.duration";
const IN = { "spanwire.ipc.direction": is("inbound") };
const OUT = { "spanwire.ipc.direction": is("outbound") };

const events: Row = [
  "Events",
  rows({
    title: "Slowest and busiest events",
    description:
      "Each event with its rate and its times now. It is sorted by the time of handlers; click a column's head to sort by it.",
    unit: "none",
    width: 24,
    height: 11,
    rows: { [EVENT]: "Event" },
    columns: [
      { name: "Handler p95", unit: "s", expr: chosen.quantile(0.95, HANDLER, [EVENT]) },
      { name: "Delivery p95", unit: "s", expr: chosen.quantile(0.95, DELIVERY, [EVENT]) },
      { name: "Page p95", unit: "s", expr: chosen.quantile(0.95, PROCESS, [EVENT]) },
      { name: "Messages per second", unit: "cps", expr: byEvent(chosen.rate(MESSAGES)) },
      { name: "Failed", unit: "percentunit", expr: ratio(eventFailed, eventAll), decimals: 1 },
      {
        name: "UI thread blocked",
        unit: "none",
        expr: byEvent(chosen.grown("spanwire.main_thread.blocked")),
        decimals: 0,
      },
    ],
    sortBy: "Handler p95",
  }),
  rows({
    title: "Sizes and ways of events",
    description:
      "Each event's mean size, way and wait: inbound is from the page to Rust, outbound from Rust to the page. One that is large makes those behind it late. It is sorted by bytes to the page; click a column's head to sort by it.",
    unit: "none",
    width: 24,
    height: 11,
    rows: { [EVENT]: "Event" },
    columns: [
      { name: "Outbound bytes per second", unit: "Bps", expr: byEvent(chosen.rate(SIZE, OUT, "_sum")) },
      { name: "Outbound size", unit: "bytes", expr: chosen.mean(SIZE, [EVENT], OUT) },
      { name: "Inbound size", unit: "bytes", expr: chosen.mean(SIZE, [EVENT], IN) },
      { name: "Wait", unit: "s", expr: chosen.mean("spanwire.ipc.event.wait.duration", [EVENT]) },
      { name: "Outbound way", unit: "s", expr: chosen.mean(WAY, [EVENT], OUT) },
      { name: "Inbound way", unit: "s", expr: chosen.mean(WAY, [EVENT], IN) },
    ],
    sortBy: "Outbound bytes per second",
  }),
];

const sizes: Row = [
  "Sizes",
  chart({
    title: "Message size",
    description: "A message's payload as JSON.",
    unit: "bytes",
    width: 12,
    targets: percentiles("spanwire.ipc.message.size", [DIRECTION]).map(({ expr, legend }) => ({
      expr,
      legend,
    })),
  }),
  chart({
    title: "Batch size",
    description:
      "Messages that crossed the wire together, on average. 1 all the time under load means that batching does not work.",
    unit: "none",
    width: 12,
    targets: [target(`{{${DIRECTION}}}`, chosen.mean("spanwire.ipc.batch.size", [DIRECTION]))],
    colors: [
      ["/^inbound$/", INBOUND],
      ["/^outbound$/", OUTBOUND],
    ],
  }),
];

const uiThread: Row = [
  "UI thread",
  latency({
    title: "UI thread delay",
    description:
      "From waking the UI thread to its asking what there is for the page. A thread that hangs for good shows by a gap: no further values.",
    metric: DELAY,
    width: 8,
  }),
  heat({
    title: "UI thread delay, all of it",
    description: "How many wakes of the UI thread waited how long.",
    unit: "s",
    width: 8,
    buckets: chosen.buckets(DELAY),
  }),
  chart({
    title: "Handlers that blocked the UI thread",
    description:
      "Handlers that kept the UI thread for a frame or longer: meanwhile nothing was painted. Make them async, or move their work to a thread.",
    unit: "none",
    width: 8,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [
      target(`{{${EVENT}}}`, sum(chosen.grown("spanwire.main_thread.blocked"), EVENT)),
    ],
  }),
];

const STATES = ["loading", "ready", "unresponsive", "gone"] as const;
const COLORS = { loading: BLUE, ready: GREEN, unresponsive: YELLOW, gone: RED };
/** The state as a number: its place in the list, from 1 on, since only one of the gauges is 1. */
const stateNumber = STATES.map((state, place) =>
  times(
    binary(aggregate("max", [INSTANCE, WEBVIEW], chosen.gauge(STATE, { "spanwire.page.state": is(state) })), "==", number(1)),
    place + 1,
  ),
);

const page: Row = [
  "Page",
  timeline({
    title: "Page state",
    description:
      "Unresponsive: something was sent to the page and nothing was heard for 5 s. Gone: its process ended, it was turned away, or its window was closed.",
    unit: "none",
    width: 12,
    targets: [target(`{{${WEBVIEW}}} {{${INSTANCE}}}`, or(stateNumber[0]!, ...stateNumber.slice(1)))],
    states: [["unknown", "text"], ...STATES.map((state) => [state, COLORS[state]] as const)],
  }),
  chart({
    title: "Page loads",
    description:
      "Pages that became ready: the first of their webview, and why those came that followed. A page that was there at the app's first scrape does not show.",
    unit: "none",
    width: 12,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [
      target(`{{${WEBVIEW}}} {{${LOAD}}}`, sum(chosen.grown("spanwire.page.loads"), WEBVIEW, LOAD)),
    ],
  }),
  chart({
    title: "Page age",
    description: "Time since the page became ready. One that falls again and again is loaded again and again.",
    unit: "s",
    width: 12,
    none: "no page",
    targets: [target(`{{${WEBVIEW}}}`, aggregate("max", [WEBVIEW], chosen.gauge("spanwire.page.age")))],
  }),
  chart({
    title: "Inert and hidden pages",
    description:
      "Inert: the page answers, and its own script has done nothing since it was loaded. Hidden: its engine holds timers and animations back.",
    unit: "none",
    decimals: 0,
    width: 12,
    none: "no page that says so",
    targets: [
      target(`inert {{${WEBVIEW}}}`, sum(chosen.gauge("spanwire.page.inert"), WEBVIEW)),
      target(
        `hidden {{${WEBVIEW}}}`,
        sum(complement(chosen.gauge("spanwire.page.visible")), WEBVIEW),
      ),
    ],
  }),
  chart({
    title: "Page errors by type",
    description:
      "What the page reported (errors of listeners, uncaught ones, rejections that nobody handled), and its breaches of the wire's rules.",
    unit: "none",
    width: 12,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [target(`{{${ERROR}}}`, sum(chosen.grown("spanwire.page.errors"), ERROR))],
  }),
  chart({
    title: "Web vitals p75",
    description:
      "Three of four loads were at least this fast. Only what the engine measures: WebKitGTK has no lcp and no inp.",
    unit: "s",
    width: 12,
    targets: [target(`{{${VITAL}}}`, chosen.quantile(0.75, VITALS, [VITAL]))],
  }),
];

export const ipc: Board = {
  name: "ipc",
  title: "Spanwire / IPC",
  description:
    "Every message between the page and Rust: how many, how they ended, how long they took and where they waited.",
  rows: [overview, messages, latencies, calls, queues, events, sizes, uiThread, page],
};
