// A dashboard with the answers to all of its queries.

import { filledIn, gridOf, stepOf } from "./interval.js";
import type { Answer, Answered, Dashboard, Panel, Sheet, Target } from "./model.js";
import type { Prometheus } from "./prometheus.js";

export interface Shown {
  readonly fromS: number;
  readonly toS: number;
  /** Pixels of the window. */
  readonly width: number;
  /** At which interval Prometheus scrapes. */
  readonly scrapeS: number;
}

/** Grafana's columns. */
const COLUMNS = 24;
/** What is beside the panels, and beside the chart in a panel, in pixels. */
export const MARGIN = 32;
const PADDING = 24;

export async function sheetOf(dashboard: Dashboard, prometheus: Prometheus, shown: Shown): Promise<Sheet> {
  const panels = await Promise.all(dashboard.panels.map((panel) => answered(panel, prometheus, shown)));
  return {
    title: dashboard.title,
    variables: dashboard.templating.list.map(
      ({ label, type }) => `${label}: ${type === "datasource" ? "Prometheus" : "All"}`,
    ),
    panels,
    fromS: shown.fromS,
    toS: shown.toS,
    width: shown.width,
  };
}

async function answered(panel: Panel, prometheus: Prometheus, shown: Shown): Promise<Answered> {
  const points = (panel.gridPos.w / COLUMNS) * (shown.width - MARGIN) - PADDING;
  const stepS = stepOf(shown.toS - shown.fromS, points, shown.scrapeS);
  const answers = (panel.targets ?? []).map((target) => answerTo(target, prometheus, shown, stepS));
  return { panel, answers: await Promise.all(answers), stepS };
}

async function answerTo(
  target: Target,
  prometheus: Prometheus,
  { fromS, toS, scrapeS }: Shown,
  stepS: number,
): Promise<Answer> {
  const query = filledIn(target.expr, toS - fromS, stepS, scrapeS);
  const [series, exemplars] = await Promise.all([
    target.instant ? prometheus.instant(query, toS) : prometheus.range(query, gridOf(fromS, toS, stepS), stepS),
    target.exemplar ? prometheus.exemplars(query, fromS, toS) : [],
  ]);
  return { target, series, exemplars };
}
