// What the page's code hands over, as JSON: with bytes as bytes, and a TypeError for what JSON would
// leave out in silence.

import { BYTES_KEY, base64Length, base64Of } from "./bytes.js";
import { BATCH_BYTES, DEPTH } from "./config.js";
import { refusal } from "./error.js";
import {
  byteLength,
  exec,
  getPrototypeOf,
  isArray,
  isView,
  keys,
  kindOf,
  list,
  page,
  stringify,
  TypeError,
  Uint8Array,
} from "./primordials.js";

type Holder = Record<string, unknown>;

const OBJECT = Object.prototype;
const DATE = page.Date.prototype;
/** What JSON says something of, though it may have no fields: also what is none of the engine's own. */
const CARRIED = /^\[object (Object|Array|Number|String|Boolean)\]$/;

const tooDeep = () => refusal("MALFORMED", `the data nests deeper than ${DEPTH} levels`);
const tooLarge = () => refusal("TOO_LARGE", `the data is larger than ${BATCH_BYTES} bytes`);

/**
 * Whether `stringify` by itself says all of an object. Nearly everything is such data, and to look
 * costs up to a tenth of what `stringify` does; a replacer would cost several times as much.
 */
const isPlain = (value: object, depth: number): boolean => {
  if (depth > DEPTH) return false;
  if (isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const element: unknown = value[at];
      if (!isSimple(element) && !(typeof element === "object" && isPlain(element as object, depth + 1))) return false;
    }
    return true;
  }
  const prototype = getPrototypeOf(value) as unknown;
  if (prototype === DATE) return true;
  const isOrdinary = prototype === OBJECT || prototype === null;
  // A `toJSON` may give anything.
  if (!isOrdinary && (isView(value) || typeof (value as Holder)["toJSON"] === "function")) return false;
  let isEmpty = true;
  for (const key in value) {
    isEmpty = false;
    const field = (value as Holder)[key];
    if (!isSimple(field) && !(typeof field === "object" && isPlain(field as object, depth + 1))) return false;
  }
  return isOrdinary || !isEmpty;
};

const isSimple = (value: unknown): boolean => {
  if (value === null) return true;
  const type = typeof value;
  return type === "number" || type === "string" || type === "boolean" || type === "undefined";
};

/** As `stringify`, with a look at each value: its place in the data is known. */
const stringifyWithCare = (data: unknown): string | undefined => {
  // The objects that are being written, from the outermost on, and the key of each.
  const open = list<unknown>();
  const path = list<string>();
  let depth = 0;
  return stringify(data, function (this: unknown, key: string, value: unknown): unknown {
    while (depth && open[depth - 1] !== this) depth--;
    path[depth] = key;
    const refuse = (what: string): never => {
      let where = "data";
      for (let at = 1; at <= depth; at++) where += `.${path[at]}`;
      throw new TypeError(`${where} is ${what}, which JSON cannot carry`);
    };
    const type = typeof value;
    if (type === "function" || type === "bigint" || type === "symbol") refuse(`a ${type}`);
    if (type !== "object" || value === null) return value;
    for (let at = 0; at < depth; at++) if (open[at] === value) refuse("a cycle");
    if (depth >= DEPTH) throw tooDeep();
    let written = value as object;
    const kind = kindOf(value);
    const bytes = isView(value)
      ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
      : kind === "[object ArrayBuffer]"
        ? new Uint8Array(value as ArrayBuffer)
        : null;
    if (bytes) {
      if (base64Length(byteLength(bytes)) > BATCH_BYTES) throw tooLarge();
      written = { [BYTES_KEY]: base64Of(bytes) };
    } else if (!exec(CARRIED, kind) && !keys(written).length) refuse(kind);
    open[depth++] = written;
    return written;
  });
};

// The host refuses a batch that is too deep unread, and all that is in it: none may go there.
// A text's letters by index, which nothing of the page's can stand in for.
const isTooDeep = (json: string): boolean => {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < json.length; at++) {
    const letter = json[at];
    if (letter === '"') quoted = !quoted;
    else if (quoted) at += letter === "\\" ? 1 : 0;
    else if (letter === "{" || letter === "[") {
      if (++depth > DEPTH) return true;
    } else if (letter === "}" || letter === "]") depth--;
  }
  return false;
};

/** Data as JSON. Throws what makes it unsendable. */
export const jsonOf = (data: unknown): string => {
  const isCareless = isSimple(data) || (typeof data === "object" && isPlain(data as object, 1));
  const json = isCareless ? (stringify(data) as string | undefined) : stringifyWithCare(data);
  if (json === undefined) throw new TypeError(`${typeof data} is not JSON`);
  if (json.length > 2 * DEPTH && isTooDeep(json)) throw tooDeep();
  return json;
};
