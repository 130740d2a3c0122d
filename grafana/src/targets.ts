// A panel's queries.

import type * as cog from "@grafana/grafana-foundation-sdk/cog";
import * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import type { Expr } from "./promql.js";

/** Grafana puts the data source here that the variable chooses. */
export const DATASOURCE = { type: "prometheus", uid: "${datasource}" };

export interface Target {
  readonly expr: Expr;
  /** What the series is called, with labels as `{{name}}`. */
  readonly legend: string;
  /** Asks for exemplars too: points that open their trace. Of a histogram's buckets alone. */
  readonly exemplars?: true;
}

export const target = (legend: string, expr: Expr): Target => ({ expr, legend });

/** The same with exemplars. */
export const traced = (legend: string, expr: Expr): Target => ({ expr, legend, exemplars: true });

/** How the answer comes: over the time range, now alone, or now alone as a table's rows. */
export type Shape = "range" | "instant" | "table" | "heatmap";

export function queries(targets: readonly Target[], shape: Shape): cog.Builder<cog.Dataquery>[] {
  return targets.map(({ expr, legend, exemplars }, place) => {
    // At build time: a mistake in a legend would show in Grafana alone.
    expr.need([...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label ?? ""));
    const query = new prometheus.DataqueryBuilder()
      .expr(expr.text)
      .legendFormat(legend)
      .datasource(DATASOURCE)
      .refId(refId(place))
      // Grafana's visual editor cannot show most of these expressions.
      .editorMode(prometheus.QueryEditorMode.Code);
    if (exemplars) {
      query.exemplar(true);
    }
    switch (shape) {
      case "range":
        return query.range().format(prometheus.PromQueryFormat.TimeSeries);
      case "heatmap":
        return query.range().format(prometheus.PromQueryFormat.Heatmap);
      case "instant":
        return query.instant().format(prometheus.PromQueryFormat.TimeSeries);
      case "table":
        return query.instant().format(prometheus.PromQueryFormat.Table);
    }
  });
}

export function refId(place: number): string {
  return String.fromCharCode("A".charCodeAt(0) + place);
}
