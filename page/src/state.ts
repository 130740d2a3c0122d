// What the page tells of itself whenever it changes: whether anything listens to what the host emits,
// and whether it can be seen. By the first the host tells a page that is quiet from one that is dead.

import { keepListening } from "./dom_listeners.js";
import { onTurn, schedule, send } from "./outbox.js";
import { page } from "./primordials.js";

let listens = false;
let toldListens = false;
let toldVisible = true;

const isVisible = (): boolean => page.document.visibilityState !== "hidden";

onTurn(() => {
  const visible = isVisible();
  if (listens === toldListens && visible === toldVisible) return;
  toldListens = listens;
  toldVisible = visible;
  send(`{"kind":"state","listens":${listens},"visible":${visible}}`);
});

/** A generation begins, of which the host takes it that nothing listens yet and that it is seen. */
export const beginState = (): void => {
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
