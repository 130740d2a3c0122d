// Many instances: which are the worst, and is a version worse than another.

import { chosen, recent, shown, type Board, type Row } from "../board.js";
import { DROPPED, FAILED, JUDGED, MESSAGES, messageSuccess, success } from "../outcomes.js";
import { card, chart, RED } from "../panels.js";
import {
  above,
  aggregate,
  and,
  binary,
  labelOr,
  orZeroOf,
  quantile,
  seen,
  sum,
  topk,
  type Expr,
} from "../promql.js";
import { allModes, byRole } from "../roles.js";
import {
  INSTANCE,
  JOB,
  SERVICE_VERSION,
  TARGET,
  TARGET_INFO,
  TAURI_VERSION,
  TAURI_WAY,
} from "../server.js";
import { successCard } from "../shared.js";
import { rows } from "../tables.js";
import { target } from "../targets.js";

const DELIVERY = "spanwire.ipc.delivery.duration";
const PRESENCE = chosen.gauge("spanwire.error_rate.threshold");
/** That of webviews too: most of an app's work is there, and its memory is counted with them. */
const CPU = sum(
  byRole(
    allModes(chosen.gauge("process.cpu.utilization")),
    allModes(chosen.gauge("spanwire.webview.process.cpu.utilization")),
    ...TARGET,
  ),
  ...TARGET,
);
const MEMORY = "process.memory.usage";
const WORST = 10;

/**
 * The version of each app's instance, once.
 *
 * An app that was updated a moment ago can have two, and a join with both fails. And what else Prometheus
 * scrapes, itself among it, has a version too.
 */
const versions = aggregate(
  "topk",
  TARGET,
  aggregate(
    "max",
    [...TARGET, SERVICE_VERSION],
    and(chosen.server(TARGET_INFO), PRESENCE, TARGET),
  ),
  1,
);

/** The series with their instance's version. */
const versioned = (expr: Expr): Expr =>
  // `target_info` is always 1, so the product is the value with one more label.
  binary(expr, "*", versions, { on: TARGET, groupLeft: [SERVICE_VERSION] });

const byVersion = (expr: Expr, ...by: string[]): Expr =>
  sum(versioned(expr), SERVICE_VERSION, ...by);

// The sum by target comes first: a webview process has labels that the host's series lacks, and `+`
// needs the same ones on both sides.
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
/** Over minutes: of the few messages that one app has in seconds it would be the slowest. */
const p99 = seen(recent.quantile(0.99, DELIVERY, TARGET));

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
    title: "Message success rate",
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
    none: "unknown",
  }),
];

interface Worst {
  readonly title: string;
  readonly description: string;
  readonly column: string;
  readonly unit: string;
  readonly expr: Expr;
  readonly none: string;
}

const worst = ({ title, description, column, unit, expr, none }: Worst): ReturnType<typeof rows> =>
  rows({
    title,
    description,
    unit,
    width: 8,
    rows: { [INSTANCE]: "Instance", [JOB]: "Job", [SERVICE_VERSION]: "Version" },
    columns: [{ name: column, unit, expr: topk(WORST, versioned(expr)) }],
    sortBy: column,
    none,
  });

const worstTen: Row = [
  "The worst ten",
  worst({
    title: "Slowest delivery",
    description:
      "The ten instances with the highest p99 of the time from emit to the page's acknowledgement, over the last 5 minutes.",
    none: "no messages",
    column: "p99",
    unit: "s",
    expr: p99,
  }),
  worst({
    title: "Most drops",
    description: "The ten instances that lost the most messages in the time shown.",
    none: "none was lost",
    column: "Dropped",
    unit: "none",
    expr: above(sum(shown.grown(MESSAGES, DROPPED), ...TARGET), 0),
  }),
  worst({
    title: "Most memory",
    description:
      "The ten instances that use the most physical memory now, their webview's processes included.",
    none: "no app",
    column: "Memory",
    unit: "bytes",
    expr: memory,
  }),
];

// Three lines and not one for each instance: a fleet has thousands.
const spread = (expr: Expr): ReturnType<typeof target>[] => [
  target("worst", aggregate("max", [], expr)),
  target("p90", aggregate("quantile", [], expr, 0.9)),
  target("median", aggregate("quantile", [], expr, 0.5)),
];

const spreads: Row = [
  "Spread over the instances",
  chart({
    title: "Delivery p99 of instances",
    description: "The p99 of the delivery time over the last 5 minutes: of the worst instance, and the 90th percentile and the median of all.",
    unit: "s",
    width: 8,
    targets: spread(p99),
  }),
  chart({
    title: "Memory of instances",
    description:
      "Physical memory, webview processes included: of the worst instance, and the 90th percentile and the median of all.",
    unit: "bytes",
    width: 8,
    targets: spread(memory),
  }),
  chart({
    title: "CPU of instances",
    description:
      "Share of its machine's cores, webview processes included: of the worst instance, and the 90th percentile and the median of all.",
    unit: "percentunit",
    decimals: 1,
    width: 8,
    targets: spread(CPU),
  }),
];

const successByVersion = success(
  versioned(chosen.grown(MESSAGES, FAILED)),
  versioned(chosen.increase(MESSAGES, JUDGED)),
  [SERVICE_VERSION],
);
// The buckets are summed before the quantile: quantiles of instances cannot be averaged.
const p99ByVersion = seen(quantile(0.99, byVersion(recent.rate(DELIVERY, {}, "_bucket"), "le")));
const meanByVersion = (expr: Expr): Expr =>
  aggregate("avg", [SERVICE_VERSION], versioned(expr));
const countByVersion = aggregate("count", [SERVICE_VERSION], versions);

const versionRow: Row = [
  "Versions",
  rows({
    title: "Versions compared",
    description: "Each version of the app (service.version) that runs now; the p99 is over the last 5 minutes.",
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
    none: "unknown: no service.version",
  }),
  chart({
    title: "Instances by version",
    description: "Instances running each version.",
    unit: "none",
    decimals: 0,
    width: 8,
    stacked: true,
    targets: [target(`{{${SERVICE_VERSION}}}`, countByVersion)],
  }),
  chart({
    title: "Message success by version",
    description: "Share of messages that succeeded, by version of the app.",
    unit: "percentunit",
    decimals: 2,
    width: 8,
    max: 1,
    targets: [target(`{{${SERVICE_VERSION}}}`, successByVersion)],
  }),
  chart({
    title: "Delivery p99 by version",
    description: "99 of 100 messages to the page were acknowledged within this time, over the last 5 minutes.",
    unit: "s",
    width: 8,
    targets: [target(`{{${SERVICE_VERSION}}}`, p99ByVersion)],
  }),
];

/** Those that are no Tauri apps have neither label, and say so. */
const ways = labelOr(
  labelOr(
    aggregate(
      "count",
      [TAURI_WAY, TAURI_VERSION],
      aggregate("max", [...TARGET, TAURI_WAY, TAURI_VERSION], and(chosen.server(TARGET_INFO), PRESENCE, TARGET)),
    ),
    TAURI_WAY,
    "no Tauri app",
  ),
  TAURI_VERSION,
  "none",
);

const tauri: Row = [
  "Tauri apps",
  rows({
    title: "Instances by their way to Tauri's commands",
    description:
      "How the plugin sees an app's commands (spanwire.tauri.way), and the Tauri that it runs with: seam sees every command; with any other, which says why, only commands in traced(…) are seen.",
    unit: "none",
    width: 24,
    height: 6,
    rows: { [TAURI_WAY]: "Way", [TAURI_VERSION]: "Tauri" },
    columns: [{ name: "Instances", unit: "none", expr: ways, decimals: 0 }],
    sortBy: "Instances",
    none: "unknown: no target_info",
  }),
];

export const fleet: Board = {
  name: "fleet",
  title: "Spanwire / Fleet",
  description:
    "Many instances: the worst by latency, drops and memory, their distribution, and the versions compared.",
  rows: [instances, worstTen, spreads, versionRow, tauri],
};
