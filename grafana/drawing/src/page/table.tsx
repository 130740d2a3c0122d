import type { DataFrame } from "@grafana/data";
import { TableNG } from "@grafana/ui/unstable";
import type { Panel } from "../model";
import { NoData, type PanelProps } from "./panel";

export function Table({ of, frames, width, height, range, theme }: PanelProps) {
  const [frame] = frames;
  if (!frame) {
    return <NoData panel={of.panel} theme={theme} />;
  }
  const { options, fieldConfig } = of.panel;
  return (
    <TableNG
      data={frame}
      width={width}
      height={height}
      sortBy={options.sortBy}
      cellHeight={options.cellHeight}
      noHeader={!options.showHeader}
      showTypeIcons={options.showTypeIcons}
      timeRange={range}
      fieldConfig={fieldConfig as never}
      structureRev={1}
    />
  );
}

/** The values of the first column in the order that the panel asks for. */
export function sortedRows(panel: Panel, frame: DataFrame | undefined): string[] {
  const names = frame?.fields.map(({ name, state }) => state?.displayName ?? name) ?? [];
  const by = frame?.fields[names.indexOf(panel.options.sortBy[0].displayName)];
  const first = frame?.fields.find(({ config }) => !config.custom?.hideFrom?.viz);
  if (!frame || !by || !first) {
    return [];
  }
  // What is no number, or not there, comes last.
  const valueAt = (row: number): number => (Number.isNaN(by.values[row] ?? NaN) ? -Infinity : by.values[row]);
  return Array.from({ length: frame.length }, (_, row) => row)
    .sort((a, b) => valueAt(b) - valueAt(a))
    .map((row) => String(first.values[row]));
}
