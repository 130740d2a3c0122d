// Many instances: which are the worst, and is a version worse than another.

import { chosen, shown, type Board, type Row } from "../board.js";
import { DROPPED, FAILED, JUDGED, MESSAGES, messageSuccess, success } from "../outcomes.js";
import { card, chart, RED } from "../panels.js";
import {
  above,
  aggregate,
  binary,
  orZeroOf,
  quantile,
  sum,

  topk,
  type Expr,
} from "../promql.js";
import { allModes } from "../roles.js";
import { INSTANCE, JOB, SERVICE_VERSION, TARGET, TARGET_INFO } from "../server.js";
import { successCard } from "../shared.js";
import { rows } from "../tables.js";
import { target } from "../targets.js";

const DELIVERY = "spanwire.ipc.delivery.duration";
const PRESENCE = chosen.gauge("spanwire.error_rate.threshold");
const CPU = allModes(chosen.gauge("process.cpu.utilization"));
const MEMORY = "process.memory.usage";
const WORST = 10;

/**
 * The version of each instance, once.
 *
 * An app that was updated a moment ago can have two, and a join with both fails.
 */
const versions = aggregate(
  "topk",
  TARGET,
  aggregate("max", [...TARGET, SERVICE_VERSION], chosen.server(TARGET_INFO)),
  1,
);

/** The series with their instance's version. */
const versioned = (expr: Expr): Expr =>
  binary(expr, "*", versions, { on: TARGET, groupLeft: [SERVICE_VERSION] });

const byVersion = (expr: Expr, ...by: string[]): Expr =>
  sum(versioned(expr), SERVICE_VERSION, ...by);

const memory = sum(
  binary(
    sum(chosen.gauge(MEMORY), ...TARGET),
    "+",
    orZeroOf(
      sum(chosen.gauge("spanwire.webview.process.memory.usage"), ...TARGET),
      sum(chosen.gauge(MEMORY), ...TARGET),
    ),
  ),
  ...TARGET,
);
const p99 = chosen.quantile(0.99, DELIVERY, TARGET);

const instances: Row = [
  "Instances",
  card({
    title: "Instances",
    description: "Apps whose metrics arrive now.",
    unit: "none",
    decimals: 0,
    width: 6,
    targets: [target("instances", aggregate("count", [], PRESENCE))],
    none: "no app",
  }),
  successCard({
    title: "Success rate",
    description:
      "Share of all messages of all instances that succeeded. Yellow from half of the error rate from which an app counts as failing (SPANWIRE_ERROR_RATE_THRESHOLD), red above it.",
    width: 6,
    success: messageSuccess(chosen),
    none: "no messages",
  }),
  card({
    title: "Instances with losses",
    description: "Instances that dropped messages in the time shown.",
    unit: "none",
    decimals: 0,
    width: 6,
    still: true,
    targets: [
      target(
        "instances",
        orZeroOf(
          aggregate("count", [], above(sum(shown.grown(MESSAGES, DROPPED), ...TARGET), 0)),
          aggregate("count", [], PRESENCE),
        ),
      ),
    ],
    steps: [[0.5, RED]],
  }),
  card({
    title: "Versions",
    description: "Versions of the app (service.version) that run now.",
    unit: "none",
    decimals: 0,
    width: 6,
    targets: [
      target("versions", aggregate("count", [], aggregate("count", [SERVICE_VERSION], versions))),
    ],
    none: "not told",
  }),
];

interface Worst {
  readonly title: string;
  readonly description: string;
  readonly column: string;
  readonly unit: string;
  readonly expr: Expr;
}

const worst = ({ title, description, column, unit, expr }: Worst): ReturnType<typeof rows> =>
  rows({
    title,
    description,
    unit,
    width: 8,
    rows: { [INSTANCE]: "Instance", [JOB]: "Job", [SERVICE_VERSION]: "Version" },
    columns: [{ name: column, unit, expr: topk(WORST, versioned(expr)) }],
    sortBy: column,
  });

const worstTen: Row = [
  "The worst ten",
  worst({
    title: "Slowest delivery",
    description:
      "The ten instances with the highest p99 of the time from emit to the page's acknowledgement, now.",
    column: "p99",
    unit: "s",
    expr: p99,
  }),
  worst({
    title: "Most drops",
    description: "The ten instances that lost the most messages in the time shown.",
    column: "Dropped",
    unit: "none",
    expr: above(sum(shown.grown(MESSAGES, DROPPED), ...TARGET), 0),
  }),
  worst({
    title: "Most memory",
    description:
      "The ten instances that use the most physical memory now, their webview's processes included.",
    column: "Memory",
    unit: "bytes",
    expr: memory,
  }),
];

const spread = (expr: Expr): ReturnType<typeof target>[] => [
  target("worst", aggregate("max", [], expr)),
  target("9 of 10 below", aggregate("quantile", [], expr, 0.9)),
  target("half below", aggregate("quantile", [], expr, 0.5)),
];

const spreads: Row = [
  "Spread over the instances",
  chart({
    title: "Delivery p99 of instances",
    description: "The p99 of the delivery time of the worst, the ninth of ten and the middle instance.",
    unit: "s",
    width: 8,
    targets: spread(p99),
  }),
  chart({
    title: "Memory of instances",
    description:
      "Physical memory of the worst, the ninth of ten and the middle instance, their webview's processes included.",
    unit: "bytes",
    width: 8,
    targets: spread(memory),
  }),
  chart({
    title: "CPU of instances",
    description:
      "Share of its machine's cores that the host process of the worst, the ninth of ten and the middle instance uses.",
    unit: "percentunit",
    width: 8,
    max: 1,
    targets: spread(CPU),
  }),
];

const successByVersion = success(
  versioned(chosen.grown(MESSAGES, FAILED)),
  versioned(chosen.increase(MESSAGES, JUDGED)),
  [SERVICE_VERSION],
);
const p99ByVersion = quantile(0.99, byVersion(chosen.rate(DELIVERY, {}, "_bucket"), "le"));
const meanByVersion = (expr: Expr): Expr =>
  aggregate("avg", [SERVICE_VERSION], versioned(expr));
const countByVersion = aggregate("count", [SERVICE_VERSION], versions);

const versionRow: Row = [
  "Versions",
  rows({
    title: "Versions compared",
    description: "Each version of the app (service.version) that runs, now.",
    unit: "none",
    width: 24,
    height: 7,
    rows: { [SERVICE_VERSION]: "Version" },
    columns: [
      { name: "Instances", unit: "none", expr: countByVersion, decimals: 0 },
      { name: "Success rate", unit: "percentunit", expr: successByVersion, decimals: 2 },
      { name: "Delivery p99", unit: "s", expr: p99ByVersion },
      { name: "Memory", unit: "bytes", expr: meanByVersion(memory) },
      { name: "CPU", unit: "percentunit", expr: meanByVersion(CPU), decimals: 1 },
    ],
    sortBy: "Instances",
  }),
  chart({
    title: "Instances by version",
    description: "How a rollout goes.",
    unit: "none",
    decimals: 0,
    width: 8,
    stacked: true,
    targets: [target(`{{${SERVICE_VERSION}}}`, countByVersion)],
  }),
  chart({
    title: "Success rate by version",
    description: "Share of messages that succeeded, by version of the app.",
    unit: "percentunit",
    decimals: 2,
    width: 8,
    max: 1,
    targets: [target(`{{${SERVICE_VERSION}}}`, successByVersion)],
  }),
  chart({
    title: "Delivery p99 by version",
    description: "99 of 100 messages to the page were acknowledged within this time.",
    unit: "s",
    width: 8,
    targets: [target(`{{${SERVICE_VERSION}}}`, p99ByVersion)],
  }),
];

export const fleet: Board = {
  name: "fleet",
  title: "Spanwire / Fleet",
  description:
    "Many instances: the worst by latency, drops and memory, how far they are apart, and one version beside another.",
  rows: [instances, worstTen, spreads, versionRow],
};
