// How the page and the UI thread do: what more than one dashboard shows of them.

import type * as stat from "@grafana/grafana-foundation-sdk/stat";
import type * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";
import { chosen, shown } from "./board.js";
import { FELT_S } from "./findings/thresholds.js";
import type { Next } from "./links.js";
import { card, chart, graded, NOTHING, RED, YELLOW } from "./panels.js";
import { aggregate, call, seen, sum, times, type Expr } from "./promql.js";
import { label } from "./semconv.js";
import { TARGET } from "./server.js";
import type { SeriesOf } from "./series.js";
import { beyond, SLOW_THRESHOLD } from "./shared.js";
import { target } from "./targets.js";
import { ERRORS_PER_S, MESSAGES } from "./units.js";

export const DELIVERY = "spanwire.ipc.delivery.duration";
export const HANDLER = "spanwire.ipc.handler.duration";
export const PROCESS = "spanwire.ipc.process.duration";
export const TRANSIT = "spanwire.ipc.transit.duration";
export const QUEUE_WAIT = "spanwire.queue.wait.duration";
export const DELAY = "spanwire.main_thread.delay";

export const EVENT = label("spanwire.ipc.event");
export const WEBVIEW = label("spanwire.webview.name");
const ERROR = label("error.type");

/**
 * The share of the time that the page's own code is at work on messages. What ends in a second may have
 * begun in the one before, so it can be more than all of it.
 */
export const pageBusy = (of: SeriesOf, ...by: readonly string[]): Expr =>
  call("clamp_max", sum(of.rate(PROCESS, {}, "_sum"), ...by), 1);

/** The share of the time in which the page's thread did one thing for 50 ms or longer, whatever it was. */
export const pageInLongTasks = (of: SeriesOf, ...by: readonly string[]): Expr =>
  call("clamp_max", sum(of.rate("spanwire.page.long_task.duration", {}, "_sum"), ...by), 1);

/** That of the busiest page, since each has a thread of its own. */
export const busiestPage = (of: SeriesOf): Expr =>
  aggregate("max", [], pageBusy(of, ...TARGET, WEBVIEW));

/** What pages report, and a question that the panel leads to. */
export function pageErrorsChart(next: readonly Next[] = []): timeseries.PanelBuilder {
  return chart({
    title: "Page errors by type",
    description:
      "What the page reported per second: errors of its listeners, by event, uncaught ones, rejections without a handler; and its breaches of the wire's rules.",
    unit: ERRORS_PER_S,
    bad: true,
    width: 12,
    bars: true,
    stacked: true,
    none: NOTHING,
    targets: [target(`{{${ERROR}}} {{${EVENT}}}`, sum(chosen.grownRate("spanwire.page.errors"), ERROR, EVENT))],
    next,
  });
}

interface Card {
  readonly width: number;
  readonly next?: readonly Next[];
}

export function deliveryCard({ width, next = [] }: Card): stat.PanelBuilder {
  const slow = chosen.threshold(SLOW_THRESHOLD);
  return graded({
    title: "Delivery p99",
    description: `99 of 100 messages to the page were acknowledged within this time, in the time shown, and of how many messages that is: of fewer than 100 it is the slowest one. Yellow from half of the slow threshold in force (SPANWIRE_IPC_SLOW_THRESHOLD_MS), red above it.`,
    unit: "s",
    width,
    value: shown.quantile(0.99, DELIVERY),
    legend: "p99",
    best: "low",
    yellow: times(slow, 0.5),
    red: slow,
    none: "no messages",
    words: [beyond(DELIVERY)],
    of: { legend: "of", expr: sum(shown.increase(DELIVERY, {}, "_count")), unit: MESSAGES },
    next,
  });
}

export function pageBusyCard({ width, next = [] }: Card): stat.PanelBuilder {
  return card({
    title: "Page busy",
    description:
      "Share of the time that the busiest page's own code is at work on messages. What else keeps its thread, such as painting and timers, is not in it.",
    unit: "percentunit",
    decimals: 1,
    width,
    targets: [target("busy", busiestPage(chosen))],
    steps: [
      [0.3, YELLOW],
      [0.6, RED],
    ],
    none: "no messages",
    next,
  });
}

export function delayCard({ width, next = [] }: Card): stat.PanelBuilder {
  return card({
    title: "UI delay p95",
    description:
      "95 of 100 wakes of the UI thread waited no longer than this in the time shown. Above 100 ms the window reacts late, and so does what is sent to the page.",
    unit: "s",
    width,
    still: true,
    targets: [target("p95", seen(shown.quantile(0.95, DELAY)))],
    words: [beyond(DELAY)],
    steps: [
      [FELT_S / 2, YELLOW],
      [FELT_S, RED],
    ],
    none: "no wakes",
    next,
  });
}
