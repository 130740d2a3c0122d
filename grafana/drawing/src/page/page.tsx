// Draws a dashboard, and says what is seen of it.

import { createTheme, dateTime, ThemeContext, type DataFrame, type TimeRange } from "@grafana/data";
import { GlobalStyles, PanelChrome } from "@grafana/ui";
import type { ComponentType } from "react";
import { createRoot } from "react-dom/client";
import type { Answered, GridPos, Seen, Sheet } from "../model";
import { framesOf } from "./frames";
import { Heatmap } from "./heatmap";
import { Lines } from "./lines";
import type { PanelProps } from "./panel";
import { seenOf } from "./seen";
import { Stat } from "./stat";
import { sortedRows, Table } from "./table";
import { Timeline } from "./timeline";

declare global {
  interface Window {
    draw: (sheet: Sheet) => Promise<void>;
    seen: () => Seen[];
  }
}

const KINDS: Readonly<Record<string, ComponentType<PanelProps>>> = {
  timeseries: Lines,
  stat: Stat,
  table: Table,
  heatmap: Heatmap,
  "state-timeline": Timeline,
};

const COLUMNS = 24;
const ROW_HEIGHT = 38;
const GAP = 8;
const MARGIN = 16;

const theme = createTheme({ colors: { mode: "dark" } });

interface Drawn {
  readonly of: Answered;
  readonly frames: DataFrame[];
}

let drawn: readonly Drawn[] = [];

window.draw = async (sheet) => {
  drawn = await Promise.all(sheet.panels.map(async (of) => ({ of, frames: await framesOf(of, sheet, theme) })));
  createRoot(document.getElementById("root")!).render(<DashboardSheet sheet={sheet} drawn={drawn} />);
};

window.seen = () =>
  drawn
    .filter(({ of }) => of.panel.type !== "row")
    .map(({ of: { panel }, frames }) => {
      const box = document.querySelector(`[data-panel="${panel.id}"]`)!;
      return seenOf(panel, box, panel.type === "table" ? sortedRows(panel, frames[0]) : []);
    });

interface SheetProps {
  readonly sheet: Sheet;
  readonly drawn: readonly Drawn[];
}

function DashboardSheet({ sheet, drawn: panels }: SheetProps) {
  const column = (sheet.width - 2 * MARGIN + GAP) / COLUMNS;
  const boxOf = ({ x, y, w, h }: GridPos) => ({
    left: x * column,
    top: y * ROW_HEIGHT,
    width: w * column - GAP,
    height: h * ROW_HEIGHT - GAP,
  });
  const from = dateTime(sheet.fromS * 1_000);
  const to = dateTime(sheet.toS * 1_000);
  const range: TimeRange = { from, to, raw: { from, to } };
  const bottom = Math.max(...panels.map(({ of }) => of.panel.gridPos.y + of.panel.gridPos.h));
  const { canvas } = theme.colors.background;
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ padding: MARGIN, background: canvas, color: theme.colors.text.primary, boxSizing: "border-box" }}>
        <div style={{ display: "flex", gap: GAP, alignItems: "center", height: 40 }}>
          <h3 style={{ margin: "0 16px 0 0" }}>{sheet.title}</h3>
          {[...sheet.variables, `${time(sheet.fromS)} to ${time(sheet.toS)} UTC`].map((text) => (
            <span key={text} style={{ border: "1px solid #8884", borderRadius: 2, padding: "2px 8px", fontSize: 13 }}>
              {text}
            </span>
          ))}
        </div>
        <div style={{ position: "relative", height: bottom * ROW_HEIGHT }}>
          {panels.map(({ of, frames }) => {
            const { id, type, title, description, gridPos } = of.panel;
            const box = boxOf(gridPos);
            if (type === "row") {
              return (
                <div key={id} style={{ ...box, position: "absolute", fontWeight: 500, fontSize: 16, lineHeight: "30px" }}>
                  ⌄ {title}
                </div>
              );
            }
            const Kind = KINDS[type]!;
            return (
              <div key={id} data-panel={id} style={{ ...box, position: "absolute" }}>
                <PanelChrome
                  title={title}
                  {...(description ? { description } : {})}
                  width={box.width}
                  height={box.height}
                  padding={type === "table" ? "none" : "md"}
                >
                  {(width, height) => <Kind {...{ of, frames, width, height, range, theme }} />}
                </PanelChrome>
              </div>
            );
          })}
        </div>
      </div>
    </ThemeContext.Provider>
  );
}

const time = (seconds: number): string => new Date(seconds * 1_000).toISOString().slice(11, 19);
