// Bytes as the wire has them: an object with one key, whose value is base64. Written and read by hand,
// since what engines have for it takes a text apart letter by letter, by methods that code of the page
// could replace.

import { byteLength, isArray, keys, list, append, textOf, Uint8Array, utf8Of } from "./primordials.js";

/** The one key. */
export const BYTES_KEY = "$spanwire.bytes";

const PAD = 61;
const NONE = 64;

let letters: Uint8Array | undefined;
/** The letters of base64. Made when there are bytes, since every page's start pays for the script. */
const lettersOf = (): Uint8Array =>
  (letters ??= utf8Of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"));

let values: Uint8Array | undefined;
/** Each letter's place among them. */
const valuesOf = (): Uint8Array => {
  if (!values) {
    values = new Uint8Array(256);
    for (let at = 0; at < 256; at++) values[at] = NONE;
    for (let at = 0; at < 64; at++) values[lettersOf()[at] as number] = at;
  }
  return values;
};

/** The length of so many bytes in base64. */
export const base64Length = (bytes: number): number => ((bytes + 2 - ((bytes + 2) % 3)) / 3) * 4;

/** Bytes in base64. */
export const base64Of = (bytes: Uint8Array): string => {
  const alphabet = lettersOf();
  const length = byteLength(bytes);
  const text = new Uint8Array(base64Length(length));
  let to = 0;
  for (let at = 0; at < length; at += 3) {
    // What is beyond the end is `undefined`, and shifted it is 0.
    const three =
      ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    text[to++] = alphabet[three >> 18] as number;
    text[to++] = alphabet[(three >> 12) & 63] as number;
    text[to++] = at + 1 < length ? (alphabet[(three >> 6) & 63] as number) : PAD;
    text[to++] = at + 2 < length ? (alphabet[three & 63] as number) : PAD;
  }
  return textOf(text);
};

/** The bytes that this is the base64 of; null when it is not as `base64Of` writes it. */
const bytesOfBase64 = (base64: string): Uint8Array | null => {
  const places = valuesOf();
  const text = utf8Of(base64);
  const letters = byteLength(text);
  if (letters % 4) return null;
  const pads = text[letters - 1] !== PAD ? 0 : text[letters - 2] !== PAD ? 1 : 2;
  const length = (letters / 4) * 3 - pads;
  const bytes = new Uint8Array(length);
  let to = 0;
  for (let at = 0; at < letters; at += 4) {
    let four = 0;
    for (let place = at; place < at + 4; place++) {
      const isPad = place >= letters - pads;
      const value = isPad ? 0 : (places[text[place] as number] as number);
      if (value === NONE) return null;
      four = (four << 6) | value;
    }
    // What is beyond the end is not written, and is 0 in what was written in this way.
    bytes[to++] = four >> 16;
    bytes[to++] = four >> 8;
    bytes[to++] = four;
    if (to > length && four & (pads > 1 ? 0xffff : 0xff)) return null;
  }
  return bytes;
};

type Holder = Record<string, unknown>;

const bytesIn = (value: Holder): Uint8Array | null => {
  const names = keys(value);
  const base64 = names.length === 1 && names[0] === BYTES_KEY ? value[BYTES_KEY] : null;
  return typeof base64 === "string" ? bytesOfBase64(base64) : null;
};

/** Makes bytes of what are bytes in `holder`, at any depth: it may nest deeper than the stack is. */
export const reviveBytes = (holder: object): void => {
  const open = list<Holder>();
  append(open, holder as Holder);
  for (let read = 0; read < open.length; read++) {
    const one = open[read] as Holder;
    const look = (key: string | number): void => {
      const value = one[key];
      if (typeof value !== "object" || value === null) return;
      const bytes = isArray(value) ? null : bytesIn(value as Holder);
      if (bytes) one[key] = bytes;
      else append(open, value as Holder);
    };
    if (isArray(one)) for (let at = 0; at < one.length; at++) look(at);
    else {
      const names = keys(one);
      for (let at = 0; at < names.length; at++) look(names[at] as string);
    }
  }
};
