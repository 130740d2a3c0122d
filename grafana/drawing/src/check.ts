// What a person would mind at a glance, found in the document and not in pixels: these differ from one
// run to the next.

import type { Sheet, Seen } from "./model.js";

/**
 * Panels that have nothing to show in this story, by dashboard, with the reason. Each of the others has a
 * cause in it.
 */
export type Quiet = Readonly<Record<string, Readonly<Record<string, string>>>>;

export function complaintsOf(uid: string, sheet: Sheet, seen: readonly Seen[], quiet: Quiet): string[] {
  const isQuiet = (title: string): boolean => title in (quiet[uid] ?? {});
  return seen.flatMap((panel) => {
    const expected = columnsOf(sheet, panel.title);
    return [
      ...(panel.empty !== undefined && !isQuiet(panel.title) ? [`it says "${panel.empty}"`] : []),
      ...panel.cut,
      ...(panel.empty === undefined ? expected : [])
        .filter((name) => !panel.columns.includes(name))
        .map((name) => `it has no column ${name}, but ${panel.columns.join(", ")}`),
      ...(panel.sorted.length > 0 && panel.rows.length === 0 ? ["it shows no row"] : []),
      ...(isPrefix(panel.rows, panel.sorted) ? [] : [`its rows are not sorted: ${panel.rows.join(", ")}`]),
    ].map((what) => `${sheet.title}, ${panel.title}: ${what}`);
  });
}

/** What a table's heads are called, by what it renames. */
function columnsOf(sheet: Sheet, title: string): string[] {
  const tables = sheet.panels.filter(({ panel }) => panel.type === "table" && panel.title === title);
  return tables.flatMap(({ panel: { transformations = [] } }) =>
    transformations.flatMap(({ options }) =>
      Object.values((options as { renameByName?: Record<string, string> }).renameByName ?? {}),
    ),
  );
}

/** A table draws the rows alone that fit. */
const isPrefix = (rows: readonly string[], sorted: readonly string[]): boolean =>
  rows.every((row, place) => row === sorted[place]);
