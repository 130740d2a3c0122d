// The process, the webview's processes and the machine.

import { chosen, type Board, type Row } from "../board.js";
import { card, chart, RED, YELLOW } from "../panels.js";
import { aggregate, or, relabelled, sum, type Expr } from "../promql.js";
import { allModes, byRole, memoryByRole, ROLE } from "../roles.js";
import { label } from "../semconv.js";
import { INSTANCE } from "../server.js";
import { target } from "../targets.js";

const MACHINE = "machine";
const PHASE = label("spanwire.startup.phase");
const THREAD = label("thread.name");
const TYPE = label("spanwire.webview.process.type");

const HALF_AND_MOST = [
  [0.7, YELLOW],
  [0.9, RED],
] as const;

const mean = (expr: Expr): Expr => aggregate("avg", [], expr);

const cpu = byRole(
  chosen.gauge("process.cpu.utilization"),
  chosen.gauge("spanwire.webview.process.cpu.utilization"),
);
const cpuOfMachine = mean(allModes(chosen.gauge("system.cpu.utilization")));
const memory = memoryByRole(chosen);
const memoryOfMachine = mean(chosen.gauge("system.memory.utilization"));

/** What an allocator says, told apart by a label of ours; many do not say all. */
const FIGURE = "figure";
const figure = (name: string): Expr =>
  relabelled(chosen.gauge(`spanwire.allocator.${name}`), FIGURE, name);
const allocator = sum(or(figure("allocated"), figure("resident"), figure("mapped")), FIGURE);

const overview: Row = [
  "Overview",
  card({
    title: "CPU of the app",
    description:
      "Share of all cores that the app uses, its webview's processes included; of several instances the sum.",
    unit: "percentunit",
    decimals: 1,
    width: 4,
    max: 1,
    targets: [target("app", sum(cpu))],
    steps: HALF_AND_MOST,
  }),
  card({
    title: "CPU of the machine",
    description: "Share of all cores that is in use by all processes; of several machines the mean.",
    unit: "percentunit",
    decimals: 1,
    width: 4,
    max: 1,
    targets: [target("machine", cpuOfMachine)],
    steps: HALF_AND_MOST,
  }),
  card({
    title: "Memory of the app",
    description:
      "Physical memory of the app and its webview's processes. Pages that they share count for each.",
    unit: "bytes",
    width: 4,
    targets: [target("app", sum(memory))],
  }),
  card({
    title: "Memory of the machine",
    description: "Share of the memory that is in use by all processes; of several machines the mean.",
    unit: "percentunit",
    decimals: 1,
    width: 4,
    max: 1,
    targets: [target("machine", memoryOfMachine)],
    steps: HALF_AND_MOST,
  }),
  card({
    title: "Webview processes",
    description: "Processes of the webview's own. None on macOS, where they are no children.",
    none: "none",
    unit: "none",
    decimals: 0,
    width: 4,
    targets: [target("processes", sum(chosen.gauge("spanwire.webview.process.count")))],
  }),
  card({
    title: "Uptime",
    description: "Time since the app started; of several instances the youngest.",
    unit: "dtdurations",
    width: 4,
    still: true,
    targets: [target("up", aggregate("min", [], chosen.gauge("process.uptime")))],
  }),
];

const use: Row = [
  "CPU and memory",
  chart({
    title: "CPU by role",
    description:
      "Share of all cores: the host process and the webview's processes stacked, and the whole machine as a line.",
    unit: "percentunit",
    decimals: 1,
    width: 12,
    max: 1,
    stacked: true,
    targets: [
      target(`{{${ROLE}}}`, cpu),
      target(MACHINE, cpuOfMachine),
    ],
    reference: { legend: MACHINE, color: "text" },
  }),
  chart({
    title: "Memory by role",
    description:
      "Physical memory of the host process and of the webview's processes, stacked. Pages that they share count for each.",
    unit: "bytes",
    width: 12,
    stacked: true,
    targets: [target(`{{${ROLE}}}`, memory)],
  }),
  chart({
    title: "Allocator",
    description:
      "What the app has allocated and not freed, and what its allocator holds for it, where the app says so. Both grow: a leak. The distance grows: fragmentation, or memory kept for later.",
    unit: "bytes",
    width: 24,
    none: "no allocator asked",
    targets: [target(`{{${FIGURE}}}`, allocator)],
  }),
  chart({
    title: "Busiest threads",
    description:
      "Share of all cores that threads of the host process used, by their name, stacked; `_OTHER` is all else. One thread can use one core: 25% of a machine with four. Linux only.",
    unit: "percentunit",
    decimals: 1,
    width: 24,
    // Sixteen names and the rest.
    height: 14,
    max: 1,
    stacked: true,
    none: "Linux only",
    targets: [
      target(`{{${THREAD}}}`, sum(chosen.gauge("spanwire.process.thread.cpu.utilization"), THREAD)),
    ],
  }),
];

const perInstance = (title: string, description: string, name: string): ReturnType<typeof chart> =>
  chart({
    title,
    description,
    unit: "none",
    decimals: 0,
    width: 6,
    targets: [target(`{{${INSTANCE}}}`, sum(chosen.gauge(name), INSTANCE))],
  });

const counts: Row = [
  "Threads, descriptors, processes, virtual memory",
  perInstance("Threads", "Threads of the host process. Linux only.", "process.thread.count"),
  perInstance(
    "File descriptors",
    "File descriptors that the host process has open. One that only rises is a leak. Not on Windows.",
    "process.unix.file_descriptor.count",
  ),
  chart({
    title: "Webview processes by type",
    description: "Processes of the webview's own. Another type than the page's is seen up to 30 s late.",
    unit: "none",
    decimals: 0,
    width: 6,
    stacked: true,
    none: "none, or no children as on macOS",
    targets: [target(`{{${TYPE}}}`, sum(chosen.gauge("spanwire.webview.process.count"), TYPE))],
  }),
  chart({
    title: "Virtual memory",
    description: "Virtual memory of the host process. WebKit reserves much that it does not use.",
    unit: "bytes",
    width: 6,
    targets: [
      target(
        `{{${INSTANCE}}}`,
        aggregate("max", [INSTANCE], chosen.gauge("process.memory.virtual")),
      ),
    ],
  }),
];

const startup: Row = [
  "Start",
  chart({
    title: "Start by phase",
    description:
      "Time from the process's start until each phase of the app's start was reached; of several instances the longest. A line steps when the app starts again. The trace `startup` has the same.",
    unit: "s",
    width: 24,
    bare: true,
    targets: [
      target(
        `{{${PHASE}}}`,
        aggregate("max", [PHASE], chosen.gauge("spanwire.startup.duration")),
      ),
    ],
  }),
];

export const processAndSystem: Board = {
  name: "process",
  title: "Spanwire / Process and system",
  description: "What the app and its webview use of the machine.",
  rows: [overview, use, counts, startup],
};
