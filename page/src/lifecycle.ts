// The life of a page: its generations, and whether it may talk at all.

import type { SpanwireErrorCode } from "./api.js";
import { append, list, random, Uint8Array } from "./primordials.js";

/** Why nothing can be sent any more. */
export interface Ending {
  readonly code: SpanwireErrorCode;
  readonly message: string;
}

const ALPHABET = "0123456789abcdefghijklmnopqrstuv";

/** Of this load, made anew when the page comes back from the page cache. */
export let id = "";
/** Between `pagehide` and `pageshow`. */
export let away = true;
/** Nothing goes out any more, whatever the page does. */
export let ending: Ending | null = null;

type Hook = () => void;
const restarts = list<Hook>();

/** Runs `hook` when a generation begins. */
export const onRestart = (hook: Hook): void => append(restarts, hook);

export const restart = (): void => {
  // 5 of a byte's bits, so that each letter is as likely as any other.
  const bytes = random(new Uint8Array(24));
  id = "";
  for (let at = 0; at < 24; at++) id += ALPHABET[(bytes[at] as number) & 31] as string;
  away = false;
  ending = null;
  for (let at = 0; at < restarts.length; at++) (restarts[at] as Hook)();
};

export const leave = (): void => {
  away = true;
};

export const end = (why: Ending): void => {
  ending = why;
};

/** Whether nothing can be sent now. */
export const isSilent = (): boolean => away || ending !== null;
