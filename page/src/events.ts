// Events that the page's code emits.

import { emit as send } from "./outbox.js";
import { countRefused } from "./refusals.js";

/** Tells the host of an event; false when it was dropped. Throws what makes it unsendable. */
export const emit = (event: string, data: unknown, span: number): boolean => {
  try {
    return send(event, data, span);
  } catch (error) {
    countRefused("event", event, error);
    throw error;
  }
};
