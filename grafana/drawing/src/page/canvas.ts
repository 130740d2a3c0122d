// The two kinds of panels that Grafana keeps in its core, which is under the AGPL: a heat map and a time
// line, drawn anew on its Apache-licensed builder of charts.

import { type GrafanaTheme2, type TimeRange } from "@grafana/data";
import { AxisPlacement, GraphDrawStyle, ScaleDirection, ScaleOrientation } from "@grafana/schema";
import { UPlotConfigBuilder } from "@grafana/ui";
import type uPlot from "uplot";

export interface Canvas {
  readonly range: TimeRange;
  readonly theme: GrafanaTheme2;
  /** From 0 to this. */
  readonly yMax: number;
  /** Where the axis has its labels, and what they are. */
  readonly splits: readonly number[];
  readonly label: (value: number) => string;
  readonly axisSize: number;
  readonly draw: (plot: uPlot) => void;
}

export function canvasOf(of: Canvas): UPlotConfigBuilder {
  const { range, theme } = of;
  const builder = new UPlotConfigBuilder("utc");
  builder.addScale({
    scaleKey: "x",
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => [range.from.valueOf(), range.to.valueOf()],
  });
  builder.addAxis({ scaleKey: "x", isTime: true, placement: AxisPlacement.Bottom, timeZone: "utc", theme });
  builder.addScale({
    scaleKey: "y",
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Up,
    range: () => [0, of.yMax],
  });
  builder.addAxis({
    scaleKey: "y",
    placement: AxisPlacement.Left,
    theme,
    splits: () => [...of.splits],
    formatValue: (value) => of.label(value as number),
    grid: { show: false },
    size: of.axisSize,
  });
  // A series of nothing: a chart without one has no size.
  builder.addSeries({
    pathBuilder: () => null,
    scaleKey: "y",
    theme,
    show: true,
    drawStyle: GraphDrawStyle.Line,
    pxAlign: false,
  });
  builder.addHook("drawClear", (plot: uPlot) => {
    plot.ctx.save();
    of.draw(plot);
    plot.ctx.restore();
  });
  return builder;
}

/** The data of a chart that draws itself. */
export const nothing = (range: TimeRange): uPlot.AlignedData => [
  [range.from.valueOf(), range.to.valueOf()],
  [0, 0],
];
