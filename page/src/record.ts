// Values that the page measures: the last of a turn holds.

import type { RecordOptions } from "./api.js";
import { RECORDS } from "./config.js";
import * as life from "./lifecycle.js";
import { checkName, checkUnit } from "./names.js";
import { onTurn, schedule, send } from "./outbox.js";
import { bare, OwnMap } from "./primordials.js";

const NO_OPTIONS: RecordOptions = bare({});

// By what a message says besides the value: a name in another category or unit is another one.
const records = new OwnMap<string, number>();

const sendRecords = (): void => {
  records.forEach((value, what) => send(`{"kind":"record",${what},"value":${value}}`));
  records.clear();
};

onTurn(sendRecords);
life.onRestart(() => records.clear());

export const record = (name: string, value: number, options?: RecordOptions): boolean => {
  const { unit, category } = options ?? NO_OPTIONS;
  checkName(name, "a measurement's name");
  let what = `"name":"${name}"`;
  if (category !== undefined) {
    checkName(category, "a measurement's category");
    what += `,"category":"${category}"`;
  }
  if (unit !== undefined) {
    checkUnit(unit);
    what += `,"unit":"${unit}"`;
  }
  // `NaN` and the infinities are not equal to themselves here.
  if (typeof value !== "number" || value - value !== 0 || life.isSilent()) return false;
  if (records.size >= RECORDS && !records.has(what)) sendRecords();
  records.set(what, value);
  schedule();
  return true;
};
