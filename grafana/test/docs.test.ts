// What the docs say of the dashboards: each panel that they name is there.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { dashboards, panelsOf } from "./committed.js";

const FAULTS = new URL("../../../docs/guide/faults.md", import.meta.url);

/** The last cells of the table of faults: `IPC and Live: a panel, another; Operations: a third`. */
const places = readFileSync(FAULTS, "utf8")
  .split("\n")
  .filter((line) => /^\| `[a-z-]+` \|/.test(line))
  .map((line) => line.split("|")[4] ?? "");

/** The text of a list without the panels' titles and the remark on one of them. */
function unknownIn(list: string, titles: readonly string[]): string {
  // The longest first: a title may be in another.
  const known = [...titles].sort((a, b) => b.length - a.length);
  return known.reduce((rest, title) => rest.replace(title, ""), list.replace(", which ends", "")).replaceAll(/[,\s]/g, "");
}

test("each panel that the list of faults names is on the dashboard that it names", () => {
  assert.ok(places.length > 10);
  const unknown = places.flatMap((cell) =>
    cell.split(";").flatMap((place) => {
      const [boards = "", list = ""] = place.split(/: (?=[A-Z])/, 2);
      return boardsOf(boards.trim()).flatMap((board) => unknownOn(board, list));
    }),
  );
  assert.deepEqual(unknown, []);
});

/** "IPC and Live" are two, "Process and system" is one. */
const boardsOf = (names: string): readonly string[] => (boardOf(names) ? [names] : names.split(" and "));

const boardOf = (name: string): (typeof dashboards)[number] | undefined =>
  dashboards.find(({ title }) => title === `Spanwire / ${name}`);

function unknownOn(board: string, list: string): string[] {
  const found = boardOf(board);
  const rest = found === undefined ? "no such dashboard" : unknownIn(list, panelsOf(found).map(({ title }) => title));
  return rest === "" ? [] : [`${board}: ${rest}`];
}
