// Prometheus' answers as Grafana's data frames, as its data source makes them, and what its core does
// with frames before a panel gets them.

import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  FieldType,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
  type DataFrame,
  type DataTransformerConfig,
  type FieldConfigSource,
  type GrafanaTheme2,
} from "@grafana/data";
import { firstValueFrom } from "rxjs";
import { gridOf } from "../interval";
import type { Answer, Answered, Series } from "../model";
import { REGISTRY } from "./registry";

standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((transformer) => ({
    id: transformer.id,
    name: transformer.name,
    transformation: () => Promise.resolve(transformer),
    editor: () => null,
    imageDark: "",
    imageLight: "",
  })),
);

export interface Times {
  readonly fromS: number;
  readonly toS: number;
}

/** The frames that a panel draws. */
export async function framesOf(of: Answered, times: Times, theme: GrafanaTheme2): Promise<DataFrame[]> {
  const { panel, answers, stepS } = of;
  const grid = gridOf(times.fromS, times.toS, stepS);
  let frames = answers.flatMap((answer) =>
    answer.target.format === "table"
      ? tableOf(answer, answers.length > 1)
      : answer.series.map((series) => lineOf(answer, series, grid, stepS)),
  );
  if (panel.transformations && frames.length > 0) {
    frames = await firstValueFrom(transformDataFrame(panel.transformations as DataTransformerConfig[], frames));
  }
  const shown = applyFieldOverrides({
    data: frames,
    fieldConfig: panel.fieldConfig as unknown as FieldConfigSource,
    fieldConfigRegistry: REGISTRY,
    replaceVariables: (text) => text,
    theme,
    timeZone: "utc",
  });
  // Otherwise a column keeps the name that it had before it was renamed.
  cacheFieldDisplayNames(shown);
  return shown;
}

/** Rows of labels and one value. */
function tableOf({ target, series }: Answer, isOneOfSeveral: boolean): DataFrame[] {
  if (series.length === 0) {
    return [];
  }
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return [
    {
      refId: target.refId,
      length: series.length,
      fields: [
        { name: "Time", type: FieldType.time, config: {}, values: series.map(({ value }) => value![0] * 1_000) },
        ...labels.map((name) => ({
          name,
          type: FieldType.string,
          config: {},
          values: series.map(({ metric }) => metric[name] ?? ""),
        })),
        {
          name: isOneOfSeveral ? `Value #${target.refId}` : "Value",
          type: FieldType.number,
          config: {},
          values: series.map(({ value }) => numberOf(value![1])),
        },
      ],
    },
  ];
}

function lineOf({ target }: Answer, of: Series, grid: readonly number[], stepS: number): DataFrame {
  const name = target.legendFormat.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_all, label: string) => of.metric[label] ?? "");
  // A gap is a gap: Grafana's core has a null there.
  const at = new Map(of.values);
  const points = of.value
    ? [[of.value[0], numberOf(of.value[1])] as const]
    : grid.map((timeS) => [timeS, finite(at.get(timeS))] as const);
  return {
    refId: target.refId,
    name,
    length: points.length,
    fields: [
      {
        name: "Time",
        type: FieldType.time,
        config: { interval: stepS * 1_000 },
        values: points.map(([timeS]) => timeS * 1_000),
      },
      {
        name: "Value",
        type: FieldType.number,
        labels: { ...of.metric },
        config: { displayNameFromDS: name },
        values: points.map(([, value]) => value),
      },
    ],
  };
}

function finite(text: string | undefined): number | null {
  const value = text === undefined ? NaN : numberOf(text);
  return Number.isFinite(value) ? value : null;
}

/** What Prometheus writes as a number. */
export function numberOf(text: string): number {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}
