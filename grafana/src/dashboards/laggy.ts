// Why it is laggy: the verdict by stage, and for each stage the panels that say what and why.

import { BigValueTextMode } from "@grafana/grafana-foundation-sdk/common";
import { chosen, recent, type Board, type Panel, type Row } from "../board.js";
import { DROPPED, MESSAGES } from "../outcomes.js";
import {
  busiestPage,
  DELAY,
  delayCard,
  DELIVERY,
  EVENT,
  HANDLER,
  pageBusy,
  PROCESS,
  QUEUE_WAIT,
  TRANSIT,
  WEBVIEW,
} from "../page.js";
import { BLUE, card, chart, GREEN, NOTHING, ORANGE, RED, YELLOW, type Steps } from "../panels.js";
import { above, aggregate, or, relabelled, seen, sum, topk, type Expr } from "../promql.js";
import { QUEUE, waiting } from "../queues.js";
import { allModes, byRole, ROLE } from "../roles.js";
import { label } from "../semconv.js";
import { is, oneOf, type Where } from "../series.js";
import { latency, percentiles, SLOW_THRESHOLD } from "../shared.js";
import { rows } from "../tables.js";
import { target, traced } from "../targets.js";
import { HANDLERS_PER_S, MESSAGES_PER_S } from "../units.js";

const DIRECTION = label("spanwire.ipc.direction");
const ERROR = label("error.type");
const STAGE = "stage";

const INBOUND: Where = { "spanwire.ipc.direction": is("inbound") };
const OUTBOUND: Where = { "spanwire.ipc.direction": is("outbound") };
const QUEUES: Where = { "spanwire.queue.name": oneOf("$webview") };

interface Stage {
  readonly title: string;
  readonly description: string;
  readonly metric: string;
  readonly where?: Where;
}

/** In the order in which a message meets them; the UI thread's has a card that other dashboards have too. */
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

const p95 = ({ metric, where }: Stage): Expr => seen(recent.quantile(0.95, metric, [], where));
const [firstStage, ...otherStages] = STAGES.map((stage) => relabelled(p95(stage), STAGE, stage.title));
const stages = or(firstStage!, ...otherStages);

/** What is felt: a tenth of a second is seen, a twentieth is not yet. */
const FELT: Steps = [
  [0.05, YELLOW],
  [0.1, RED],
];
const RECENTLY = "in the last 5 minutes";

const verdict: Row = [
  "The verdict: which stage takes the time",
  card({
    title: "Slowest stage",
    description:
      "The stage with the highest p95 in the last 5 minutes: begin with its row below. Yellow from 50 ms, red from 100 ms, which users feel.",
    unit: "s",
    width: 6,
    still: true,
    named: BigValueTextMode.ValueAndName,
    targets: [target(`{{${STAGE}}}`, topk(1, stages))],
    steps: FELT,
    none: "no messages",
  }),
  ...STAGES.map((stage) =>
    card({
      title: stage.title,
      description: `${stage.description} 95 of 100 took no longer than this ${RECENTLY}.`,
      unit: "s",
      width: 3,
      still: true,
      targets: [target("p95", p95(stage))],
      steps: FELT,
      none: "none",
    }),
  ),
  delayCard({ width: 3, over: recent, when: RECENTLY }),
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

/** The ten for which it is most: of a hundred events no chart tells anything. */
const TOP = 10;
const busiest = (expr: Expr): Expr => topk(TOP, above(expr, 0));

interface Culprits {
  readonly title: string;
  readonly description: string;
  readonly metric: string;
}

/** Which events take the time: how much of it each has, and how long one takes. */
const culprits = ({ title, description, metric }: Culprits): Panel =>
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
        expr: busiest(sum(recent.rate(metric, {}, "_sum"), EVENT)),
      },
      { name: "p95", unit: "s", expr: seen(recent.quantile(0.95, metric, [EVENT])) },
      {
        name: "Messages per second",
        unit: MESSAGES_PER_S,
        expr: above(sum(recent.rate(metric, {}, "_count"), EVENT), 0),
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
      "Share of the time that each page's own code is at work on messages; above 60 % they wait for it. Low while messages reach the page late: something else keeps its thread, as painting, timers or other scripts.",
    unit: "percentunit",
    decimals: 1,
    width: 12,
    targets: [
      target(`{{${WEBVIEW}}}`, pageBusy(chosen, WEBVIEW)),
      target("busiest", busiestPage(chosen)),
    ],
    reference: { legend: "busiest", color: "text" },
    next: [{ question: "Is the webview's process at its limit?", board: "process" }],
  }),
  culprits({
    title: "Listeners that take the page's time",
    description:
      "Each event's share of the page's time over the last 5 minutes, how long one takes, and how many there are: make the slow ones shorter, and send the frequent ones less often.",
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
  culprits({
    title: "Handlers that take the time",
    description:
      "How much time each event's handlers take over the last 5 minutes, where 100 % is one handler at work all the time, awaits included.",
    metric: HANDLER,
  }),
  chart({
    title: "Handlers that blocked the UI thread",
    description:
      "Handlers per second that kept the UI thread for a frame or longer. Make them async, or move their work to a thread.",
    unit: HANDLERS_PER_S,
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

const traffic: Row = [
  "Is there simply too much?",
  chart({
    title: "Busiest events",
    description: "Messages per second of the ten events that have the most: one that rose when it got slow is the suspect.",
    unit: MESSAGES_PER_S,
    width: 12,
    targets: [
      target(`{{${DIRECTION}}} {{${EVENT}}}`, busiest(sum(chosen.rate(MESSAGES), DIRECTION, EVENT))),
    ],
    next: [{ question: "How did they end?", board: "ipc" }],
  }),
  chart({
    title: "Size p95",
    description: "95 of 100 messages are no larger: what is large takes long to be read on both sides.",
    unit: "bytes",
    width: 6,
    targets: [
      target(`{{${DIRECTION}}}`, chosen.quantile(0.95, "spanwire.ipc.message.size", [DIRECTION])),
    ],
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

const machineCpu = aggregate("avg", [], allModes(chosen.gauge("system.cpu.utilization")));
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
      "What the app does beside messages: the ten operations with the highest p95. Points are operations whose trace was kept: click one to open it.",
    unit: "s",
    width: 12,
    none: "no operations",
    targets: [
      traced(
        `{{${label("spanwire.operation.name")}}}`,
        topk(
          TOP,
          chosen.quantile(0.95, "spanwire.operation.duration", [label("spanwire.operation.name")]),
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
  rows: [verdict, page, host, traffic, machine],
  from: "now-15m",
};
