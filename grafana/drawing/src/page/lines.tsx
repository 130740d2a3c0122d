import { TimeSeries } from "@grafana/ui";
import { Exemplars, exemplarsOf } from "./exemplars";
import { NoData, type PanelProps } from "./panel";

export function Lines({ of, frames, width, height, range, theme }: PanelProps) {
  const hasValue = frames.some(({ fields }) => fields[1]?.values.some((value) => value !== null));
  if (!hasValue) {
    return <NoData panel={of.panel} theme={theme} />;
  }
  const exemplars = exemplarsOf(of);
  return (
    <TimeSeries
      frames={frames}
      width={width}
      height={height}
      timeRange={range}
      timeZone="utc"
      legend={of.panel.options.legend}
      options={of.panel.options}
      structureRev={1}
    >
      {(config) => (exemplars.length > 0 ? <Exemplars config={config} exemplars={exemplars} theme={theme} /> : null)}
    </TimeSeries>
  );
}
