// The options of fields that Grafana's panels understand: its own registry of them is in its core.

import { FieldConfigOptionsRegistry, FieldType, type Field, type FieldConfigPropertyItem } from "@grafana/data";

const STANDARD = ["displayName", "unit", "min", "max", "decimals", "thresholds", "mappings", "noValue", "color", "links"];
const CUSTOM = [
  "align", "axisLabel", "axisPlacement", "axisSoftMax", "axisSoftMin", "cellOptions", "drawStyle", "fillOpacity",
  "filterable", "hideFrom", "inspect", "lineInterpolation", "lineStyle", "lineWidth", "minWidth", "pointSize",
  "showPoints", "spanNulls", "stacking", "width",
];

function option(name: string, isCustom: boolean): FieldConfigPropertyItem {
  const id = isCustom ? `custom.${name}` : name;
  // An axis of time has none of a value's options: with them it is drawn at the side.
  const isOfValues = isCustom && name.startsWith("axis");
  return {
    id,
    // Of a panel's own options it is the path within them.
    path: name,
    name,
    isCustom,
    settings: {},
    editor: () => null as never,
    override: () => null as never,
    process: (value: unknown) => value,
    shouldApply: (field: Field) => !isOfValues || field.type === FieldType.number,
  };
}

export const REGISTRY = new FieldConfigOptionsRegistry();
STANDARD.forEach((name) => REGISTRY.register(option(name, false)));
CUSTOM.forEach((name) => REGISTRY.register(option(name, true)));
