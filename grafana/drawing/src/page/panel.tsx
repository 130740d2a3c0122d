// What every kind of panel gets, and what it shows when it has nothing to show.

import type { DataFrame, GrafanaTheme2, TimeRange } from "@grafana/data";
import type { Answered, Panel } from "../model";

export interface PanelProps {
  readonly of: Answered;
  readonly frames: DataFrame[];
  readonly width: number;
  readonly height: number;
  readonly range: TimeRange;
  readonly theme: GrafanaTheme2;
}

interface NoDataProps {
  readonly panel: Panel;
  readonly theme: GrafanaTheme2;
}

export function NoData({ panel, theme }: NoDataProps) {
  return (
    <div
      data-empty
      style={{
        width: "100%",
        height: "100%",
        display: "flex",
        alignItems: "center",
        justifyContent: "center",
        color: theme.colors.text.secondary,
      }}
    >
      {panel.fieldConfig.defaults.noValue ?? "No data"}
    </div>
  );
}
