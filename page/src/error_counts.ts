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

/** What a listener threw and was counted for: it may come to `error` yet. */
let thrown: unknown = count;

/** Counts an error that a listener throws to the code that called it. */
export const countThrown = (error: unknown): void => {
  thrown = error;
  count("listener_error");
};

/** Keeps no error longer than it may come. */
export const forgetThrown = (): void => {
  thrown = count;
};

/** Counts what nobody catches from here on. */
export const watchFaults = (): void => {
  keepListening("error", (event) => {
    // Only errors of scripts: those of resources do not bubble up to here.
    if (event.isTrusted && !reporting && event.error !== thrown) count("uncaught");
  });
  // Not asked for `isTrusted`, which WebKit leaves false here.
  keepListening("unhandledrejection", (event) => {
    const { promise } = event as Partial<PromiseRejectionEvent>;
    if (promise) count("unhandled_rejection");
  });
};
