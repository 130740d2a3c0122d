// What the page tells of itself whenever it changes: whether anything listens to what the host emits,
// whether it can be seen, and whether it is still being loaded. By the first the host tells a page that
// is quiet from one that is dead, by the last what came late for the page was not there yet.

import { keepListening } from "./dom_listeners.js";
import { onTurn, schedule, send } from "./outbox.js";
import { page } from "./primordials.js";

let listens = false;
let toldListens = false;
let toldVisible = true;
/** Its scripts have yet to run, so that events wait for them. */
export let loading = page.document.readyState === "loading";
let toldLoading = false;

const isVisible = (): boolean => page.document.visibilityState !== "hidden";

onTurn(() => {
  const visible = isVisible();
  if (listens === toldListens && visible === toldVisible && loading === toldLoading) return;
  toldListens = listens;
  toldVisible = visible;
  toldLoading = loading;
  send(`{"kind":"state","listens":${listens},"visible":${visible}${loading ? ',"loading":true' : ""}}`);
});

/** The document's scripts have run. */
export const loaded = (): void => {
  loading = false;
  schedule();
};

/**
 * A generation begins, of which the host takes it that nothing listens yet and that it is seen. That it
 * is loading stands in its first message.
 */
export const beginState = (): void => {
  toldLoading = loading;
  toldListens = false;
  toldVisible = true;
  schedule();
};

/** A listener came or went. */
export const listening = (any: boolean): void => {
  if (any === listens) return;
  listens = any;
  schedule();
};

/** Tells when the page is hidden, and when it can be seen again. */
export const watchVisibility = (): void => keepListening("visibilitychange", schedule, true);
