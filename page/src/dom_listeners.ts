// The script's own listeners on the window, which outlive a `document.open()`: that takes all listeners
// off the window, and the page goes on.

import { append, apply, defineProperty, list, listen, page } from "./primordials.js";

interface Kept {
  readonly type: string;
  readonly run: (event: never) => void;
  readonly capture: boolean;
}

type Events = WindowEventMap & DocumentEventMap;

const kept = list<Kept>();

/** Listens for as long as the page is there. */
export const keepListening = <Type extends keyof Events>(
  type: Type,
  run: (event: Events[Type]) => void,
  capture = false,
): void => {
  append(kept, { type, run, capture });
  listen(type, run as (event: Event) => void, capture);
};

// To add a listener that is there already changes nothing.
const renew = (): void => {
  for (let at = 0; at < kept.length; at++) {
    const { type, run, capture } = kept[at] as Kept;
    listen(type, run as (event: Event) => void, capture);
  }
};

/** Has the listeners put back when the document is opened anew. */
export const surviveOpen = (): void => {
  // Whoever opens it, `document.write` too: its root goes, which is told at the end of the turn.
  new MutationObserver(renew).observe(page.document, { childList: true });
  // At once, since what is written next runs within the same turn.
  const { open } = Document.prototype as unknown as { open: (...args: unknown[]) => unknown };
  defineProperty(Document.prototype, "open", {
    value: function (this: unknown, ...args: unknown[]): unknown {
      const opened = apply(open, this, args) as unknown;
      renew();
      return opened;
    },
    writable: true,
    configurable: true,
    enumerable: true,
  });
};
