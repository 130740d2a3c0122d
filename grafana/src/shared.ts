// Panels and queries that more than one dashboard has.

import type * as stat from "@grafana/grafana-foundation-sdk/stat";
import { chosen, shown, type Panel } from "./board.js";
import type { Next } from "./links.js";
import { chart, graded, GREEN, heat, ORANGE, RED, YELLOW, type Colors } from "./panels.js";
import { above, and, complement, or, orZeroOf, sum, times, type Expr } from "./promql.js";
import { label, metric } from "./semconv.js";
import type { Where } from "./series.js";
import { target, traced, type Target } from "./targets.js";

export const ERROR_THRESHOLD = "spanwire.error_rate.threshold";
export const SLOW_THRESHOLD = "spanwire.ipc.slow.threshold";
export const SLOW_OPERATION_THRESHOLD = "spanwire.operation.slow.threshold";

const PERCENTILES = [50, 95, 99];

/** What a quantile says that is beyond a histogram's last bound, which Prometheus gives for it. */
export function beyond(name: string): readonly [value: number, text: string] {
  const last = metric(name).bounds.at(-1);
  if (last === undefined) {
    throw new Error(`${name} has no buckets`);
  }
  return [last, `over ${last} s`];
}

/** p50, p95 and p99, which ask for exemplars. */
export function percentiles(name: string, by: readonly string[] = [], where: Where = {}): Target[] {
  const suffix = by.map((label) => ` {{${label}}}`).join("");
  return PERCENTILES.map((percent) =>
    traced(`p${percent}${suffix}`, chosen.quantile(percent / 100, name, by, where)),
  );
}

export interface Latency {
  readonly title: string;
  readonly description: string;
  readonly metric: string;
  readonly width: number;
  readonly by?: readonly string[];
  readonly where?: Where;
  /** The gauge of the threshold in force. */
  readonly threshold?: string;
  readonly next?: readonly Next[];
}

export interface LatencyHeat extends Omit<Latency, "threshold" | "next"> {
  /** The unit of what takes the time. */
  readonly cells: string;
}

/** p50, p95 and p99 over time, with the threshold in force. */
export function latency(of: Latency): Panel {
  const slow = of.threshold ? [target(SLOW, chosen.threshold(of.threshold))] : [];
  return chart({
    title: of.title,
    description: of.description,
    unit: "s",
    width: of.width,
    ...(of.next ? { next: of.next } : {}),
    targets: [...percentiles(of.metric, of.by, of.where), ...slow],
    // With labels there is more than one series of each.
    ...(of.by ? {} : { colors: COLORS_OF_PERCENTILES }),
    ...(of.threshold ? { reference: { legend: SLOW, color: RED } } : {}),
  });
}

const SLOW = "slow from";
const COLORS_OF_PERCENTILES: Colors = [
  ["/^p50$/", GREEN],
  ["/^p95$/", YELLOW],
  ["/^p99$/", ORANGE],
];

/** How many took how long. */
export function latencyHeat(of: LatencyHeat): Panel {
  const { title, description, width, cells } = of;
  const buckets = chosen.buckets(of.metric, of.by, of.where);
  return heat({ title, description, width, unit: "s", cells, buckets });
}

const ACTIVE = "spanwire.operation.active";
const OPERATION = label("spanwire.operation.name");

/**
 * The series that were above zero in the time shown, with their zeros: a value alone between two gaps is
 * hard to see, and zeros tell when it ended.
 */
export const everAbove = (now: Expr, most: Expr): Expr => and(now, above(most, 0));

/** What the app is doing, by name: the current action is among them. */
export function runningChart(width: number): Panel {
  const runs = everAbove(sum(chosen.gauge(ACTIVE), OPERATION), sum(chosen.atMost(ACTIVE, "$__range"), OPERATION));
  return chart({
    title: "Running operations",
    description:
      "What the app is doing: operations that are running at each scrape, by name, with the one that the app named as the current one; those that ran at none in the time shown are left out.",
    unit: "none",
    decimals: 0,
    width,
    stacked: true,
    none: "nothing runs",
    targets: [target(`{{${OPERATION}}}`, runs)],
  });
}

export interface SuccessOf {
  readonly title: string;
  readonly description: string;
  readonly width: number;
  readonly success: Expr;
  readonly none: string;
}

/** The success rate as a card: yellow from half of the error rate in force, red above it. */
export function successCard(of: SuccessOf): stat.PanelBuilder {
  const { title, description, width, success, none } = of;
  return graded({
    title,
    description,
    width,
    none,
    unit: "percentunit",
    decimals: 2,
    max: 1,
    legend: "success rate",
    best: "high",
    value: success,
    yellow: complement(times(chosen.threshold(ERROR_THRESHOLD), 0.5)),
    red: alarming,
  });
}

/** The same over time, with the lowest that is not alarming. */
export function successChart(of: SuccessOf & { readonly parts?: readonly Target[]; readonly colors?: Colors }): Panel {
  const { title, description, width, success, none } = of;
  return chart({
    title,
    description,
    width,
    none,
    unit: "percentunit",
    decimals: 2,
    max: 1,
    bare: true,
    targets: [
      target("all", success),
      ...(of.parts ?? []),
      target(LOWEST, alarming),
    ],
    ...(of.colors ? { colors: of.colors } : {}),
    reference: { legend: LOWEST, color: RED },
  });
}

/** The success rate below which the app counts as failing. */
const alarming = complement(chosen.threshold(ERROR_THRESHOLD));
const LOWEST = "alarming below";

/** How much something grew in all the time that is shown; 0 when nothing did but the app is there. */
export function totalShown(expr: (of: typeof shown) => Expr): Expr {
  return orZeroOf(sum(expr(shown)), aliveCount());
}

/** 1 or more while an app is there: gives zeros a place. */
function aliveCount(): Expr {
  return sum(chosen.gauge(ERROR_THRESHOLD));
}

/** Rates, 0 where an app is there and nothing was counted yet. */
export const orZero = (expr: Expr): Expr => or(expr, times(aliveCount(), 0));
