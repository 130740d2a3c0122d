import type { DataFrame } from "@grafana/data";
import { UPlotChart } from "@grafana/ui";
import { canvasOf, nothing } from "./canvas";
import { NoData, type PanelProps } from "./panel";

interface Span {
  readonly value: number;
  readonly from: number;
  to: number;
}

/** Equal values that follow each other are one span, which ends where the next value is. */
export function spansOf(times: readonly number[], values: readonly (number | null)[], stepMs: number): Span[] {
  const spans: Span[] = [];
  values.forEach((value, place) => {
    const time = times[place]!;
    const last = spans.at(-1);
    if (value === null) {
      return;
    }
    const follows = last !== undefined && time - last.to <= stepMs;
    if (follows) {
      last.to = time;
    }
    if (!follows || last.value !== value) {
      spans.push({ value, from: time, to: time });
    }
  });
  return spans;
}

const CHARACTER_WIDTH = 7;
const AXIS_MAX = 200;

export function Timeline({ of, frames, width, height, range, theme }: PanelProps) {
  if (frames.length === 0) {
    return <NoData panel={of.panel} theme={theme} />;
  }
  const rows = frames.map((frame: DataFrame) => {
    const [time, value] = frame.fields;
    const spans = spansOf(time!.values, value!.values, of.stepS * 1_000);
    return { name: frame.name ?? "", spans, display: value!.display! };
  });
  const { fillOpacity } = of.panel.fieldConfig.defaults["custom"] as { fillOpacity: number };
  const config = canvasOf({
    range,
    theme,
    yMax: rows.length,
    splits: rows.map((_, place) => rows.length - place - 0.5),
    label: (value) => rows[Math.round(rows.length - value - 0.5)]?.name ?? "",
    axisSize: Math.min(AXIS_MAX, 12 + Math.max(...rows.map(({ name }) => name.length)) * CHARACTER_WIDTH),
    draw: (plot) => {
      const rowHeight = (plot.bbox.height / rows.length) * of.panel.options.rowHeight;
      plot.ctx.font = `12px ${theme.typography.fontFamily}`;
      plot.ctx.textBaseline = "middle";
      rows.forEach(({ spans, display }, place) => {
        const middle = plot.valToPos(rows.length - place - 0.5, "y", true);
        for (const span of spans) {
          const left = plot.valToPos(span.from, "x", true);
          const right = plot.valToPos(span.to, "x", true);
          const { color, text } = display(span.value);
          plot.ctx.globalAlpha = fillOpacity / 100;
          plot.ctx.fillStyle = color ?? theme.colors.text.primary;
          plot.ctx.fillRect(left, middle - rowHeight / 2, Math.max(2, right - left), rowHeight);
          plot.ctx.globalAlpha = 1;
          plot.ctx.fillStyle = theme.colors.text.primary;
          if (right - left > plot.ctx.measureText(text).width + 8) {
            plot.ctx.fillText(text, left + 4, middle);
          }
        }
      });
    },
  });
  return <UPlotChart config={config} data={nothing(range)} width={width} height={height} />;
}
