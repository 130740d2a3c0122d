// The points of a chart that open their trace.

import { FieldType, type DataFrame, type GrafanaTheme2 } from "@grafana/data";
import { EventsCanvas, type UPlotConfigBuilder } from "@grafana/ui";
import { useLayoutEffect, useRef } from "react";
import type uPlot from "uplot";
import type { Answered, Exemplar } from "../model";

/** How many points of a step Grafana takes together. */
const STEPS_TOGETHER = 7;

/** Grafana thins them out: of those that are close in time it leaves those that are two deviations apart. */
export function thinned(all: readonly Exemplar[], stepS: number): Exemplar[] {
  if (all.length === 0) {
    return [];
  }
  const mean = all.reduce((sum, { value }) => sum + value, 0) / all.length;
  const deviation = Math.sqrt(all.reduce((sum, { value }) => sum + (value - mean) ** 2, 0) / all.length);
  const groups = Map.groupBy(all, ({ timeS }) => Math.floor(timeS / (stepS * STEPS_TOGETHER)));
  const kept: Exemplar[] = [];
  for (const group of groups.values()) {
    let last = Infinity;
    for (const exemplar of group.toSorted((a, b) => b.value - a.value)) {
      if (last - exemplar.value >= 2 * deviation) {
        kept.push(exemplar);
        last = exemplar.value;
      }
    }
  }
  return kept.sort((a, b) => a.timeS - b.timeS);
}

export const exemplarsOf = ({ answers, stepS }: Answered): Exemplar[] =>
  thinned(answers.flatMap(({ exemplars }) => exemplars), stepS);

interface Props {
  readonly config: UPlotConfigBuilder;
  readonly exemplars: readonly Exemplar[];
  readonly theme: GrafanaTheme2;
}

export function Exemplars({ config, exemplars, theme }: Props) {
  const plot = useRef<uPlot | undefined>(undefined);
  useLayoutEffect(() => {
    config.addHook("init", (made: uPlot) => {
      plot.current = made;
    });
  }, [config]);
  const frame: DataFrame = {
    name: "exemplar",
    length: exemplars.length,
    fields: [
      { name: "Time", type: FieldType.time, config: {}, values: exemplars.map(({ timeS }) => timeS * 1_000) },
      { name: "Value", type: FieldType.number, config: {}, values: exemplars.map(({ value }) => value) },
    ],
  };
  const color = theme.visualization.getColorByName("blue");
  return (
    <EventsCanvas
      id="exemplars"
      config={config}
      events={[frame]}
      renderEventMarker={() => <div style={{ width: 7, height: 7, background: color, transform: "rotate(45deg)" }} />}
      mapEventToXYCoords={(_frame, row) => placeOf(plot.current, exemplars[row])}
    />
  );
}

function placeOf(plot: uPlot | undefined, exemplar: Exemplar | undefined): { x: number; y: number } | undefined {
  const scale = plot?.series[1]?.scale;
  if (!plot || !exemplar || !scale) {
    return undefined;
  }
  const { min = 0, max = 0 } = plot.scales[scale] ?? {};
  const value = Math.min(Math.max(exemplar.value, min), max);
  return { x: plot.valToPos(exemplar.timeS * 1_000, "x"), y: plot.valToPos(value, scale) };
}
