// The rules that every dashboard keeps, each as a function that says what breaks it. They are those of
// Grafana's dashboard-linter that matter here, and stricter ones of ours; the linter itself brings in
// modules whose licence is not for this repository's builds.

import type { Dashboard, Panel } from "./committed.js";
import { panelsOf } from "./committed.js";
import { instruments, known } from "./names.js";
import { readExpr } from "./promql.js";

/** What breaks the rule in a dashboard. */
export type Rule = (of: Dashboard) => string[];

/** What a rule says of each panel, after the panel's title. */
const ofPanels =
  (check: (panel: Panel) => string[]): Rule =>
  (of) =>
    panelsOf(of).flatMap((panel) => check(panel).map((what) => `${panel.title}: ${what}`));

/** What a rule says of each expression of each panel. */
const ofExprs = (check: (expr: string) => string[]): Rule =>
  ofPanels(({ targets }) => (targets ?? []).flatMap(({ refId, expr }) => check(expr).map((what) => `${refId}: ${what}`)));

const DATASOURCE = "${datasource}";

/**
 * Counters that are read as they are. What they are is how long the process has run; their only uses
 * are `x unless x offset …`, which is the first value of a new series, since `increase` shows 0 for a
 * single failure whose series did not exist before it, `x - x offset …` of one process, and `x and on (job, instance) (uptime < …)`,
 * which is all that a young process counted. See `grown` in `src/series.ts`.
 */
export function countersAsTheyAre(expr: string): string[] {
  const rest = expr
    .replaceAll(/\s+/g, " ")
    .replaceAll(/(rate|increase)\((\w+(\{[^}]*\})?)\[[^\]]*\]( @ end\(\)| offset \S+?)?\)/g, "")
    .replaceAll(/(\w+(?:\{[^}]*\})?) (?:unless|-) \1 offset \S+/g, "")
    .replaceAll(/\w+(?:\{[^}]*\})? and on \(job, instance\) \( ?process_uptime_seconds/g, "(process_uptime_seconds");
  return readExpr(rest).selectors.flatMap(({ metric }) => {
    const instrument = instruments.get(metric);
    return instrument === undefined || instrument === "gauge" ? [] : [`${metric} as it is`];
  });
}

/** How a panel says over which time it looks back. */
const SAID: ReadonlyMap<string, RegExp> = new Map([
  ["$__range", /\btime shown\b/],
  ["1m", /\blast minute\b/],
  ["5m", /\b5 minutes\b/],
  ["1h", /\bhour\b/],
]);

/** By what they hold. */
export const LINT: Readonly<Record<string, Rule>> = {
  "the dashboard cannot be edited": ({ editable }) => (editable === false ? [] : ["editable"]),

  "the data source is the variable's everywhere": (of) => {
    const named = [...JSON.stringify(of).matchAll(/"uid":"([^"]*)"/g)].map(([, uid]) => uid ?? "");
    const others = named.filter((uid) => uid !== DATASOURCE && uid !== of.uid);
    return [
      ...others,
      ...ofPanels(({ datasource, targets }) => [
        ...(datasource?.uid === DATASOURCE ? [] : ["the panel names none"]),
        ...(targets ?? [])
          .filter((target) => target.datasource?.uid !== DATASOURCE)
          .map(({ refId }) => `${refId} names none`),
      ])(of),
    ];
  },

  "the variables choose the data source, the job, the instance and the webview": (of) => {
    const [source, ...others] = of.templating.list;
    const names = of.templating.list.map(({ name }) => name).join();
    return [
      ...(names === "datasource,job,instance,webview" ? [] : [`variables ${names}`]),
      ...(source?.type === "datasource" && source.query === "prometheus" ? [] : ["no data source"]),
      ...of.templating.list.filter(({ label }) => !label).map(({ name }) => `${name} has no label`),
      ...others.flatMap(({ name, type, query, multi, includeAll, allValue, refresh }) => [
        ...(type === "query" && /^label_values\(/.test(query) ? [] : [`${name} asks for no label`]),
        ...(multi && includeAll && allValue === ".+" ? [] : [`${name} does not take all`]),
        // A series that began after the page was opened is offered too.
        ...(refresh === 2 ? [] : [`${name} is not read again when the time changes`]),
      ]),
    ];
  },

  "a panel has a title, a description and a unit": ofPanels((panel) => [
    ...(panel.title ? [] : [`panel ${panel.id} has no title`]),
    ...((panel.description ?? "").endsWith(".") ? [] : ["no description that is a sentence"]),
    ...(panel.fieldConfig?.defaults?.unit ? [] : ["no unit"]),
  ]),

  "a panel has queries, and each a legend": ofPanels(({ targets }) => [
    ...((targets ?? []).length > 0 ? [] : ["no query"]),
    ...(targets ?? [])
      .filter(({ legendFormat }) => !legendFormat)
      .map(({ refId }) => `${refId} has no legend`),
  ]),

  "a query keeps to the job, the instance and the webview that are chosen": ofExprs((expr) =>
    readExpr(expr).selectors.flatMap(({ metric, matchers }) => {
      const chosen = (label: string): string =>
        matchers
          .filter((matcher) => matcher.label === label)
          .map(({ operator, value }) => `${operator}${value}`)
          .join();
      const hasWebview = known.get(metric)?.has("spanwire_webview_name") ?? false;
      return [
        ...(chosen("job") === "=~$job" ? [] : [`${metric} of any job`]),
        ...(chosen("instance") === "=~$instance" ? [] : [`${metric} of any instance`]),
        ...(hasWebview && chosen("spanwire_webview_name") === "" ? [`${metric} of any webview`] : []),
      ];
    }),
  ),

  "a rate or an increase is over $__rate_interval, or over the time that the panel says": ofPanels(
    ({ targets, description = "" }) => {
      const takes = (name: string, range: string): boolean =>
        range === "$__rate_interval" ||
        (["rate", "increase"].includes(name) && (SAID.get(range)?.test(description) ?? false));
      return (targets ?? []).flatMap(({ refId, expr }) =>
        [...expr.matchAll(/\b(i?rate|i?delta|increase)\([^[]*\[([^\]]*)\]/g)]
          .filter(([, name = "", range = ""]) => !takes(name, range))
          .map(([, name, range]) => `${refId}: ${name} over ${range}`),
      );
    },
  ),

  "a panel that has nothing to show says what that means": ofPanels(({ fieldConfig }) =>
    fieldConfig?.defaults?.noValue ? [] : ["no text for no data"],
  ),

  "a chart's counts are per second: an increase's windows overlap, and a burst would count several times": ofPanels(
    ({ type, targets }) =>
      (targets ?? [])
        // A share of two increases is none.
        .filter(({ expr }) => type === "timeseries" && !/clamp_min/.test(expr))
        .filter(({ expr }) => /increase\([^[]*\[\$__rate_interval\]/.test(expr))
        .map(({ refId }) => `${refId}: an increase over $__rate_interval`),
  ),

  "a share has decimals, or Grafana shows 1.000%": ofPanels(({ type, fieldConfig }) =>
    type !== "table" &&
    fieldConfig?.defaults?.unit === "percentunit" &&
    fieldConfig.defaults.decimals === undefined
      ? ["no decimals"]
      : [],
  ),

  "a point alone shows: no chart hides its points": ofPanels(({ type, fieldConfig }) =>
    type === "timeseries" && fieldConfig?.defaults?.custom?.["showPoints"] === "never" ? ["it hides points"] : [],
  ),

  "a column of quantiles has no value that is not a number, which no order has": ofPanels(({ type, targets }) =>
    type !== "table"
      ? []
      : (targets ?? [])
          .filter(({ expr }) => /histogram_quantile/.test(expr) && !/>= 0/.test(expr))
          .map(({ refId }) => `${refId} may be NaN`),
  ),

  "a quantile in a card or a table is over minutes: of a few messages it is their maximum": ofPanels(
    ({ type, targets }) =>
      (targets ?? [])
        .filter(({ expr }) => ["stat", "table"].includes(type) && /histogram_quantile/.test(expr))
        .filter(({ expr }) => /\$__rate_interval\b/.test(expr))
        .map(({ refId }) => `${refId} is over seconds`),
  ),

  "a counter is read as an increase": ofExprs(countersAsTheyAre),
};
