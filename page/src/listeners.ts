// Who listens to what the host emits.

import type { Off } from "./api.js";
import { ackRun } from "./acks.js";
import { now } from "./clock.js";
import { markHosts } from "./compat.js";
import { COMPAT } from "./config.js";
import { fault } from "./error_counts.js";
import { jsonName } from "./names.js";
import { append, bare, CustomEvent, defineProperty, dispatch, list, type List, OwnMap, stringify, TypeError } from "./primordials.js";
import { listening } from "./state.js";
import { tally } from "./tally.js";

// Its data is whatever its event carries, which the public types tell.
type Listener = (data: never) => void;

const listeners = new OwnMap<string, List<Listener>>();

// A new list each time: the one in use may be running.
const without = (event: string, listener: Listener): List<Listener> => {
  const rest = list<Listener>();
  const all = listeners.get(event);
  for (let at = 0; all && at < all.length; at++) {
    const other = all[at] as Listener;
    if (other !== listener) append(rest, other);
  }
  return rest;
};

export const on = (event: string, listener: Listener): Off => {
  jsonName(event);
  if (typeof listener !== "function") throw new TypeError("a listener is a function");
  const all = without(event, listener);
  append(all, listener);
  listeners.set(event, all);
  listening(true);
  return () => off(event, listener);
};

export const off = (event: string, listener: Listener): void => {
  const rest = without(event, listener);
  if (rest.length) listeners.set(event, rest);
  else listeners.delete(event);
  listening(listeners.size > 0);
};

// One for all: to make an object without a prototype costs as much as the event.
const init: { detail: unknown } = bare({ detail: undefined });
const nothing = (): unknown => undefined;
const reading: PropertyDescriptor = bare({ get: nothing, enumerable: true, configurable: true });

/** Runs an event through its listeners; returns when they were done. */
export const deliver = (id: number, event: string, data: unknown, begin: number): number => {
  const all = listeners.get(event);
  for (let at = 0; all && at < all.length; at++) {
    // By a name of its own, or the list would be its `this`.
    const listener = all[at] as Listener;
    try {
      listener(data as never);
    } catch (error) {
      fault("listener_error", error, stringify(event));
    }
  }
  init.detail = data;
  const custom = new CustomEvent(event, init);
  init.detail = undefined;
  // The engine does not tell who listens on the window, but whoever wants the data reads it. Without
  // data there is nothing to see, and the event passes for heard.
  let isHeard = all !== undefined || data === null || data === undefined;
  if (!isHeard) {
    reading.get = () => {
      isHeard = true;
      return data;
    };
    defineProperty(custom, "detail", reading);
    // The data is not held beyond the event.
    reading.get = nothing;
  }
  if (COMPAT) markHosts(custom);
  // A listener that throws here ends at window's `error`, not with us.
  dispatch(custom);
  if (!isHeard) tally(`"kind":"unheard","event":${stringify(event)}`);
  const end = now();
  ackRun(id, begin, end);
  return end;
};
