import { getDisplayValueAlignmentFactors, getFieldDisplayValues, VizOrientation, type FieldConfigSource } from "@grafana/data";
import { BigValue, BigValueGraphMode, VizRepeater } from "@grafana/ui";
import type { PanelProps } from "./panel";

export function Stat({ of, frames, width, height, range, theme }: PanelProps) {
  const { options, fieldConfig } = of.panel;
  const values = () =>
    getFieldDisplayValues({
      fieldConfig: fieldConfig as unknown as FieldConfigSource,
      reduceOptions: options.reduceOptions,
      replaceVariables: (text) => text,
      theme,
      data: frames,
      sparkline: options.graphMode !== BigValueGraphMode.None,
      timeZone: "utc",
    });
  // Without an answer a card shows its text large, in the place of the value.
  const isEmpty = frames.length === 0;
  return (
    <div {...(isEmpty ? { "data-empty": fieldConfig.defaults.noValue ?? "" } : {})}>
      <VizRepeater
        getValues={values}
        getAlignmentFactors={getDisplayValueAlignmentFactors}
        source={frames}
        renderCounter={1}
        width={width}
        height={height}
        orientation={options.orientation ?? VizOrientation.Auto}
        autoGrid
        itemSpacing={3}
        renderValue={({ value, alignmentFactors, width: valueWidth, height: valueHeight, count }) => (
          <BigValue
            value={value.display}
            count={count}
            {...(value.sparkline ? { sparkline: { ...value.sparkline, timeRange: range } } : {})}
            colorMode={options.colorMode}
            graphMode={options.graphMode}
            justifyMode={options.justifyMode}
            textMode={options.textMode}
            alignmentFactors={alignmentFactors}
            text={options.text}
            width={valueWidth}
            height={valueHeight}
            theme={theme}
            disableWideLayout={!options.wideLayout}
          />
        )}
      />
    </div>
  );
}
