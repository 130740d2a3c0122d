// Reads in the document what is seen of each panel.

import type { Panel, Seen } from "../model";

/** A pixel is rounding. */
const SLACK_PX = 1;

export function seenOf(panel: Panel, box: Element, sorted: readonly string[]): Seen {
  const empty = box.querySelector("[data-empty]");
  const grid = [...box.querySelectorAll('[role="row"]')].map((row) =>
    [...row.querySelectorAll('[role="gridcell"]')].map(textOf),
  );
  return {
    title: panel.title,
    type: panel.type,
    ...(empty ? { empty: textOf(empty) || "empty" } : {}),
    cut: [...cutTitle(box), ...(panel.type === "timeseries" && !empty ? cutLegend(box) : [])],
    columns: [...box.querySelectorAll('[role="columnheader"]')].map(textOf),
    rows: grid.flatMap(([first]) => (first === undefined ? [] : [first])),
    sorted,
  };
}

const textOf = (of: Element): string => of.textContent?.trim() ?? "";

function cutTitle(box: Element): string[] {
  const title = box.querySelector("h2");
  if (title === null) {
    return ["there is no title"];
  }
  return title.scrollWidth > title.clientWidth + SLACK_PX ? ["its title is cut"] : [];
}

/** A legend that does not fit can be scrolled, which a person at a glance does not. */
function cutLegend(box: Element): string[] {
  const legend = box.querySelector('[data-testid*="viz-layout-legend"]');
  if (legend === null) {
    return ["there is no legend"];
  }
  const isCut = [legend, ...legend.querySelectorAll("*")].some(
    (part) =>
      part.clientHeight > 0 &&
      part.scrollHeight > part.clientHeight + SLACK_PX &&
      ["auto", "scroll"].includes(getComputedStyle(part).overflowY),
  );
  return isCut ? ["its legend is cut"] : [];
}
