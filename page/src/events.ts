// Events that the page's code emits.

import { emit as send } from "./outbox.js";
import { counted } from "./refusals.js";

/** Tells the host of an event; false when it was dropped. Throws what makes it unsendable. */
export const emit = (event: string, data: unknown, span: number): boolean =>
  counted("event", event, () => send(event, data, span));
