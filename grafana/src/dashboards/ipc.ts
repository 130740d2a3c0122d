// The wire between page and host.

import { chosen, recent, shown, whole, type Board, type Row } from "../board.js";
import { DROPPED, FAILED, MESSAGES, messageSuccess } from "../outcomes.js";
import {
  DELAY,
  delayCard,
  DELIVERY,
  deliveryCard,
  EVENT,
  HANDLER,
  pageBusyCard,
  pageErrorsChart,
  PROCESS,
  QUEUE_WAIT,
  TRANSIT,
  WEBVIEW,
} from "../page.js";
import {
  BLUE,
  card,
  chart,
  GREEN,
  heat,
  NOTHING,
  ORANGE,
  PURPLE,
  RED,
  timeline,
  YELLOW,
} from "../panels.js";
import {
  above,
  aggregate,
  and,
  binary,
  complement,
  mostBy,
  number,
  or,
  orZeroOf,
  quantile,
  ratio,
  seen,
  sum,
  times,
  type Expr,
} from "../promql.js";
import { peak, QUEUE, waiting } from "../queues.js";
import { label } from "../semconv.js";
import { INSTANCE } from "../server.js";
import { is, isNot, oneOf } from "../series.js";
import {
  beyond,
  everAbove,
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
import { MESSAGES_PER_S, TIMES_PER_S, WAKES_PER_S } from "../units.js";

const CALL = "spanwire.ipc.call.duration";
const STARTUP = "spanwire.ipc.startup.delivery.duration";
const STATE = "spanwire.page.state";
const VITALS = "spanwire.page.web_vital.duration";

const DIRECTION = label("spanwire.ipc.direction");
const OUTCOME = label("spanwire.outcome");
const ERROR = label("error.type");
const LOAD = label("spanwire.page.load.type");
const VITAL = label("browser.web_vital.name");

/** An `Ipc`'s queue has the webview's name; with all webviews the app's own queues show too. */
const QUEUES = { "spanwire.queue.name": oneOf("$webview") };

const success = messageSuccess(chosen);
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
    unit: MESSAGES_PER_S,
    width: 3,
    // Zero while an app is idle: "no values" would look like an app that is gone.
    targets: [target("messages", orZero(sum(chosen.rate(MESSAGES))))],
  }),
  successCard({
    title: "Messages OK",
    description: `Success rate of messages. Yellow from half of the error rate from which the app counts as failing (SPANWIRE_ERROR_RATE_THRESHOLD), red above it. ${JUDGEMENT}`,
    width: 3,
    success,
    none: "no messages",
  }),
  deliveryCard({ width: 4 }),
  pageBusyCard({ width: 3 }),
  delayCard({ width: 3 }),
  card({
    title: "Fullest",
    description: "How full the fullest queue is, bursts between two scrapes included. The alert fires above 80 %.",
    unit: "percentunit",
    decimals: 1,
    width: 2,
    max: 1,
    targets: [target("fullest", aggregate("max", [], binary(waiting(chosen, QUEUES), "/", capacity)))],
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
    width: 2,
    still: true,
    // `grown` and not `increase`: the first message that is lost makes the series, and `increase`
    // needs two values.
    targets: [target("dropped", totalShown((of) => of.grown(MESSAGES, DROPPED)))],
    steps: [[0.5, RED]],
  }),
  card({
    title: "Call age",
    description: "How long the page has waited for the oldest of its open calls. Red from 10 s on: who waits has given up.",
    unit: "s",
    width: 2,
    targets: [target("oldest", aggregate("max", [], chosen.gauge("spanwire.ipc.call.age")))],
    steps: [
      [1, YELLOW],
      [10, RED],
    ],
    none: "no calls",
  }),
  card({
    title: "Hung",
    description: "Unresponsive pages: they were sent something and have not shown a sign of life for 5 s.",
    unit: "none",
    decimals: 0,
    width: 2,
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
    unit: MESSAGES_PER_S,
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
      // Light for outbound: both directions may fail in one chart.
      ["/^inbound failed$/", RED],
      ["/^outbound failed$/", "light-red"],
      ["/^inbound dropped$/", ORANGE],
      ["/^outbound dropped$/", "light-orange"],
    ],
  }),
  successChart({
    title: "Message success rate",
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
      "Messages that failed or were dropped per second. docs/reference/telemetry.md says what each reason means; a single failure shows.",
    unit: MESSAGES_PER_S,
    width: 12,
    bars: true,
    stacked: true,
    targets: [
      target(
        `{{${DIRECTION}}} {{${ERROR}}}`,
        sum(chosen.grownRate(MESSAGES, FAILED), DIRECTION, ERROR),
      ),
    ],
    bad: true,
    // The most frequent ones.
    colors: [
      ["/ handler_error$/", RED],
      ["/ queue_full$/", ORANGE],
      ["/ script_error$/", PURPLE],
      ["/ page_gone$/", "dark-red"],
    ],
    none: NOTHING,
  }),
  chart({
    title: "Retries, skipped spans, unheard events",
    description:
      "Messages that were sent to the page once more; events that got no spans since there were too many in a second, which metrics count all the same; and events that nothing on the page listens to: how many a second.",
    unit: TIMES_PER_S,
    width: 12,
    bars: true,
    none: NOTHING,
    targets: [
      target(`retries {{${WEBVIEW}}}`, sum(chosen.grownRate("spanwire.ipc.retries"), WEBVIEW)),
      target(
        `spans skipped {{${DIRECTION}}}`,
        sum(chosen.grownRate("spanwire.ipc.spans.skipped"), DIRECTION),
      ),
      target(
        `unheard {{${EVENT}}}`,
        sum(chosen.grownRate("spanwire.ipc.events.unheard"), EVENT),
      ),
    ],
  }),
];

const latencies: Row = [
  "Latency",
  chart({
    title: "Where the time goes",
    description:
      "The mean time that a message spends in each stage, stacked: on its way to Rust, in its handler, in the queue to the page, on its way to the page, and in the page's own code.",
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
    // No stage is wrong by itself, so none is red.
    colors: [
      ["/^1 /", "super-light-green"],
      ["/^2 /", GREEN],
      ["/^3 /", YELLOW],
      ["/^4 /", "super-light-blue"],
      ["/^5 /", BLUE],
    ],
    next: [{ question: "Which stage, and why?", board: "laggy" }],
  }),
  latency({
    title: "Delivery",
    description:
      "From emit, or a handler's end, to the page's acknowledgement. Points are messages whose trace was kept: click one to open it.",
    metric: DELIVERY,
    width: 12,
    threshold: SLOW_THRESHOLD,
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
          // A start may be over before the second scrape, and then a rate alone would have no
          // value.
          sum(chosen.grownRate(STARTUP, {}, "_sum"), WEBVIEW),
          "/",
          above(sum(chosen.grownRate(STARTUP, {}, "_count"), WEBVIEW), 0),
        ),
      ),
    ],
  }),
  latency({
    title: "Handlers",
    description:
      "Rust at work on messages from the page, awaits included. Points are messages whose trace was kept: click one to open it.",
    metric: HANDLER,
    width: 8,
    threshold: SLOW_THRESHOLD,
  }),
  latencyHeat({
    title: "Delivery distribution",
    description:
      "How many messages to the page took how long. Points are messages whose trace was kept: click one to open it.",
    metric: DELIVERY,
    cells: MESSAGES_PER_S,
    width: 8,
  }),
  latencyHeat({
    title: "Handler distribution",
    description:
      "How many messages from the page kept a handler for how long. Points are messages whose trace was kept: click one to open it.",
    metric: HANDLER,
    cells: MESSAGES_PER_S,
    width: 8,
  }),
];

const each = (expr: Expr): Expr => sum(expr, QUEUE);
const queues: Row = [
  "Queues",
  chart({
    title: "Queue size",
    description:
      "Messages that wait: at the scrape, or on average since the one before when that is more, since a burst can come and go between two.",
    unit: "none",
    decimals: 0,
    width: 8,
    targets: [target(`{{${QUEUE}}}`, each(waiting(chosen, QUEUES)))],
  }),
  latency({
    title: "Queue wait",
    description: "From push to pop: how long messages waited until they were sent.",
    metric: QUEUE_WAIT,
    width: 8,
    where: QUEUES,
    threshold: SLOW_THRESHOLD,
  }),
  rows({
    title: "Queues and their bounds",
    description:
      "Messages that wait now, the most that ever waited at once since the app started, and how many fit; what comes then is dropped, or its sender waits.",
    unit: "none",
    width: 8,
    height: 8,
    rows: { [QUEUE]: "Queue" },
    columns: [
      { name: "Waiting", unit: "none", expr: each(waiting(chosen, QUEUES)), decimals: 0 },
      { name: "Peak", unit: "none", expr: each(peak(chosen, QUEUES)), decimals: 0 },
      { name: "Capacity", unit: "none", expr: each(capacity), decimals: 0 },
    ],
    sortBy: "Peak",
    none: "no queue",
  }),
  chart({
    title: "In flight",
    description:
      "Messages that the page was handed and has not acknowledged, and how long the oldest of them has been with it. Many or old ones with an empty queue: a listener keeps the page busy.",
    unit: "none",
    decimals: 0,
    width: 24,
    targets: [
      target(`messages {{${WEBVIEW}}}`, sum(chosen.gauge("spanwire.ipc.in_flight"), WEBVIEW)),
      target(
        `oldest {{${WEBVIEW}}}`,
        aggregate("max", [WEBVIEW], chosen.gauge("spanwire.ipc.in_flight.age")),
      ),
    ],
    right: { legends: "/^oldest/", unit: "s" },
  }),
];

const calls: Row = [
  "Calls",
  chart({
    title: "Calls as the page saw them",
    description:
      "Calls of the page that ended, per second: answered, rejected with an error of the handler, given up after their time or by the page's own wish, or left without an answer since the page went.",
    unit: TIMES_PER_S,
    width: 12,
    bars: true,
    stacked: true,
    none: "no calls",
    targets: [
      target("ok", sum(chosen.rate(CALL, { "error.type": is("") }, "_count"))),
      target(`{{${ERROR}}}`, sum(chosen.grownRate(CALL, { "error.type": isNot("") }, "_count"), ERROR)),
    ],
    colors: [
      ["/^ok$/", GREEN],
      ["/^timeout$/", RED],
    ],
  }),
  chart({
    title: "Time that calls took",
    description:
      "From invoke until the promise was settled, or until the page gave the call up: the mean of the eight events that take the longest in the time shown.",
    unit: "s",
    width: 12,
    none: "no calls",
    targets: [target(`{{${EVENT}}}`, mostBy(8, chosen.mean(CALL, [EVENT]), whole.mean(CALL, [EVENT]), EVENT))],
  }),
  chart({
    title: "Open calls",
    description: "Calls that the page waits for, by event. One that stays is a handler that never answers.",
    unit: "none",
    decimals: 0,
    width: 12,
    none: "no calls",
    // Once a call was open its series stays, at zero.
    targets: [
      target(
        `{{${EVENT}}}`,
        everAbove(
          sum(chosen.gauge("spanwire.ipc.call.active"), EVENT),
          sum(chosen.atMost("spanwire.ipc.call.active", "$__range"), EVENT),
        ),
      ),
    ],
  }),
  chart({
    title: "Oldest open call",
    description: "How long the page has waited for the oldest call of each event. The alert fires above 5 minutes.",
    unit: "s",
    width: 12,
    none: "no calls",
    targets: [
      target(
        `{{${EVENT}}}`,
        everAbove(
          aggregate("max", [EVENT], chosen.gauge("spanwire.ipc.call.age")),
          aggregate("max", [EVENT], chosen.atMost("spanwire.ipc.call.age", "$__range")),
        ),
      ),
    ],
  }),
];

const byEvent = (of: Expr): Expr => sum(of, EVENT);
/** Events that had messages: what is idle has no place among the slowest and the busiest. */
const busyEvents = above(byEvent(recent.ownRate(MESSAGES)), 0);
const eventP95 = (name: string): Expr => seen(recent.ownQuantile(0.95, name, [EVENT]));
const eventFailed = ratio(byEvent(recent.grown(MESSAGES, FAILED)), byEvent(recent.ownIncrease(MESSAGES)));
const eventBlocked = byEvent(recent.grown("spanwire.main_thread.blocked"));
/** With a zero for the busy events that have no series of it: the column is there all the same. */
const ofBusy = (expr: Expr): Expr => orZeroOf(and(expr, busyEvents), busyEvents);

const SIZE = "spanwire.ipc.event.size";
const WAY = "spanwire.ipc.event.transit.duration";
const IN = { "spanwire.ipc.direction": is("inbound") };
const OUT = { "spanwire.ipc.direction": is("outbound") };

const events: Row = [
  "Events",
  rows({
    title: "Slowest and busiest events",
    description:
      "Each event that had messages in the last 5 minutes, or since the app's start, with its rate, both ways, and its times over these; channel:{command} are the messages of a Tauri channel. It is sorted by the time of delivery; click a column's head to sort by it.",
    unit: "none",
    width: 24,
    height: 11,
    rows: { [EVENT]: "Event" },
    columns: [
      { name: "Delivery p95", unit: "s", expr: eventP95(DELIVERY), words: [beyond(DELIVERY)] },
      { name: "Handler p95", unit: "s", expr: eventP95(HANDLER), words: [beyond(HANDLER)] },
      { name: "Page p95", unit: "s", expr: eventP95(PROCESS), words: [beyond(PROCESS)] },
      { name: "Messages per second", unit: MESSAGES_PER_S, expr: busyEvents },
      { name: "Failed", unit: "percentunit", expr: ofBusy(eventFailed), decimals: 1 },
      { name: "UI thread blocked", unit: "none", expr: ofBusy(eventBlocked), decimals: 0 },
    ],
    sortBy: "Delivery p95",
    none: "no messages",
  }),
  rows({
    title: "Sizes and ways of events",
    description:
      "Each event's mean size, way and wait, in the last 5 minutes or since the app's start: inbound is from the page to Rust, outbound from Rust to the page. One that is large makes those behind it late. channel:{command} are the messages of a Tauri channel. It is sorted by bytes to the page; click a column's head to sort by it.",
    unit: "none",
    width: 24,
    height: 11,
    rows: { [EVENT]: "Event" },
    columns: [
      { name: "Outbound rate", unit: "Bps", expr: byEvent(recent.ownRate(SIZE, OUT, "_sum")) },
      { name: "Outbound size", unit: "bytes", expr: recent.ownMean(SIZE, [EVENT], OUT) },
      { name: "Inbound size", unit: "bytes", expr: recent.ownMean(SIZE, [EVENT], IN) },
      { name: "Mean wait", unit: "s", expr: recent.ownMean("spanwire.ipc.event.wait.duration", [EVENT]) },
      { name: "Mean outbound way", unit: "s", expr: recent.ownMean(WAY, [EVENT], OUT) },
      { name: "Mean inbound way", unit: "s", expr: recent.ownMean(WAY, [EVENT], IN) },
    ],
    sortBy: "Outbound rate",
    none: "no messages",
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
    title: "UI thread delay distribution",
    description: "How many wakes of the UI thread waited how long.",
    unit: "s",
    width: 8,
    cells: WAKES_PER_S,
    buckets: chosen.buckets(DELAY),
  }),
  chart({
    title: "Handlers that blocked the UI thread",
    description:
      "Handlers per second that kept the UI thread for a frame or longer: meanwhile nothing was painted. Make them async, or move their work to a thread.",
    unit: TIMES_PER_S,
    width: 8,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [
      target(`{{${EVENT}}}`, sum(chosen.grownRate("spanwire.main_thread.blocked"), EVENT)),
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
    // One series for each page: a time line draws a row for each series, and not one for each
    // state.
    targets: [target(`{{${WEBVIEW}}} {{${INSTANCE}}}`, or(stateNumber[0]!, ...stateNumber.slice(1)))],
    states: [["unknown", "text"], ...STATES.map((state) => [state, COLORS[state]] as const)],
  }),
  chart({
    title: "Page loads",
    description:
      "Pages that became ready, per second: the first of their webview, and why those came that followed. A page that was there at the app's first scrape does not show.",
    unit: TIMES_PER_S,
    width: 12,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [
      target(`{{${WEBVIEW}}} {{${LOAD}}}`, sum(chosen.grownRate("spanwire.page.loads"), WEBVIEW, LOAD)),
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
  pageErrorsChart(),
  chart({
    title: "Web vitals p75",
    description:
      "Three of four loads in the time shown were at least this fast: a page measures each once a load, so a rate over seconds has none. Only what the engine measures: WebKitGTK has no lcp and no inp.",
    unit: "s",
    width: 12,
    none: "no page was loaded in the time shown",
    targets: [
      target(`{{${VITAL}}}`, quantile(0.75, sum(shown.grown(VITALS, {}, "_bucket"), VITAL, "le"))),
    ],
  }),
];

export const ipc: Board = {
  name: "ipc",
  title: "Spanwire / IPC",
  description:
    "Every message between the page and Rust: how many, how they ended, how long they took and where they waited.",
  rows: [overview, latencies, events, calls, messages, queues, uiThread, page, sizes],
};
