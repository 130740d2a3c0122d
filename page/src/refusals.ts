// What the script refuses to send. The page's code gets an error, and may ignore it; so the host gets a
// count.

import { codeOf } from "./error.js";
import { isName, jsonName } from "./names.js";
import { bare, RangeError } from "./primordials.js";
import { tally } from "./tally.js";

/** Why, as the host counts it. */
type Why = "invalid_name" | "too_large" | "too_deep" | "malformed" | "page_shed" | "too_many_spans";

/** By the code of the script's own error. */
const WHY: Readonly<Record<string, Why>> = bare({
  INVALID_NAME: "invalid_name",
  TOO_LARGE: "too_large",
  MALFORMED: "too_deep",
  OVER_CREDIT: "page_shed",
});

/** Counts a measurement or a span that is not sent. */
export const refuse = (what: "record" | "span", why: Why): void =>
  tally(`"kind":"refused","of":"${what}","type":"${why}"`);

/** Counts a call or an event of that name, which is not sent since sending it threw `error`. */
export const countRefused = (what: "call" | "event", event: unknown, error: unknown): void => {
  // A page that has run out of stack may have put the message into the outbox before.
  if (error instanceof RangeError) return;
  // What is none of the script's errors comes from the data: it is not JSON.
  const why = WHY[codeOf(error)] ?? "malformed";
  const name = isName(event) ? `,"event":${jsonName(event)}` : "";
  tally(`"kind":"refused","of":"${what}","type":"${why}"${name}`);
};
