// What may be the name of an event, a span or a measurement.

import { refusal } from "./error.js";
import { exec, OwnSet } from "./primordials.js";

const NAME = /^[A-Za-z0-9_.:/-]{1,64}$/;
/** Names that were found good, so that each is read once. Beyond, they are read each time. */
const KNOWN = 1_000;

const known = new OwnSet<unknown>();

export const isName = (name: unknown): name is string => {
  if (known.has(name)) return true;
  if (typeof name !== "string" || !exec(NAME, name)) return false;
  if (known.size < KNOWN) known.add(name);
  return true;
};

/** As UCUM writes units, `%` and `{frame}/s` among them; nothing that JSON would escape. */
const UNIT = /^[!#-[\]-~]{1,64}$/;

/** Throws when `unit` cannot be one. */
export const checkUnit = (unit: unknown): void => {
  if (typeof unit !== "string" || !exec(UNIT, unit)) {
    throw refusal("INVALID_NAME", 'a unit is 1 to 64 printable ASCII characters but " and \\');
  }
};

/** Throws when `name`, which is that of a `what`, cannot be one. */
export const checkName = (name: unknown, what = "an event's name"): void => {
  if (!isName(name)) throw refusal("INVALID_NAME", `${what} is 1 to 64 of A-Za-z0-9_.:/-`);
};
