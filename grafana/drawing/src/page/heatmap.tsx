import { formattedValueToString, getValueFormat, type GrafanaTheme2 } from "@grafana/data";
import { UPlotChart } from "@grafana/ui";
import { interpolateSpectral } from "d3-scale-chromatic";
import { exemplarsOf } from "./exemplars";
import { canvasOf, nothing } from "./canvas";
import { numberOf } from "./frames";
import { NoData, type PanelProps } from "./panel";

const LEGEND_HEIGHT = 40;
const ROW_HEIGHT = 18;

interface Cell {
  readonly timeS: number;
  readonly bucket: number;
  readonly count: number;
}

/** Buckets are cumulative; a cell is what is in one and not in the one below. */
function cellsOf(buckets: readonly { readonly counts: ReadonlyMap<number, number> }[]): Cell[] {
  const times = [...new Set(buckets.flatMap(({ counts }) => [...counts.keys()]))].sort((a, b) => a - b);
  return times.flatMap((timeS) =>
    buckets.flatMap(({ counts }, bucket) => {
      const below = bucket > 0 ? (buckets[bucket - 1]!.counts.get(timeS) ?? 0) : 0;
      const count = (counts.get(timeS) ?? 0) - below;
      return count > 1e-9 ? [{ timeS, bucket, count }] : [];
    }),
  );
}

export function Heatmap({ of, width, height, range, theme }: PanelProps) {
  const { panel, answers, stepS } = of;
  const buckets = (answers[0]?.series ?? [])
    .map(({ metric, values }) => ({
      bound: numberOf(metric["le"] ?? ""),
      counts: new Map((values ?? []).map(([timeS, value]) => [timeS, Number(value)])),
    }))
    .sort((a, b) => a.bound - b.bound);
  const cells = cellsOf(buckets);
  if (cells.length === 0) {
    return <NoData panel={panel} theme={theme} />;
  }
  const most = Math.max(...cells.map(({ count }) => count));
  const color = colors(panel.options.color, most, theme);
  const format = getValueFormat(panel.options.yAxis.unit);
  const names = buckets.map(({ bound }) => (bound === Infinity ? "+Inf" : formattedValueToString(format(bound))));
  const every = Math.ceil(buckets.length / Math.max(2, Math.floor((height - LEGEND_HEIGHT) / ROW_HEIGHT)));
  const points = exemplarsOf(of);
  const config = canvasOf({
    range,
    theme,
    yMax: buckets.length,
    splits: buckets.map((_, place) => place + 1).filter((place) => (buckets.length - place) % every === 0),
    label: (value) => names[Math.round(value) - 1] ?? "",
    axisSize: 64,
    draw: (plot) => {
      for (const { timeS, bucket, count } of cells) {
        const left = Math.max(plot.valToPos((timeS - stepS) * 1_000, "x", true), plot.bbox.left);
        const right = plot.valToPos(timeS * 1_000, "x", true);
        const top = plot.valToPos(bucket + 1, "y", true);
        const bottom = plot.valToPos(bucket, "y", true);
        plot.ctx.fillStyle = color(count);
        plot.ctx.fillRect(left, top + 1, Math.max(1, right - left - 1), bottom - top - 1);
      }
      plot.ctx.fillStyle = panel.options.exemplars.color;
      for (const { timeS, value } of points) {
        const bucket = buckets.findIndex(({ bound }) => value <= bound);
        const x = plot.valToPos(timeS * 1_000, "x", true);
        plot.ctx.fillRect(x - 4, plot.valToPos(bucket + 0.5, "y", true) - 4, 8, 8);
      }
    },
  });
  const shades = Array.from({ length: 17 }, (_, place) => color((place / 16) * most)).join(",");
  return (
    <div style={{ width, height }}>
      <UPlotChart config={config} data={nothing(range)} width={width} height={height - LEGEND_HEIGHT} />
      <div style={{ display: "flex", gap: 8, alignItems: "center", fontSize: 12, paddingTop: 8 }}>
        <div style={{ width: 260, height: 10, background: `linear-gradient(90deg,${shades})` }} />0 –{" "}
        {formattedValueToString(getValueFormat(panel.options.cellValues.unit)(most))}
      </div>
    </div>
  );
}

interface ColorOptions {
  readonly exponent: number;
  readonly steps: number;
}

function colors({ exponent, steps }: ColorOptions, most: number, theme: GrafanaTheme2): (count: number) => string {
  return (count) => {
    const step = Math.min(steps - 1, Math.floor((count / most) ** exponent * steps)) / (steps - 1);
    return interpolateSpectral(theme.isDark ? 1 - step : step);
  };
}
