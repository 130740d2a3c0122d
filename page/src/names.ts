// What may be the name of an event, a span or a measurement, and what may be a unit.
//
// The host judges by the same rule, in `src/instrument/event_name.rs`; `tests/event_names.json` holds
// both to it.

import { refusal } from "./error.js";
import { bytesOf, codePointAt, exec, OwnMap, slice, stringify } from "./primordials.js";

/** The longest name, in bytes. */
const BYTES = 128;
// Controls, separators of lines, formats (Unicode's `Cf`), halves of surrogate pairs, private use, and
// what is no character. Spelled out, since engines are of different Unicodes.
const NOT_PRINTABLE =
  /[\0-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff\u{110bd}\u{110cd}\u{13430}-\u{1343f}\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{1fffe}\u{1ffff}\u{2fffe}\u{2ffff}\u{3fffe}-\u{e00ff}\u{e01f0}-\u{10ffff}]/u;
const OUTER_SPACE = /^[ \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]|[ \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]$/;
// Any visible ASCII that needs no escape in JSON: UCUM has `%` and `{frame}/s`.
const UNIT = /^[!#-[\]-~]{1,64}$/;
/** Names that were found good, so that each is read once. Beyond, they are read each time. */
const KNOWN = 1_000;

/** Each as JSON. */
const known = new OwnMap<unknown, string>();

const hex = (code: number): string => {
  let text = "";
  for (let digits = 0; code || digits < 4; digits++, code >>= 4) text = `${"0123456789ABCDEF"[code & 15]}${text}`;
  return text;
};

/** What is wrong with a name, in the host's words; "" when it is one. */
const flawOf = (name: unknown): string => {
  if (typeof name !== "string") return "is no text";
  if (!name) return "is empty";
  // Its letters first: a huge one is not encoded.
  const bytes = name.length > 4 * BYTES ? name.length : bytesOf(name);
  if (bytes > BYTES) return `has ${bytes} bytes, of which ${BYTES} are allowed`;
  const hidden = exec(NOT_PRINTABLE, name);
  const found = hidden ?? exec(OUTER_SPACE, name);
  if (!found) return "";
  const at = bytesOf(slice(name, 0, found.index));
  const why = hidden ? "which is not printable" : "where no white space may be";
  return `has U+${hex(codePointAt(name, found.index) as number)} at byte ${at}, ${why}`;
};

// A good name as JSON; "" for another.
const jsonOf = (name: unknown): string => {
  let json = known.get(name);
  if (json !== undefined) return json;
  if (flawOf(name)) return "";
  json = stringify(name);
  if (known.size < KNOWN) known.set(name, json);
  return json;
};

export const isName = (name: unknown): name is string => jsonOf(name) !== "";

/** A name, which is that of a `what`, as JSON. Throws when it cannot be one. */
export const jsonName = (name: unknown, what = "an event's name"): string => {
  const json = jsonOf(name);
  if (!json) throw refusal("INVALID_NAME", `${what} ${flawOf(name)}`);
  return json;
};

/** Throws when `unit` cannot be one. */
export const checkUnit = (unit: unknown): void => {
  if (typeof unit !== "string" || !exec(UNIT, unit)) {
    throw refusal("INVALID_NAME", 'a unit is 1 to 64 visible ASCII characters but " and \\');
  }
};
