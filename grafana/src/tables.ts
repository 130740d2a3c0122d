// Tables: one row for each set of labels, one column for each query.

import * as common from "@grafana/grafana-foundation-sdk/common";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import * as table from "@grafana/grafana-foundation-sdk/table";
import { linksOf } from "./links.js";
import { wordsFor, type About, type Words } from "./panels.js";
import type { Expr } from "./promql.js";
import { DATASOURCE, queries, refId } from "./targets.js";

export interface Column {
  readonly name: string;
  readonly unit: string;
  readonly expr: Expr;
  readonly decimals?: number;
  /** Texts that values stand for. */
  readonly words?: Words;
}

export interface Table extends About {
  /** The labels that make a row, as Prometheus has them, with their titles. */
  readonly rows: Readonly<Record<string, string>>;
  readonly columns: readonly Column[];
  /** The column that it is sorted by, largest first. */
  readonly sortBy: string;
  readonly height?: number;
  /** What it shows when there is no row. */
  readonly none: string;
}

export function rows(of: Table): table.PanelBuilder {
  const labels = Object.keys(of.rows);
  for (const { expr } of of.columns) {
    expr.need(labels);
  }
  // An instant query has one time, which says nothing in a row.
  const hidden: Record<string, boolean> = { Time: true };
  // With several queries the answers are joined by their labels, and values are called by query.
  const valueName = (place: number): string =>
    of.columns.length > 1 ? `Value #${refId(place)}` : "Value";
  const names: Record<string, string> = { ...of.rows };
  const order: Record<string, number> = {};
  [...labels, ...of.columns.map((_, place) => valueName(place))].forEach((name, place) => {
    order[name] = place;
  });
  of.columns.forEach(({ name }, place) => {
    names[valueName(place)] = name;
  });
  const panel = new table.PanelBuilder()
    .title(of.title)
    .description(of.description)
    .datasource(DATASOURCE)
    .unit(of.unit)
    .span(of.width)
    .height(of.height ?? 10)
    .targets(
      queries(
        of.columns.map(({ name, expr }) => ({ legend: name, expr })),
        "table",
      ),
    )
    .transformations([
      // `merge` joins rows whose labels are equal. A label that is no row's title would keep them
      // apart.
      { id: "merge", options: {} },
      { id: "organize", options: { excludeByName: hidden, indexByName: order, renameByName: names } },
    ])
    .sortBy([new common.TableSortByFieldStateBuilder().displayName(of.sortBy).desc(true)])
    .filterable(true)
    // Or in a third of the page's width the values are out of sight.
    .minWidth(80)
    // Of a table without rows and of a value that a row lacks: Grafana has one text for both.
    .noValue(of.none)
    .colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Thresholds));
  if (of.next) {
    panel.links(linksOf(of.next));
  }
  for (const { name, unit, decimals, words } of of.columns) {
    panel.overrideByName(name, [
      { id: "unit", value: unit },
      { id: "noValue", value: NONE },
      { id: "mappings", value: [NOT_A_NUMBER, ...(words ? [wordsFor(words)] : [])] },
      ...(decimals === undefined ? [] : [{ id: "decimals", value: decimals }]),
    ]);
  }
  return panel;
}

const NONE = "–";
/** A percentile of nothing. Of values alone: Grafana takes a text for one, too. */
const NOT_A_NUMBER = {
  type: dashboard.MappingType.SpecialValue,
  options: { match: dashboard.SpecialValueMatch.NullAndNan, result: { text: NONE } },
};
