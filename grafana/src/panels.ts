// The kinds of panels, each with the look that all dashboards share.

import * as common from "@grafana/grafana-foundation-sdk/common";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import * as heatmap from "@grafana/grafana-foundation-sdk/heatmap";
import * as stat from "@grafana/grafana-foundation-sdk/stat";
import * as statetimeline from "@grafana/grafana-foundation-sdk/statetimeline";
import * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";
import { above, binary, type Expr } from "./promql.js";
import { COUNTED } from "./units.js";
import { linksOf, type Next } from "./links.js";
import { DATASOURCE, queries, refId, target, type Target } from "./targets.js";

/** What every panel says about itself. */
export interface About {
  readonly title: string;
  readonly description: string;
  /** One of Grafana's units. */
  readonly unit: string;
  /** In columns, of 24. */
  readonly width: number;
  readonly decimals?: number;
  /** The questions that it raises, and which dashboard answers them. */
  readonly next?: readonly Next[];
}

export const GREEN = "green";
export const YELLOW = "yellow";
export const RED = "red";
export const ORANGE = "orange";
export const BLUE = "blue";
export const PURPLE = "purple";
/** One that is legible on dark and on light. */
const GREY = "#6e7681";

/** From which value on it has which colour; below the first it is green. */
export type Steps = readonly (readonly [number, string])[];

function steps(above: Steps): dashboard.ThresholdsConfigBuilder {
  const all = above.map(([value, color]) => ({ value, color }));
  return new dashboard.ThresholdsConfigBuilder()
    .mode(dashboard.ThresholdsMode.Absolute)
    // `null` is Grafana's minus infinity: the first step must begin there.
    .steps([{ value: null, color: GREEN }, ...all]);
}

/** Not "no failures": where there is no app nothing is counted either. */
export const NOTHING = "nothing counted";
/** Values are gauges, and each app has them from its start. */
const NO_VALUES = "no values";

/** Patterns of legends, and the colour of series that they fit. */
export type Colors = readonly (readonly [legends: string, color: string])[];

export interface Chart extends About {
  readonly targets: readonly Target[];
  readonly stacked?: true;
  readonly bars?: true;
  /** Lines alone, where all of them are mostly at the top. */
  readonly bare?: true;
  readonly max?: number;
  readonly height?: number;
  /** Series, by their legends, on an axis of their own at the right. */
  readonly right?: { readonly legends: string; readonly unit: string };
  /** Series, by their legends, whose colour means something; the others get what is left. */
  readonly colors?: Colors;
  /** Every series is something bad: all are shades of red. */
  readonly bad?: true;
  /** What it shows when there is nothing to show. */
  readonly none?: string;
  /** The series, by its legend, that the others are compared with. */
  readonly reference?: { readonly legend: string; readonly color: string };
}

/** Values over time. */
export function chart(of: Chart): timeseries.PanelBuilder {
  const panel = new timeseries.PanelBuilder()
    .title(of.title)
    .description(of.description)
    .datasource(DATASOURCE)
    .unit(of.unit)
    .min(0)
    .span(of.width)
    .height(of.height ?? CHART_HEIGHT)
    .targets(queries(of.targets, "range"))
    .drawStyle(of.bars ? common.GraphDrawStyle.Bars : common.GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(of.bare ? 0 : of.stacked || of.bars ? 40 : 8)
    // Without its point a value alone between two gaps does not show at all.
    .showPoints(common.VisibilityMode.Auto)
    .pointSize(4)
    .noValue(of.none ?? (of.bars ? NOTHING : NO_VALUES))
    // Not by name: that takes a colour by the name's hash out of 46, so that two of three look alike,
    // and what was dropped may be green; and Grafana 10.0 gives all series the same.
    .colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.PaletteClassic))
    .legend(isWide(of) ? legendBeside() : legendBeneath())
    .tooltip(
      new common.VizTooltipOptionsBuilder()
        .mode(common.TooltipDisplayMode.Multi)
        .sort(common.SortOrder.Descending),
    );
  if (of.decimals !== undefined) {
    panel.decimals(of.decimals);
  }
  if (of.max !== undefined) {
    panel.max(of.max);
  }
  // Grafana's axis for zeros alone goes up to 100.
  if (of.unit === "none") {
    panel.axisSoftMax(5);
  } else if (of.unit.startsWith(COUNTED)) {
    panel.axisSoftMax(1);
  }
  if (of.next) {
    panel.links(linksOf(of.next));
  }
  if (of.bad) {
    panel.overrideByRegexp("/.*/", [{ id: "color", value: { mode: "shades", fixedColor: RED } }]);
  }
  for (const [legends, color] of of.colors ?? []) {
    panel.overrideByRegexp(legends, [{ id: "color", value: { mode: "fixed", fixedColor: color } }]);
  }
  if (of.stacked) {
    panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group("A"));
  }
  if (of.right) {
    panel.overrideByRegexp(of.right.legends, [
      { id: "custom.axisPlacement", value: common.AxisPlacement.Right },
      { id: "custom.fillOpacity", value: 0 },
      { id: "unit", value: of.right.unit },
    ]);
  }
  if (of.reference) {
    panel.overrideByName(of.reference.legend, [
      { id: "custom.lineStyle", value: { fill: "dash", dash: [10, 10] } },
      { id: "custom.fillOpacity", value: 0 },
      // A reference that is stacked upon the others would show their sum.
      { id: "custom.stacking", value: { mode: "none", group: "A" } },
      { id: "color", value: { mode: "fixed", fixedColor: of.reference.color } },
    ]);
  }
  return panel;
}

/** In half of the width there is room for a legend beside the chart. */
const isWide = ({ width }: Chart): boolean => width >= 12;

const legendBeside = (): common.VizLegendOptionsBuilder =>
  new common.VizLegendOptionsBuilder()
    .displayMode(common.LegendDisplayMode.Table)
    .placement(common.LegendPlacement.Right)
    .showLegend(true)
    .calcs(["lastNotNull", "max"]);

/** Names alone: Grafana gives it a third of the height, in which a table of four rows is cut. */
const legendBeneath = (): common.VizLegendOptionsBuilder =>
  new common.VizLegendOptionsBuilder()
    .displayMode(common.LegendDisplayMode.List)
    .placement(common.LegendPlacement.Bottom)
    .showLegend(true)
    .calcs([]);

export interface Card extends About {
  readonly targets: readonly Target[];
  readonly steps?: Steps;
  readonly max?: number;
  /** What it shows when there is nothing to show. */
  readonly none?: string;
  /** Asked for at one time: over a time it would be computed for each point. */
  readonly still?: true;
  /** The series' names beside the values. */
  readonly named?: true;
  /** Texts that values stand for. */
  readonly words?: Words;
}

export type Words = readonly (readonly [value: number, text: string])[];

export const wordsFor = (words: Words): dashboard.ValueMapping =>
  valueToText(words.map(([value, text]) => [value, { text }]));

/** Each with the text, and the colour, that is shown instead of it. */
function valueToText(
  values: readonly (readonly [value: number, shown: { text: string; color?: string }])[],
): dashboard.ValueMapping {
  // The index orders the mappings in Grafana's editor.
  const options = values.map(([value, shown], index) => [String(value), { ...shown, index }] as const);
  return {
    type: dashboard.MappingType.ValueToText,
    options: Object.fromEntries(options),
  } as dashboard.ValueMapping;
}

/**
 * One value, large. With steps it has a verdict, and its colour is behind it; without it has none.
 *
 * There is no line of how it went: in so low a panel it is behind the number, which is then hard to read.
 */
export function card(of: Card): stat.PanelBuilder {
  const isVerdict = of.steps !== undefined;
  const panel = bigValue(of)
    .targets(queries(of.targets, of.still ? "instant" : "range"))
    .graphMode(common.BigValueGraphMode.None)
    .colorMode(isVerdict ? common.BigValueColorMode.Background : common.BigValueColorMode.Value)
    .thresholds(steps(of.steps ?? []));
  if (isVerdict) {
    panel.colorScheme(new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Thresholds));
  } else {
    panel.colorScheme(fixedColor(NEUTRAL));
  }
  if (of.named) {
    panel.textMode(common.BigValueTextMode.ValueAndName);
  }
  if (of.words) {
    panel.mappings([wordsFor(of.words)]);
  }
  return panel;
}

const fixedColor = (color: string): dashboard.FieldColorBuilder =>
  new dashboard.FieldColorBuilder().mode(dashboard.FieldColorModeId.Fixed).fixedColor(color);
/** The colour of what is neither well nor ill. */
const NEUTRAL = "text";

export interface Graded extends About {
  readonly value: Expr;
  readonly legend: string;
  /** Whether more is better or worse. */
  readonly best: "high" | "low";
  /** What it is worse than when it is yellow, and when it is red. */
  readonly yellow: Expr;
  readonly red: Expr;
  readonly max?: number;
  readonly none?: string;
  /** Texts that values stand for. */
  readonly words?: Words;
  /** How many the value is of, which says how much it is worth. */
  readonly of?: { readonly legend: string; readonly expr: Expr; readonly unit: string };
}

/**
 * One value whose colour depends on another series, such as the threshold in force.
 *
 * Grafana's own thresholds are constants. So there is a query for each colour, of which one has an
 * answer.
 */
export function graded(of: Graded): stat.PanelBuilder {
  const { value, legend, best, yellow, red } = of;
  // Several series would need a colour each, and one query may have an answer for one and not for
  // another.
  if (value.labels.size > 0) {
    throw new Error(`${of.title}: a graded card has one value`);
  }
  const worse = best === "high" ? "<" : ">";
  const notWorse = best === "high" ? ">=" : "<=";
  // At most one of the three has an answer: together they cover all values, and none twice.
  const targets = [
    target(legend, binary(value, notWorse, yellow)),
    target(legend, binary(binary(value, worse, yellow), notWorse, red)),
    target(legend, binary(value, worse, red)),
  ];
  if (of.of) {
    // Nothing while nothing was counted: then the card shows its text alone.
    targets.push(target(of.of.legend, above(of.of.expr, 0)));
  }
  const panel = bigValue(of)
    .targets(queries(targets, "instant"))
    .graphMode(common.BigValueGraphMode.None)
    // Without an answer it is neither well nor ill.
    .colorScheme(fixedColor(GREY));
  if (of.of) {
    panel.textMode(common.BigValueTextMode.ValueAndName);
    panel.overrideByQuery(refId(targets.length - 1), [
      { id: "unit", value: of.of.unit },
      { id: "decimals", value: 0 },
    ]);
  }
  [GREEN, YELLOW, RED].forEach((color, place) => {
    panel.overrideByQuery(refId(place), [
      { id: "color", value: { mode: "fixed", fixedColor: color } },
      ...(of.words ? [{ id: "mappings", value: [wordsFor(of.words)] }] : []),
    ]);
  });
  return panel;
}

function bigValue(of: About & { readonly max?: number; readonly none?: string }): stat.PanelBuilder {
  const panel = new stat.PanelBuilder()
    .title(of.title)
    .description(of.description)
    .datasource(DATASOURCE)
    .unit(of.unit)
    .min(0)
    .span(of.width)
    .height(CARD_HEIGHT)
    .noValue(of.none ?? "none")
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]).values(false))
    .colorMode(common.BigValueColorMode.Background)
    .textMode(common.BigValueTextMode.Value)
    .justifyMode(common.BigValueJustifyMode.Auto);
  if (of.decimals !== undefined) {
    panel.decimals(of.decimals);
  }
  if (of.max !== undefined) {
    panel.max(of.max);
  }
  if (of.next) {
    panel.links(linksOf(of.next));
  }
  return panel;
}

export interface Heat extends About {
  /** Buckets per second, by `le`. */
  readonly buckets: Expr;
  /** The unit of what is in a bucket. */
  readonly cells: string;
}

/** How many took how long, over time; with exemplars, which open their trace. */
export function heat(of: Heat): heatmap.PanelBuilder {
  return new heatmap.PanelBuilder()
    .title(of.title)
    .description(of.description)
    .datasource(DATASOURCE)
    .unit(of.unit)
    .span(of.width)
    .height(CHART_HEIGHT)
    .targets(
      queries([{ expr: of.buckets, legend: "{{le}}", exemplars: true }], "heatmap"),
    )
    .noValue(NOTHING)
    .calculate(false)
    .color(
      new heatmap.HeatmapColorOptionsBuilder()
        .mode(heatmap.HeatmapColorMode.Scheme)
        .scheme("Spectral")
        .exponent(0.5)
        .steps(64),
    )
    .yAxis(new heatmap.YAxisConfigBuilder().unit(of.unit).axisPlacement(common.AxisPlacement.Left))
    .cellValues(new heatmap.CellValuesBuilder().unit(of.cells))
    // Grafana leaves out cells up to this value. An empty bucket is 0, and would be painted.
    .filterValues(new heatmap.FilterValueRangeBuilder().le(1e-9))
    .rowsFrame(new heatmap.RowsHeatmapOptionsBuilder().layout(common.HeatmapCellLayout.Auto))
    .showValue(common.VisibilityMode.Never)
    .tooltip(
      new heatmap.HeatmapTooltipBuilder()
        .mode(common.TooltipDisplayMode.Single)
        .yHistogram(true)
        .showColorScale(true),
    )
    // Faint, or the points hide the map where most traces are kept.
    .exemplarsColor("rgba(128,128,128,0.35)")
    .showLegend();
}

export interface Timeline extends About {
  readonly targets: readonly Target[];
  /** What each value means, from 0 on, and its colour. */
  readonly states: readonly (readonly [string, string])[];
}

/** States over time. */
export function timeline(of: Timeline): statetimeline.PanelBuilder {
  return new statetimeline.PanelBuilder()
    .title(of.title)
    .description(of.description)
    .datasource(DATASOURCE)
    .unit(of.unit)
    .span(of.width)
    .height(CHART_HEIGHT)
    .targets(queries(of.targets, "range"))
    .noValue(NO_VALUES)
    .mappings([valueToText(of.states.map(([text, color], value) => [value, { text, color }]))])
    .mergeValues(true)
    .showValue(common.VisibilityMode.Auto)
    .fillOpacity(70)
    .rowHeight(0.8);
}

export const CHART_HEIGHT = 8;
const CARD_HEIGHT = 4;
