// The UI thread: while it is kept, nothing is painted, sent or received.

import { above, and, binary, type Expr, number, quantile, sum, sumWithout } from "../promql.js";
import { TARGET } from "../server.js";
import { isNot, type SeriesOf } from "../series.js";
import type { Finding } from "./finding.js";
import { OPERATIONS } from "../outcomes.js";
import { AN_EVENT, ERROR, EVENT, OPERATION, WEBVIEW } from "./labels.js";
import { BLAMED_MIN, BLOCKING_MIN, FELT_S, LATE_BY_OTHERS_S } from "./thresholds.js";

const HANDLER = "spanwire.ipc.handler.duration";
const OF_OPERATION = [...TARGET, OPERATION];
const OF_EVENT = [...TARGET, WEBVIEW, EVENT];
const handled = (of: SeriesOf): Expr => sum(of.grown(HANDLER, {}, "_count"), ...OF_EVENT);
const DELAY = "spanwire.main_thread.delay";
const WAITS = ["delivery-slow", "queue-waits", "way-to-host-slow", "way-to-page-slow", "page-unresponsive"];

export const UI_THREAD: readonly Finding[] = [
  {
    id: "ui-thread-hung",
    question: "Does the UI thread come at all?",
    stage: "ui thread",
    severity: "critical",
    says: "the UI thread was woken and did not come",
    unit: "{}",
    // While there is a page each scrape wakes the thread, so the count rises with each.
    evidence: ({ short }) =>
      and(
        binary(short.increase(DELAY, {}, "_count"), "==", number(0)),
        // Without a page nothing wakes the thread, and a count that does not rise means nothing.
        above(sum(short.gauge("spanwire.page.state", { "spanwire.page.state": isNot("gone") }), ...TARGET), 0),
        TARGET,
      ),
    explains: [
      { ids: [...WAITS, "calls-unsettled", "messages-dropped", "queue-nearly-full", "ui-thread-blocked"], same: [] },
    ],
    remedy:
      "take a stack trace of the app's main thread (gdb -p, sample, WinDbg): what it waits for is the cause, most often a lock or a join in a handler",
    alert: {
      name: "SpanwireMainThreadHung",
      summary: "The UI thread of {{ $labels.instance }} hangs",
      description: "It was woken and has not come for 2 minutes: the window does not react.",
    },
  },
  {
    id: "ui-thread-blocked",
    question: "What keeps the UI thread from its work?",
    stage: "ui thread",
    severity: "warning",
    says: "one of 20 wakes of the UI thread waited {value} or longer",
    unit: "s",
    evidence: ({ recent }) => above(quantile(0.95, recent.rate(DELAY, {}, "_bucket")), FELT_S),
    culprit: {
      says: `handlers of ${AN_EVENT} (webview {${WEBVIEW}}) kept it for {value} of the time`,
      unit: "1",
      expr: ({ recent }) =>
      and(
        and(
          above(sumWithout(recent.rate(HANDLER, {}, "_sum"), ERROR), BLAMED_MIN),
          // An async handler is on it until its first await at most, and is blamed for no time that it waits.
          above(
            binary(recent.grown("spanwire.main_thread.blocked"), "/", above(handled(recent), 0), { on: OF_EVENT }),
            BLOCKING_MIN,
          ),
          OF_EVENT,
        ),
        // A short handler that waits for a core keeps the thread from little.
        above(recent.mean(HANDLER, OF_EVENT), FELT_S / 2),
        OF_EVENT,
      ),
    },
    explains: [
      { ids: WAITS, same: [] },
      { ids: ["handler-slow"], same: [EVENT] },
    ],
    remedy:
      "move the handler's work off the UI thread: Ipc::on_async or on_deferred, in Tauri an async command; if no handler is named, the app blocks it elsewhere, in its event loop or a window's callback",
    trace: { tags: { "spanwire.thread": "main" }, isSlow: true },
    alert: {
      name: "SpanwireMainThreadBlocked",
      summary: "The UI thread of {{ $labels.instance }} is kept from its work",
      description:
        "One of 20 wakes of the UI thread waited {{ $value | humanizeDuration }} or longer: the window reacts late.",
    },
  },
  {
    // Metrics do not say on which thread an operation runs.
    id: "operation-meanwhile",
    question: "Which operation runs while the UI thread is blocked?",
    stage: "ui thread",
    severity: "warning",
    says: `the UI thread comes late, and meanwhile operation {${OPERATION}} takes {value} each time`,
    unit: "s",
    evidence: ({ recent }) => {
      const late = above(quantile(0.95, sum(recent.rate(DELAY, {}, "_bucket"), ...TARGET, "le")), LATE_BY_OTHERS_S);
      const long = above(recent.mean(OPERATIONS, OF_OPERATION), FELT_S);
      const share = above(sum(recent.rate(OPERATIONS, {}, "_sum"), ...OF_OPERATION), BLAMED_MIN);
      return and(and(long, share, OF_OPERATION), late, TARGET);
    },
    explains: [
      { ids: ["ui-thread-blocked"], same: [], ifUnblamed: true },
      { ids: ["operation-slow"], same: [OPERATION] },
    ],
    remedy:
      "its spans say whether it runs on the thread main: then move it to a thread of its own; otherwise the app blocks the UI thread elsewhere",
    trace: { operation: `{${OPERATION}}` },
  },
];

