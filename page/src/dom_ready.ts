// When the document is parsed: a phase of the app's start.

import { now, stamp } from "./clock.js";
import { keepListening } from "./dom_listeners.js";
import { send } from "./outbox.js";

/** Tells the host when the document is parsed; of a document that is opened anew it takes the first. */
export const watchDom = (): void =>
  keepListening(
    "DOMContentLoaded",
    (event) => {
      // A page can dispatch events of this name itself.
      if (event.isTrusted) send(`{"kind":"dom_ready","at":${stamp(now())}}`);
    },
    true,
  );
