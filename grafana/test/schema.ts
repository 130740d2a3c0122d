// What a dashboard's JSON may be, by Grafana's own schema.
//
// Grafana's types are for its code: their values are members of enumerations, and some of them are
// loose. `Json` makes the text of each member of them. What is loose there is bound here:
//
// - `options` and `fieldConfig.defaults.custom` are records of anything: each kind of panel has its own.
// - `targets` and an annotation's `target` are records of anything: the schema has no query of Prometheus.
// - Properties of overrides and options of transformations are `unknown`: they stay so.

import type { AxisConfig, GraphFieldConfig, TableFieldOptions } from "@grafana/schema";
import type * as raw from "@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen";
import type * as heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as timeline from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/** A type as JSON has it: members of enumerations are their values. */
export type Json<T> = T extends string
  ? `${T}`
  : T extends number
    ? `${T}` extends `${infer Value extends number}`
      ? Value
      : never
    : T extends readonly (infer Item)[]
      ? Json<Item>[]
      : T extends object
        ? { [Key in keyof T]: Json<T[Key]> }
        : T;

/** The data source that the variable chooses. */
interface Datasource {
  type: "prometheus";
  uid: "${datasource}";
}

/** A query of Prometheus'. Grafana's package of its type has another licence than the schema. */
export interface Query {
  refId: string;
  expr: string;
  datasource: Datasource;
  legendFormat: string;
  editorMode: "code";
  format: "time_series" | "table" | "heatmap";
  range: boolean;
  instant: boolean;
  exemplar?: boolean;
}

type PanelOf<Type extends string, Options, Custom> = Omit<
  Json<raw.Panel>,
  "type" | "options" | "fieldConfig" | "targets" | "datasource"
> & {
  type: Type;
  datasource: Datasource;
  options: Json<Options>;
  targets: Query[];
  fieldConfig: Omit<Json<raw.FieldConfigSource>, "defaults"> & {
    defaults: Omit<Json<raw.FieldConfig>, "custom"> & { custom?: Partial<Json<Custom>> };
  };
};

type Panel =
  | PanelOf<"timeseries", timeseries.Options, GraphFieldConfig>
  | PanelOf<"stat", stat.Options, Record<string, never>>
  | PanelOf<"heatmap", heatmap.Options, heatmap.FieldConfig>
  | PanelOf<"state-timeline", timeline.Options, timeline.FieldConfig & AxisConfig>
  | PanelOf<"table", table.Options, TableFieldOptions>;

type Variable = Omit<Json<raw.VariableModel>, "datasource" | "current" | "type"> &
  (
    | { type: "datasource"; query: "prometheus" }
    | {
        type: "query";
        datasource: Datasource;
        // The schema takes any value; it is all of them here.
        current: { text: "All"; value: "$__all" };
      }
  );

/** With the fields that Prometheus' data source reads beside the schema's. */
type Annotation = Omit<Json<raw.AnnotationQuery>, "target" | "datasource" | "placement"> & {
  datasource: Datasource;
  expr: string;
  step: string;
  titleFormat: string;
  tagKeys: string;
  target: Pick<Query, "expr" | "refId" | "datasource" | "range" | "instant">;
};

export type Board = Omit<
  Json<raw.Dashboard>,
  "panels" | "templating" | "annotations" | "links" | "editable" | "uid"
> & {
  uid: `spanwire-${string}`;
  editable: false;
  /** Their only `placement` is a menu in which they are not seen. */
  links: Omit<Json<raw.DashboardLink>, "placement">[];
  panels: (Panel | Json<raw.RowPanel>)[];
  templating: { list: Variable[] };
  annotations: { list: Annotation[] };
};
