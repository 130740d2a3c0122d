// What all dashboards share: variables, links, annotations, and how they become JSON.

import type * as cog from "@grafana/grafana-foundation-sdk/cog";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import { uidOf } from "./links.js";
import { ALERTS, INSTANCE, JOB } from "./server.js";
import { SeriesOf, oneOf } from "./series.js";
import { label, metric } from "./semconv.js";
import { DATASOURCE } from "./targets.js";

/** The series that the variables choose. */
const VARIABLES = {
  target: `${JOB}=~"$job", ${INSTANCE}=~"$instance"`,
  webview: oneOf("$webview"),
};

export const chosen = new SeriesOf(VARIABLES, {
  range: "$__rate_interval",
  seconds: "($__rate_interval_ms / 1000)",
});
/** The same over all of the time that is shown. */
export const shown = chosen.over({
  range: "$__range",
  seconds: "$__range_s",
  // The same 1.2 as for alerts: an app's first scrape comes some time after its start.
  youngS: "1.2 * $__range_s",
});
/** The same, and one value for all points of a chart: which are the busiest is to be the same for each. */
// `@ end()` fixes the evaluation to the end of the range, whatever point of the chart asks.
export const whole = chosen.over({ range: "$__range", at: "@ end()" });
/**
 * The same over the last minutes, as the alerts have it: for tables, and for charts of many instances.
 *
 * A percentile of a few messages is their maximum, and `$__rate_interval` may be 4 s.
 */
export const recent = chosen.over({ range: "5m", seconds: "300", youngS: "360", restarts: "newest" });

export type Panel = cog.Builder<dashboard.Panel>;

/** A row's title and its panels. */
export type Row = readonly [title: string, ...panels: Panel[]];

export interface Board {
  /** The end of its uid and its file's name. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
  /** How far back it looks at first, and how often it looks again. */
  readonly from?: string;
  readonly refresh?: string;
}

export function build(board: Board): dashboard.Dashboard {
  const builder = new dashboard.DashboardBuilder(board.title)
    .uid(uidOf(board.name))
    .description(board.description)
    .tags([TAG])
    // The files are the source: a change in Grafana would be lost when they are loaded again.
    .readonly()
    // An app runs on a user's machine, so the dashboard shows the viewer's time zone.
    .timezone("browser")
    .time({ from: board.from ?? "now-1h", to: "now" })
    // Grafana refuses less than 5 s unless `min_refresh_interval` says so: the README names the
    // variable.
    .refresh(board.refresh ?? "10s")
    .timepicker(new dashboard.TimePickerBuilder().refreshIntervals(REFRESH_INTERVALS))
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .variables(variables())
    .links(links())
    .annotation(alerts())
    .annotation(starts());
  for (const [title, ...panels] of board.rows) {
    builder.withRow(new dashboard.RowBuilder(title));
    panels.forEach((panel) => builder.withPanel(panel));
  }
  const built = builder.build();
  built.panels?.forEach((panel, place) => {
    // The SDK gives no ids, and a link to a panel names its id.
    panel.id = place + 1;
  });
  removeForeign(built);
  return built;
}

/**
 * Takes out what the SDK's builders put in by themselves and Grafana's schema does not have there, or
 * takes for a choice: a `placement` hides the links in a menu.
 */
function removeForeign(built: dashboard.Dashboard): void {
  const without = (of: object | undefined, ...names: readonly string[]): void => {
    // By `Reflect`, since the SDK's types do not have the fields that its builders write.
    names.forEach((name) => Reflect.deleteProperty(of ?? {}, name));
  };
  built.templating?.list?.forEach((of) => without(of, "auto", "auto_min", "auto_count"));
  built.annotations?.list?.forEach((of) => without(of, "placement"));
  built.links?.forEach((of) => without(of, "placement"));
  for (const panel of built.panels ?? []) {
    if ("links" in panel) {
      panel.links?.forEach((of) => without(of, "placement"));
    }
    if (panel.type === "table" && "options" in panel) {
      without(panel.options as object, "footer");
    }
  }
}

const TAG = "spanwire";
const REFRESH_INTERVALS = ["1s", "5s", "10s", "30s", "1m", "5m", "15m", "1h"];

/** A gauge that each app has; and one that each webview has. */
const APP = metric("spanwire.error_rate.threshold").prometheus;
const WEBVIEW = metric("spanwire.page.state").prometheus;

function variables(): cog.Builder<dashboard.VariableModel>[] {
  const fromLabel = (name: string, title: string, query: string): dashboard.QueryVariableBuilder =>
    new dashboard.QueryVariableBuilder(name)
      .label(title)
      .query(query)
      .datasource(DATASOURCE)
      .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
      .sort(dashboard.VariableSort.AlphabeticalAsc)
      .multi(true)
      .includeAll(true)
      // One pattern: Grafana's own "All" is a list of all values, and with a fleet the query gets
      // very long.
      .allValue(".+")
      .current({ text: "All", value: "$__all" });
  return [
    new dashboard.DatasourceVariableBuilder("datasource")
      .label("Data source")
      .type(DATASOURCE.type),
    // In this order: each variable narrows those after it.
    fromLabel("job", "Job", `label_values(${APP}, ${JOB})`),
    fromLabel("instance", "Instance", `label_values(${APP}{${JOB}=~"$job"}, ${INSTANCE})`),
    fromLabel(
      "webview",
      "Webview",
      `label_values(${WEBVIEW}{${VARIABLES.target}}, ${label("spanwire.webview.name")})`,
    ),
  ];
}

/** `spanwire dashboards export --runbooks URL` adds one to the runbooks. */
function links(): cog.Builder<dashboard.DashboardLink>[] {
  return [
    new dashboard.DashboardLinkBuilder("Spanwire")
      .type(dashboard.DashboardLinkType.Dashboards)
      .tags([TAG])
      .includeVars(true)
      .tooltip("The other dashboards, with what is chosen here"),
  ];
}

/** Marks the times in which an alert fired. */
const alerts = (): dashboard.AnnotationQueryBuilder =>
  annotation({
    name: "Alerts",
    expr: `${ALERTS}{alertname=~"Spanwire.+", alertstate="firing", ${JOB}=~"$job"}`,
    color: "red",
    title: "{{alertname}}",
    tags: "severity,instance",
  });

/** Marks the starts of apps: what a chart shows before one is another process's. */
const starts = (): dashboard.AnnotationQueryBuilder =>
  annotation({
    name: "Starts",
    expr: `${chosen.gauge("process.uptime").text} < ${STARTED_S}`,
    color: "blue",
    title: "{{instance}} started",
    tags: "job,instance",
  });

/** A start is seen as long as Prometheus scrapes no less often than this. */
const STARTED_S = 15;

interface Annotation {
  readonly name: string;
  readonly expr: string;
  readonly color: string;
  readonly title: string;
  /** Labels that become tags. */
  readonly tags: string;
}

const annotation = ({ name, expr, color, title, tags }: Annotation): dashboard.AnnotationQueryBuilder =>
  new dashboard.AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor(color)
    .expr(expr)
    .step("10s")
    .titleFormat(title)
    .tagKeys(tags)
    .target(new prometheus.DataqueryBuilder().expr(expr).refId(name).datasource(DATASOURCE).range());
