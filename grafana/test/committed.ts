// The dashboards and rules as they are committed.

import { parse } from "yaml";
import { DASHBOARDS, list, read, RULES } from "../src/files.js";

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
  readonly exemplar?: boolean;
  readonly datasource?: { readonly uid: string };
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { x: number; y: number; w: number; h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: {
    readonly defaults?: {
      readonly unit?: string;
      readonly decimals?: number;
      readonly noValue?: string;
      readonly custom?: Readonly<Record<string, unknown>>;
      readonly color?: { readonly mode: string };
      readonly mappings?: readonly unknown[];
    };
  };
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly editable: boolean;
  readonly refresh: string;
  readonly time: { readonly from: string };
  readonly panels: readonly Panel[];
  readonly links: readonly { readonly tags: readonly string[] }[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] };
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly label: string;
  readonly query: string;
  readonly multi?: boolean;
  readonly includeAll?: boolean;
  readonly refresh?: number;
  readonly allValue?: string;
}

export const dashboards: readonly Dashboard[] = list(DASHBOARDS, ".json").map(
  (path) => JSON.parse(read(path)) as Dashboard,
);

/** The panels that show something: all but the heads of rows. */
export const panelsOf = (of: Dashboard): Panel[] =>
  of.panels.filter(({ type }) => type !== "row");

export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export const rules: readonly Rule[] = list(RULES, ".yml").flatMap((path) => {
  const file = parse(read(path)) as { groups: { rules: Rule[] }[] };
  return file.groups.flatMap((group) => group.rules);
});

export const alerts = rules.filter(({ alert }) => alert !== undefined);
