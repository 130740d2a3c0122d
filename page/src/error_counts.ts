// Errors on the page, counted. What they say stays on the page.

import { keepListening } from "./dom_listeners.js";
import { send } from "./outbox.js";
import { report } from "./primordials.js";

type Fault = "listener_error" | "uncaught" | "unhandled_rejection";

const count = (fault: Fault): void => send(`{"kind":"error","type":"${fault}"}`);

let reporting = false;

/** Counts an error of code that the script called, and reports it as the engine would have. */
export const fault = (kind: Fault, error: unknown): void => {
  count(kind);
  reporting = true;
  try {
    report(error);
  } finally {
    reporting = false;
  }
};

/** Counts what nobody catches from here on. */
export const watchFaults = (): void => {
  keepListening("error", (event) => {
    // Only errors of scripts: those of resources do not bubble up to here.
    if (event.isTrusted && !reporting) count("uncaught");
  });
  // Not asked for `isTrusted`, which WebKit leaves false here.
  keepListening("unhandledrejection", (event) => {
    const { promise } = event as Partial<PromiseRejectionEvent>;
    if (promise) count("unhandled_rejection");
  });
};
