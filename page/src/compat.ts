// Events that the page dispatches, on its window or any other target, forwarded to the host: for pages
// that were written for a wire which works that way.

import { fault } from "./error_counts.js";
import { emit } from "./events.js";
import { isName } from "./names.js";
import { apply, CustomEvent, defineProperty, getter, nativeDispatch, OwnWeakSet, page } from "./primordials.js";
import { currentSpan } from "./spans.js";

const detailOf = getter<unknown>(CustomEvent.prototype, "detail");
const typeOf = getter<string>(Event.prototype, "type");
const phaseOf = getter<number>(Event.prototype, "eventPhase");
const fromHost = new OwnWeakSet<unknown>();

/** Marks an event as the host's: it never goes back there. */
export const markHosts = (event: Event): void => fromHost.add(event);

const forward = (event: unknown): void => {
  let detail: unknown;
  let type: string;
  try {
    // Throws for what is no CustomEvent.
    detail = detailOf(event) ?? {};
    type = typeOf(event);
    if (phaseOf(event) || fromHost.has(event) || !isName(type)) return;
  } catch {
    return;
  }
  try {
    emit(type, detail, currentSpan());
  } catch (error) {
    // The page's `dispatchEvent` must not throw for it.
    fault("uncaught", error);
  }
};

/** Puts itself before the `dispatchEvent` of every target. */
export const watchDispatch = (): void => {
  const dispatchEvent = function (this: unknown, ...args: [Event]): boolean {
    if (args.length) forward(args[0]);
    return apply(nativeDispatch, this ?? page, args);
  };
  defineProperty(EventTarget.prototype, "dispatchEvent", {
    value: dispatchEvent,
    writable: true,
    configurable: true,
    enumerable: true,
  });
};
