// The measuring half of the page script, for a page whose messages another layer carries.
//
// `build.mjs` makes this one expression, which an adapter calls with its `ObserveConfig` at the start
// of the document, before any code of the page. What it measures goes to the adapter's `send`.

import { keepListening, surviveOpen } from "../dom_listeners.js";
import { watchDom } from "../dom_ready.js";
import { watchFaults } from "../error_counts.js";
import * as life from "../lifecycle.js";
import { watchLongTasks } from "../long_tasks.js";
import { watchMarks } from "../marks.js";
import { bare, freeze, listen, page } from "../primordials.js";
import { record } from "../record.js";
import { currentSpan, ofNow, runIn, traceIn } from "../spans.js";
import { watchVitals } from "../vitals.js";
import type { PageObserver, PageSpan } from "./api.js";
import { beginCall, call } from "./calls.js";
import { MARKS } from "./config.js";
import { acknowledge, delivered, listener } from "./listeners.js";
import { endTurn, flush, flushLeaving, schedule } from "./outbox.js";

const start = (): void => {
  // It is in the first report without a word.
  life.onRestart(schedule);
  life.restart();
  watchFaults();
  watchDom();
  const finishVitals = watchVitals();
  watchLongTasks();
  if (MARKS) watchMarks();
  keepListening("pageshow", (event) => {
    if (event.isTrusted && event.persisted) life.restart();
  });
  const leave = (): void => {
    finishVitals();
    endTurn();
    flushLeaving();
    life.leave();
  };
  keepListening(
    "pagehide",
    // Added while the event is being captured, so it runs after the page's own listeners.
    (event) => event.isTrusted && listen("pagehide", leave, bare({ once: true })),
    true,
  );
  keepListening(
    "visibilitychange",
    // Hidden pages have slow timers, or none. Behind the vitals that are reported now.
    (event) => {
      if (!event.isTrusted) return;
      endTurn();
      flush();
    },
    true,
  );
  surviveOpen();
};

const bound = (span: number): PageSpan =>
  freeze({
    run: <R>(fn: () => R): R => runIn(ofNow(span), fn),
    trace: <R>(name: string, fn: (span: PageSpan) => R): R => traceIn(span, name, fn, bound),
  });

// A frame is no page of its own: there, everything runs and nothing is reported.
if (page.top === page.self) start();

// `build.mjs` declares it and returns it.
declare let observer: PageObserver;
observer = freeze({
  beginCall,
  call,
  listener,
  delivered,
  acknowledge,
  trace: <R>(name: string, fn: (span: PageSpan) => R): R => traceIn(currentSpan(), name, fn, bound),
  record,
  flush: () => {
    endTurn();
    flush();
  },
});
