// The page's end of the wire (docs/reference/wire.md), put together.
//
// `build.mjs` makes this one expression, which the host calls with its `Config` at the start of
// each document, before any code of the page. No timer runs while nothing is on its way.

import type { InvokeOptions, Spanwire } from "./api.js";
import { bound } from "./bound_span.js";
import { abandon, invoke } from "./calls.js";
import { watchDispatch } from "./compat.js";
import { COMPAT, MARKS } from "./config.js";
import { keepListening, surviveOpen } from "./dom_listeners.js";
import { watchDom } from "./dom_ready.js";
import { refusal } from "./error.js";
import { watchFaults } from "./error_counts.js";
import { emit } from "./events.js";
import { receive, release, releaseIfLoaded } from "./inbox.js";
import * as life from "./lifecycle.js";
import { off, on } from "./listeners.js";
import { watchLongTasks } from "./long_tasks.js";
import { watchMarks } from "./marks.js";
import { abandonEvents, endTurn, flush, send } from "./outbox.js";
import { hasHost, unheard } from "./transport.js";
import { bare, complain, defineProperty, freeze, type List, listen, page, Promise } from "./primordials.js";
import { record } from "./record.js";
import { exportSpans } from "./sdk_spans.js";
import { currentSpan, traceIn } from "./spans.js";
import { beginState, loading, watchVisibility } from "./state.js";
import { watchVitals } from "./vitals.js";

/** By the numbers that engines have for them. */
const NAVIGATIONS: List<string> = bare(["navigate", "reload", "back_forward"]);

const start = (): void => {
  // Known from the first statement on, which the entry of the timeline is not.
  let navigation: string | undefined = NAVIGATIONS[performance.navigation?.type];
  life.onRestart(() => {
    const type = navigation ? `,"type":"${navigation}"` : "";
    send(`{"kind":"ready"${type}${loading ? ',"loading":true' : ""}}`);
    beginState();
  });
  if (unheard) {
    life.end({ code: "BACKEND_GONE", message: unheard });
    complain(`spanwire: ${unheard}`);
  } else {
    life.restart();
    watchFaults();
    watchVisibility();
    watchDom();
    const finishVitals = watchVitals();
    watchLongTasks();
    if (MARKS) watchMarks();
    if (COMPAT) watchDispatch();

    // A page can dispatch events of these names itself, hence `isTrusted`.
    keepListening("DOMContentLoaded", (event) => event.isTrusted && release());
    // It does not bubble, so nothing of the page's comes before this.
    keepListening("readystatechange", releaseIfLoaded, true);
    keepListening("pageshow", (event) => {
      if (!event.isTrusted || !event.persisted) return;
      abandon("CANCELLED", "the page went away");
      // From the page cache.
      navigation = NAVIGATIONS[2];
      life.restart();
    });
    const leave = (): void => {
      finishVitals();
      endTurn();
      abandonEvents();
      flush();
      send('{"kind":"leave"}');
      flush();
      life.leave();
    };
    keepListening(
      "pagehide",
      // Added while the event is being captured, so it runs after the page's own listeners, and
      // what these send still goes out.
      (event) => event.isTrusted && listen("pagehide", leave, bare({ once: true })),
      true,
    );
    surviveOpen();
  }

  // The host knows this page from the first statement on; nothing is left to wait for.
  const ready = Promise.resolve();
  const ended = ({ code, message }: life.Ending) =>
    new Promise<never>((_, reject) => reject(refusal(code, message)));
  const spanwire: Spanwire = {
    invoke: ((event: string, data?: unknown, options?: InvokeOptions) =>
      invoke(event, data, options, currentSpan())) as Spanwire["invoke"],
    emit: ((event: string, data?: unknown) => emit(event, data, currentSpan())) as Spanwire["emit"],
    on,
    off,
    trace: (name, fn) => traceIn(currentSpan(), name, fn, bound),
    record,
    exportSpans,
    isAvailable: () => !life.ending,
    whenReady: () => (life.ending ? ended(life.ending) : ready),
  };
  defineProperty(page, "spanwire", { value: freeze(spanwire), enumerable: true });
  defineProperty(page, "__spanwire__", { value: receive });
};

if (page.top === page.self && hasHost && !("__spanwire__" in page)) start();
