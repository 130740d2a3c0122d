// Errors on the page, counted. What they say stays on the page.

import { keepListening } from "./dom_listeners.js";
import { send } from "./outbox.js";
import { report } from "./primordials.js";

type Fault = "listener_error" | "uncaught" | "unhandled_rejection";

/** `event` is the name of the one whose listener threw, as JSON. */
const count = (fault: Fault, event = ""): void => {
  const text = `{"kind":"error","type":"${fault}"${event && `,"event":${event}`}}`;
  // A letter beyond ASCII is at most three bytes.
  send(text, text.length + 2 * event.length);
};

let reporting = false;

/** Counts an error of code that the script called, and reports it as the engine would have. */
export const fault = (kind: Fault, error: unknown, event?: string): void => {
  count(kind, event);
  reporting = true;
  try {
    report(error);
  } finally {
    reporting = false;
  }
};

/** What a listener threw and was counted for: it may come to `error` yet. */
let thrown: unknown = count;
/** How often listeners threw to the code that called them. */
export let throws = 0;

/**
 * Counts an error that a listener throws to the code that called it, unless a listener that ran within
 * it was counted for the same: `before` is what `throws` was when it began. `event` is its name as JSON,
 * where that is known.
 */
export const countThrown = (error: unknown, before: number, event: string): void => {
  if (throws !== before && error === thrown) return;
  throws++;
  thrown = error;
  count("listener_error", event);
};

/** Keeps no error longer than it may come. */
export const forgetThrown = (): void => {
  thrown = count;
};

/** Counts what nobody catches from here on. */
export const watchFaults = (): void => {
  keepListening("error", (event) => {
    // Only errors of scripts: those of resources do not bubble up to here.
    if (!event.isTrusted || reporting) return;
    // The engine hides the error of a script that the host evaluates: the next one is what a listener threw.
    const isThrown = event.error === thrown || (!event.error && thrown !== count);
    if (isThrown) forgetThrown();
    else count("uncaught");
  });
  // Not asked for `isTrusted`, which WebKit leaves false here.
  keepListening("unhandledrejection", (event) => {
    const { promise } = event as Partial<PromiseRejectionEvent>;
    if (promise) count("unhandled_rejection");
  });
};
