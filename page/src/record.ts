// Values that the page measures: the last of a turn holds.

import type { RecordOptions } from "./api.js";
import { RECORDS } from "./config.js";
import * as life from "./lifecycle.js";
import { checkUnit, jsonName } from "./names.js";
import { onTurn, schedule, send } from "./outbox.js";
import { bare, OwnMap } from "./primordials.js";
import { refuse } from "./refusals.js";

const NO_OPTIONS: RecordOptions = bare({});

// By what a message says besides the value: a name in another category or unit is another one.
const records = new OwnMap<string, number>();

const sendRecords = (): void => {
  records.forEach((value, what) => {
    const text = `{"kind":"record",${what},"value":${value}}`;
    // A letter beyond ASCII is at most three bytes.
    send(text, text.length + 2 * what.length);
  });
  records.clear();
};

onTurn(sendRecords);
life.onRestart(() => records.clear());

export const record = (name: string, value: number, options?: RecordOptions): boolean => {
  const { unit, category } = options ?? NO_OPTIONS;
  let what: string;
  try {
    what = `"name":${jsonName(name, "a measurement's name")}`;
    if (category !== undefined) {
      what += `,"category":${jsonName(category, "a measurement's category")}`;
    }
    if (unit !== undefined) {
      checkUnit(unit);
      what += `,"unit":"${unit}"`;
    }
  } catch (error) {
    refuse("record", "invalid_name");
    throw error;
  }
  // `NaN` and the infinities are not equal to themselves here.
  if (typeof value !== "number" || value - value !== 0 || life.isSilent()) return false;
  if (records.size >= RECORDS && !records.has(what)) sendRecords();
  records.set(what, value);
  schedule();
  return true;
};
