// Why it is laggy: the verdict by stage, and for each stage the panels that say what and why.

import { chosen, recent, whole, type Board, type Panel, type Row } from "../board.js";
import { DROPPED, FAILED, MESSAGES } from "../outcomes.js";
import {
  busiestPage,
  DELAY,
  DELIVERY,
  EVENT,
  HANDLER,
  pageBusy,
  pageErrorsChart,
  pageInLongTasks,
  PROCESS,
  QUEUE_WAIT,
  TRANSIT,
  WEBVIEW,
} from "../page.js";
import { BLUE, card, chart, GREEN, NOTHING, ORANGE, RED, YELLOW, type Steps } from "../panels.js";
import { CPU_SATURATED, FAILURES_MIN, FELT_S, FLOOD_PER_S, LARGE_BYTES, RELOADS_MIN, SATURATED, TIMED_MIN } from "../findings/thresholds.js";
import { above, aggregate, and, binary, larger, mostBy, number, or, ratio, relabelled, seen, sum, times, topk, type Expr } from "../promql.js";
import { QUEUE, waiting } from "../queues.js";
import { allModes, byRole, ROLE } from "../roles.js";
import { label } from "../semconv.js";
import { bucket, is, isNot, oneOf, type SeriesOf, type Where } from "../series.js";
import { beyond, latency, percentiles, SLOW_THRESHOLD } from "../shared.js";
import { rows } from "../tables.js";
import { target, traced } from "../targets.js";
import { MESSAGES_PER_S, TIMES_PER_S } from "../units.js";

const DIRECTION = label("spanwire.ipc.direction");
const ERROR = label("error.type");
const OPERATION = label("spanwire.operation.name");
const OPERATION_TIME = "spanwire.operation.duration";
const CALL_AGE = "spanwire.ipc.call.age";
const SIZE = "spanwire.ipc.event.size";

const INBOUND: Where = { "spanwire.ipc.direction": is("inbound") };
const OUTBOUND: Where = { "spanwire.ipc.direction": is("outbound") };
const QUEUES: Where = { "spanwire.queue.name": oneOf("$webview") };

interface Stage {
  readonly title: string;
  readonly description: string;
  readonly metric: string;
  readonly where?: Where;
}

/** In the order in which a message meets them. */
const STAGES: readonly Stage[] = [
  {
    title: "To the host",
    description: "From the page's call to its receipt by Rust.",
    metric: TRANSIT,
    where: INBOUND,
  },
  { title: "Handler", description: "Rust at work on a message, awaits included.", metric: HANDLER },
  {
    title: "Queue",
    description: "From push to pop: a message waits until the UI thread comes for it.",
    metric: QUEUE_WAIT,
    where: QUEUES,
  },
  {
    title: "To the page",
    description: "From Rust to the page; a page that is busy takes nothing meanwhile.",
    metric: TRANSIT,
    where: OUTBOUND,
  },
  { title: "Page code", description: "The page's own code at work on a message.", metric: PROCESS },
];

/**
 * The last minute, so that it says what is and not what was; where Prometheus scrapes too rarely for that,
 * or nothing happened, the last five.
 */
const lately = (of: (series: SeriesOf) => Expr): Expr => or(of(minute), of(recent));
/** Each process's own counts, or a restart would begin with what made the process before it slow. */
const minute = chosen.over({ range: "1m", seconds: "60", youngS: "72", restarts: "newest" });
// `seen` before `or`: a quantile of nothing is NaN, which is a value, and the longer window would
// never be asked.
const p95 = (metric: string, where?: Where): Expr => lately((of) => seen(of.ownQuantile(0.95, metric, [], where)));

/** The share of an event's messages that fail from which it is broken, and not a mishap. */
const FAILING_MIN = 0.25;
/** Seconds after which whoever waits for a call looks elsewhere. */
const UNANSWERED_S = 10;
/** What is felt: a tenth of a second is seen, a twentieth is not yet. */
const FELT: Steps = [
  [FELT_S / 2, YELLOW],
  [FELT_S, RED],
];
const LATELY = "in the last minute, or in the last 5 minutes where that has none";

// The mean, since each app on the same machine reports the same.
const machineCpu = aggregate("avg", [], allModes(chosen.gauge("system.cpu.utilization")));

/** How often in a minute something happened that a p95 of many does not show. */
const NOW_AND_THEN_MIN = 3;
/** Wakes that the UI thread came late for. */
const lateWakes = binary(
  sum(minute.ownIncrease(DELAY, {}, "_count")),
  "-",
  sum(minute.ownIncrease(DELAY, { le: bucket(DELAY, FELT_S) }, "_bucket")),
);
const mostOf = (expr: Expr): Expr => aggregate("max", [], expr);
/** The events of which one in 20 takes long, of those that had enough for that to say something. */
const longOf = (metric: string): Expr => {
  const enough = binary(sum(recent.ownIncrease(metric, {}, "_count"), EVENT), ">=", number(TIMED_MIN));
  return above(and(recent.ownQuantile(0.95, metric, [EVENT]), enough), FELT_S);
};
/** The share of each event's messages that failed, where more than one or two did. */
const failedByEvent = sum(minute.grown(MESSAGES, FAILED), EVENT);
const failing = ratio(binary(failedByEvent, ">=", number(FAILURES_MIN)), sum(minute.ownIncrease(MESSAGES), EVENT));
const reloads = recent.ownIncrease("spanwire.page.loads", { "spanwire.page.load.type": isNot("first") });
/** Whether anything of it is felt at all. */
const isFelt = above(or(p95(DELIVERY), p95(HANDLER)), FELT_S);

/**
 * What can be the cause, and when it is. The first of those that are is the culprit: what comes after it
 * waits for it. A page that throws, or that is loaded again and again, is broken whatever else there is; a
 * large message keeps the page and all behind it; a blocked UI thread lets the queue grow, and a busy page lets messages to it wait. A call may
 * be meant to stay open, as that of a dialog. A machine without a free core is the last, and where nothing
 * is felt of it none.
 */
const CAUSES: readonly (readonly [name: string, is: Expr])[] = [
  ["The page throws errors", above(sum(minute.ownIncrease("spanwire.page.errors")), NOW_AND_THEN_MIN)],
  ["The page is loaded again and again", binary(sum(reloads), ">=", number(RELOADS_MIN))],
  ["Messages are too large", above(mostOf(minute.ownMean(SIZE, [DIRECTION, EVENT])), LARGE_BYTES)],
  ["Too many messages", above(mostOf(sum(minute.ownRate(MESSAGES), DIRECTION, EVENT)), FLOOD_PER_S)],
  ["UI thread is blocked", or(above(p95(DELAY), FELT_S), above(lateWakes, NOW_AND_THEN_MIN))],
  ["Page's thread is busy", above(larger(lately(busiestPage), mostOf(pageInLongTasks(minute, WEBVIEW))), SATURATED)],
  ["Listeners are slow", mostOf(longOf(PROCESS))],
  ["Handlers are slow", mostOf(longOf(HANDLER))],
  ["Queue is long", above(p95(QUEUE_WAIT, QUEUES), FELT_S)],
  ["Messages reach the page late", above(p95(TRANSIT, OUTBOUND), FELT_S)],
  ["Way to the host is slow", above(p95(TRANSIT, INBOUND), FELT_S)],
  ["Calls fail", above(mostOf(failing), FAILING_MIN)],
  ["A call is still not answered", above(mostOf(chosen.gauge(CALL_AGE)), UNANSWERED_S)],
  ["Machine has no free core", and(above(machineCpu, CPU_SATURATED), isFelt)],
];
// The first cause has the highest number, so `topk` finds it. Zero is left for "nothing".
const rankOf = (place: number): number => CAUSES.length - place;
const [firstCause, ...otherCauses] = CAUSES.map(([, is], place) => {
  // The value is made the rank: the card shows the text that stands for it.
  const rank = binary(times(aggregate("max", [], is), 0), "+", number(rankOf(place)));
  // Their values tell them apart, and `or` asks for labels.
  return relabelled(rank, "cause", String(rankOf(place)));
});
// Two: what comes after the second mostly waits for one of them.
const culprits = topk(2, or(firstCause!, ...otherCauses));

const verdict: Row = [
  "The verdict: which stage takes the time",
  card({
    title: "Culprit",
    description: `What makes it slow ${LATELY}, and what else is not well: a page that reports errors or is loaded again and again, messages of one event that are large or a flood, a UI thread that comes late, if only now and then, a page whose thread is busy for most of the time, listeners and handlers of an event whose p95 is above 100 ms, a stage whose p95 is above 100 ms, an event of which a quarter fails, a call that has been open for ${UNANSWERED_S} s, a machine without a free core. Its row is below.`,
    unit: "none",
    width: 6,
    still: true,
    targets: [target("{{cause}}", culprits)],
    words: CAUSES.map(([name], place) => [rankOf(place), name]),
    steps: [[0.5, RED]],
    none: "nothing is slow",
  }),
  ...STAGES.map((stage) =>
    card({
      title: `${stage.title} p95`,
      description: `${stage.description} 95 of 100 took no longer than this ${LATELY}.`,
      unit: "s",
      width: 3,
      still: true,
      targets: [target("p95", p95(stage.metric, stage.where))],
      words: [beyond(stage.metric)],
      steps: FELT,
      none: "none",
    }),
  ),
  card({
    title: "UI delay p95",
    description: `From waking the UI thread to its asking what there is for the page. 95 of 100 took no longer than this ${LATELY}.`,
    unit: "s",
    width: 3,
    still: true,
    targets: [target("p95", p95(DELAY))],
    words: [beyond(DELAY)],
    steps: FELT,
    none: "none",
  }),
  chart({
    title: "Stages over time",
    description:
      "The mean time in each stage, stacked: where it widens when it got slow is the culprit. All of them wide: the machine is busy, see the last row.",
    unit: "s",
    width: 12,
    stacked: true,
    targets: STAGES.map(({ title, metric, where }, place) =>
      target(`${place + 1} ${title}`, chosen.mean(metric, [], where)),
    ),
    colors: [
      ["/^1 /", "super-light-green"],
      ["/^2 /", GREEN],
      ["/^3 /", YELLOW],
      ["/^4 /", "super-light-blue"],
      ["/^5 /", BLUE],
    ],
  }),
  latency({
    title: "Delivery",
    description:
      "What it comes to for messages to the page: from emit to acknowledgement. Points are messages whose trace was kept, with all stages: click one to open it.",
    metric: DELIVERY,
    width: 12,
    threshold: SLOW_THRESHOLD,
    next: [{ question: "Since when, and how many?", board: "ipc" }],
  }),
];

/** Rows of a table, and lines of a chart whose legend is whole: of a hundred events neither tells anything. */
const TOP = 10;
const CHART_TOP = 8;
interface Takers {
  readonly title: string;
  readonly description: string;
  readonly metric: string;
}

/** Which events take the time: how much of it each has, and how long one takes. */
const takers = ({ title, description, metric }: Takers): Panel =>
  rows({
    title,
    description,
    unit: "none",
    width: 12,
    height: 8,
    rows: { [EVENT]: "Event" },
    columns: [
      {
        name: "Time taken",
        unit: "percentunit",
        decimals: 1,
        expr: topk(TOP, above(sum(recent.ownRate(metric, {}, "_sum"), EVENT), 0)),
      },
      { name: "p95", unit: "s", expr: seen(recent.ownQuantile(0.95, metric, [EVENT])), words: [beyond(metric)] },
      {
        name: "Messages per second",
        unit: MESSAGES_PER_S,
        expr: above(sum(recent.ownRate(metric, {}, "_count"), EVENT), 0),
      },
    ],
    sortBy: "Time taken",
    none: "no messages",
    next: [{ question: "How do all events compare?", board: "ipc" }],
  });

const page: Row = [
  "To the page and page code: is the page busy, and with what?",
  chart({
    title: "Page busy",
    description:
      "Share of the time that each page's own code is at work on messages, and in long tasks of whatever kind: above 60 % messages wait. Where long tasks are far above the listeners, something else keeps the page's thread, as painting, timers or other scripts.",
    unit: "percentunit",
    decimals: 1,
    width: 12,
    targets: [
      target(`{{${WEBVIEW}}} listeners`, pageBusy(chosen, WEBVIEW)),
      target(`{{${WEBVIEW}}} long tasks`, pageInLongTasks(chosen, WEBVIEW)),
    ],
    next: [{ question: "Is the webview's process at its limit?", board: "process" }],
  }),
  takers({
    title: "Listeners that take the page's time",
    description:
      "Each event's share of the page's time over the last 5 minutes, or since the app's start, how long one takes, and how many there are: make the slow ones shorter, and send the frequent ones less often.",
    metric: PROCESS,
  }),
];

const host: Row = [
  "To the host, handler and queue: is Rust busy, and with what?",
  chart({
    title: "UI thread delay",
    description:
      "How long the UI thread takes to come when it is called: nothing is sent to the page before. When it is high, look at the handlers that blocked it, and at what the app does in its event loop.",
    unit: "s",
    width: 12,
    targets: percentiles(DELAY).map(({ expr, legend }) => ({ expr, legend })),
    colors: [
      ["/^p50$/", GREEN],
      ["/^p95$/", YELLOW],
      ["/^p99$/", ORANGE],
    ],
    next: [{ question: "Which operations run meanwhile?", board: "operations" }],
  }),
  takers({
    title: "Handlers that take the time",
    description:
      "How much time each event's handlers take over the last 5 minutes, or since the app's start, where 100 % is one handler at work all the time, awaits included.",
    metric: HANDLER,
  }),
  chart({
    title: "Handlers that blocked the UI thread",
    description:
      "Handlers per second that kept the UI thread for a frame or longer. Make them async, or move their work to a thread.",
    unit: TIMES_PER_S,
    width: 12,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [
      target(`{{${EVENT}}}`, sum(chosen.grownRate("spanwire.main_thread.blocked"), EVENT)),
    ],
    next: [{ question: "When, and for how long?", board: "ipc" }],
  }),
  chart({
    title: "Messages that wait for the page",
    description:
      "Messages in each queue: at the scrape, or on average since the one before when that is more. When it rises while the page is not busy, the UI thread does not come.",
    unit: "none",
    decimals: 0,
    width: 12,
    targets: [target(`{{${QUEUE}}}`, sum(waiting(chosen, QUEUES), QUEUE))],
    next: [{ question: "Is it full, and was something lost?", board: "ipc" }],
  }),
];

const byEvent = (of: SeriesOf): Expr => sum(of.rate(MESSAGES), DIRECTION, EVENT);
const traffic: Row = [
  "Is there simply too much?",
  chart({
    title: "Busiest events",
    description: "Messages per second of the eight events that had the most in the time shown: one that rose when it got slow is the suspect.",
    unit: MESSAGES_PER_S,
    width: 12,
    targets: [
      target(
        `{{${DIRECTION}}} {{${EVENT}}}`,
        mostBy(CHART_TOP, byEvent(chosen), byEvent(whole), DIRECTION, EVENT),
      ),
    ],
    next: [{ question: "How did they end?", board: "ipc" }],
  }),
  chart({
    title: "Largest events",
    description: "The mean size of the messages of the four events that have the largest in the time shown: what is large takes long to be read on both sides, and what comes behind it waits.",
    unit: "bytes",
    width: 6,
    targets: [
      target(
        `{{${DIRECTION}}} {{${EVENT}}}`,
        mostBy(4, chosen.mean(SIZE, [DIRECTION, EVENT]), whole.mean(SIZE, [DIRECTION, EVENT]), DIRECTION, EVENT),
      ),
    ],
    next: [{ question: "How large is each, and how late?", board: "ipc" }],
  }),
  chart({
    title: "Dropped",
    description: "Messages per second that were lost since there was no room for them, by reason.",
    unit: MESSAGES_PER_S,
    width: 6,
    bars: true,
    stacked: true,
    bad: true,
    none: NOTHING,
    targets: [target(`{{${ERROR}}}`, sum(chosen.grownRate(MESSAGES, DROPPED), ERROR))],
  }),
];

const broken: Row = [
  "Is it not slow but broken?",
  chart({
    title: "Oldest open call",
    description: "How long the page has waited for the oldest call of the eight events whose calls were open for longest: one that rises in a straight line gets no answer.",
    unit: "s",
    width: 12,
    none: "no calls",
    targets: [
      target(
        `{{${EVENT}}}`,
        mostBy(
          CHART_TOP,
          aggregate("max", [EVENT], chosen.gauge(CALL_AGE)),
          aggregate("max", [EVENT], chosen.atMost(CALL_AGE, "$__range")),
          EVENT,
        ),
      ),
    ],
    next: [{ question: "How many are open?", board: "ipc" }],
  }),
  pageErrorsChart([{ question: "Is the page well otherwise?", board: "ipc" }]),
];

const MACHINE = "machine";

const machine: Row = [
  "All of it is slow: is it the machine?",
  chart({
    title: "CPU",
    description:
      "Share of all cores that the app's processes use, stacked, and what all processes use as a line: where that is near 100 % and the app is not, another program is the cause.",
    unit: "percentunit",
    decimals: 1,
    width: 12,
    max: 1,
    stacked: true,
    targets: [
      target(
        `{{${ROLE}}}`,
        byRole(
          chosen.gauge("process.cpu.utilization"),
          chosen.gauge("spanwire.webview.process.cpu.utilization"),
        ),
      ),
      target(MACHINE, machineCpu),
    ],
    reference: { legend: MACHINE, color: "text" },
    next: [{ question: "Memory, threads, processes?", board: "process" }],
  }),
  chart({
    title: "Operations that take the time",
    description:
      "What the app does beside messages, by p95: the eight operations that have the highest in the time shown. Points are operations whose trace was kept: click one to open it.",
    unit: "s",
    width: 12,
    none: "no operations",
    targets: [
      traced(
        `{{${OPERATION}}}`,
        mostBy(
          CHART_TOP,
          chosen.quantile(0.95, OPERATION_TIME, [OPERATION]),
          whole.quantile(0.95, OPERATION_TIME, [OPERATION]),
          OPERATION,
        ),
      ),
    ],
    next: [{ question: "Which operation, and since when?", board: "operations" }],
  }),
];

export const laggy: Board = {
  name: "laggy",
  title: "Spanwire / Why is it laggy?",
  description:
    "From the verdict to the culprit: which stage takes the time, and for each stage which event or thread. A panel's link at its top leads to the next question.",
  rows: [verdict, page, host, traffic, broken, machine],
  from: "now-15m",
};
