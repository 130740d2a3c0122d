// The page: whether it is there, and what its thread does.

import { above, and, binary, call, type Expr, larger, number, quantile, sum, sumWithout } from "../promql.js";
import { overTime } from "../rules/rule.js";
import { label } from "../semconv.js";
import { TARGET } from "../server.js";
import { is, isNot, oneOf, type SeriesOf } from "../series.js";
import type { Explanation, Finding } from "./finding.js";
import { AN_EVENT, ERROR, EVENT, IN_A_WEBVIEW, LOAD, QUEUE, WEBVIEW } from "./labels.js";
import { BLAMED_MIN, FAILURES_MIN, FELT_S, RELOADS_MIN, SATURATED } from "./thresholds.js";

const STATE = "spanwire.page.state";
const PAGE_STATE = label(STATE);
const PROCESS = "spanwire.ipc.process.duration";
const LONG_TASKS = "spanwire.page.long_task.duration";
const IN_WEBVIEW = `webview {{ $labels.${WEBVIEW} }} of {{ $labels.instance }}`;
const inState = (...states: string[]) => ({ [STATE]: states.length > 1 ? oneOf(...states) : is(states[0]!) });
/** Seconds a second. */
const spent = (of: SeriesOf, name: string): Expr => sum(of.rate(name, {}, "_sum"), ...TARGET, WEBVIEW);
const LATE = ["delivery-slow", "way-to-page-slow", "page-unresponsive"];
const LOST = ["delivery-failed", "messages-dropped", ...LATE];

/** The queue of a wire has its webview's name. */
const ITS_QUEUE: Explanation = { ids: ["queue-nearly-full"], same: [WEBVIEW], as: { [WEBVIEW]: QUEUE } };

/** A window that was closed on purpose stays gone for good: 15 minutes are enough to tell. */
const WAS_THERE_S = 900;

export const PAGE: readonly Finding[] = [
  {
    id: "page-gone",
    question: "Is the page there?",
    stage: "page",
    severity: "warning",
    says: `the page of ${IN_A_WEBVIEW} went away and no other came`,
    unit: "{}",
    evidence: ({ recent, text }) =>
      sumWithout(
        and(
          binary(recent.gauge(STATE, inState("gone")), "==", number(1)),
          binary(
            overTime("max_over_time", recent.gauge(STATE, inState("ready", "unresponsive")), text(WAS_THERE_S)),
            "==",
            number(1),
          ),
          [...TARGET, WEBVIEW],
        ),
        PAGE_STATE,
      ),
    explains: [
      ITS_QUEUE,
      { ids: [...LOST, "page-errors"], same: [WEBVIEW] },
    ],
    remedy:
      "spanwire_page_errors_total says why: page_crashed is the webview's process (memory, a graphics driver), forbidden_origin a page that is not the app's; load the page anew",
    alert: {
      name: "SpanwirePageGone",
      summary: `The page in ${IN_WEBVIEW} is gone`,
      description:
        "It was there within the last 15 minutes; its process ended, it was turned away, or its window was closed, and no other took its place.",
    },
  },
  {
    id: "page-reloading",
    question: "Is the page loaded again and again?",
    stage: "page",
    severity: "critical",
    says: `the page of ${IN_A_WEBVIEW} was loaded anew {value} times`,
    unit: "{}",
    evidence: ({ recent }) =>
      binary(
        sumWithout(recent.grown("spanwire.page.loads", { "spanwire.page.load.type": isNot("first") }), LOAD),
        ">=",
        number(RELOADS_MIN),
      ),
    culprit: {
      says: `{value} of them were {${LOAD}}`,
      unit: "{}",
      expr: ({ recent }) =>
        above(recent.grown("spanwire.page.loads", { "spanwire.page.load.type": isNot("first") }), 0),
    },
    explains: [
      ITS_QUEUE,
      { ids: LOST, same: [WEBVIEW] },
    ],
    remedy:
      "reload: the page's script or a dev server calls location.reload, often in answer to an error; recovery: the page crashes and the app loads it again; navigate: a link or a redirect leads back to it",
    alert: {
      name: "SpanwirePageReloadLoop",
      summary: `The page in ${IN_WEBVIEW} is loaded again and again`,
      description:
        `It was loaded anew at least ${RELOADS_MIN} times in the last 5 minutes. With each load the page's state is lost, and so are replies and events on their way.`,
    },
  },
  {
    id: "page-inert",
    question: "Does the page's own script run?",
    stage: "page",
    severity: "critical",
    says: `the page of ${IN_A_WEBVIEW} answers, and its own script has done nothing since it was loaded`,
    unit: "{}",
    evidence: ({ recent }) => above(recent.gauge("spanwire.page.inert"), 0),
    remedy:
      "look at what the app served: a bundle that is missing, a script that the content security policy refused, an empty document; spanwire_page_errors_total with uncaught says that a script threw while it was loaded",
    alert: {
      name: "SpanwirePageInert",
      summary: `The page in ${IN_WEBVIEW} does nothing`,
      description:
        "It answers, and its own script has called nothing, emitted nothing and listened to nothing since it was loaded: its document is empty, or its code did not run.",
    },
  },
  {
    id: "page-thread-saturated",
    question: "What keeps the page's thread?",
    stage: "page",
    severity: "warning",
    says: `the page's thread in ${IN_A_WEBVIEW} is busy for {value} of the time`,
    unit: "1",
    // Short runs of listeners are no long tasks, and what is no listener's is in these alone.
    evidence: ({ recent }) =>
      above(
        call("clamp_max", larger(spent(recent, PROCESS), spent(recent, LONG_TASKS), ...TARGET, WEBVIEW), 1),
        SATURATED,
      ),
    culprit: {
      says: `listeners of ${AN_EVENT} take {value}`,
      unit: "1",
      // Replies that come in one script end together, so their times overlap.
      expr: ({ recent }) => call("clamp_max", above(recent.rate(PROCESS, {}, "_sum"), BLAMED_MIN), 1),
    },
    explains: [
      { ids: LATE, same: [WEBVIEW] },
      { ids: ["listener-slow"], same: [WEBVIEW] },
    ],
    remedy:
      "if no listener is named, it is a timer, layout or another script of the page, which the browser's profiler names; otherwise do less in that listener: send fewer messages of the event (emit_latest keeps only the newest), update the document once a frame, move work to a Web Worker",
    trace: { operation: `process ${AN_EVENT}`, isSlow: true },
    alert: {
      name: "SpanwirePageThreadSaturated",
      summary: `The page's thread in ${IN_WEBVIEW} is saturated`,
      description:
        "It is busy for {{ $value | humanizePercentage }} of the time: what is sent to the page waits, and the window reacts late.",
    },
  },
  {
    id: "listener-slow",
    question: "Which listener makes the page stutter?",
    stage: "page",
    severity: "warning",
    says: `listeners of ${AN_EVENT} in ${IN_A_WEBVIEW} take {value} on average`,
    unit: "s",
    evidence: ({ recent }) =>
      and(
        above(recent.mean(PROCESS, [...TARGET, WEBVIEW, EVENT]), FELT_S),
        binary(sum(recent.increase(PROCESS, {}, "_count"), ...TARGET, WEBVIEW, EVENT), ">=", number(FAILURES_MIN)),
      ),
    explains: [{ ids: LATE, same: [WEBVIEW] }],
    remedy: "split the work into pieces shorter than a frame, or move it to a Web Worker",
    trace: { operation: `process ${AN_EVENT}`, isSlow: true },
  },
  {
    id: "page-errors",
    question: "What goes wrong on the page?",
    stage: "page",
    severity: "warning",
    says: `{value} errors of type {${ERROR}} on the page of ${IN_A_WEBVIEW}`,
    unit: "{}",
    // All of a type: an error in code that many listeners share is rare in each of them.
    evidence: ({ recent }) =>
      binary(sumWithout(recent.grown("spanwire.page.errors"), EVENT), ">=", number(FAILURES_MIN)),
    culprit: {
      says: `{value} of them in listeners of ${AN_EVENT}`,
      unit: "{}",
      expr: ({ recent }) => above(recent.grown("spanwire.page.errors", { "spanwire.ipc.event": isNot("") }), 0),
    },
    remedy:
      "listener_error, uncaught, unhandled_rejection: the page's console has the error and its line, and the event says whose listener to read; other types: docs/reference/telemetry.md says of each what the page did",
  },
  {
    id: "page-unresponsive",
    question: "Does the page answer?",
    stage: "page",
    severity: "critical",
    says: `the page of ${IN_A_WEBVIEW} was sent something and gives no sign of life`,
    unit: "{}",
    evidence: ({ recent }) =>
      sumWithout(binary(recent.gauge(STATE, inState("unresponsive")), "==", number(1)), PAGE_STATE),
    explains: [
      ITS_QUEUE,
      { ids: ["delivery-slow", "way-to-page-slow", "messages-dropped"], same: [WEBVIEW] },
    ],
    remedy:
      "its script is in an endless loop, its process is stopped, or the engine hangs; the last process spans of that webview say which listener began and did not end; reload the page",
    alert: {
      name: "SpanwirePageUnresponsive",
      summary: `The page in ${IN_WEBVIEW} does not answer`,
      description:
        "It was sent something and gave no sign of life. Messages wait, and nothing is sent again by time alone.",
    },
  },
  {
    id: "page-hidden",
    question: "Is the page late because its window is hidden?",
    stage: "page",
    severity: "warning",
    says: `the window of ${IN_A_WEBVIEW} is hidden, and its engine holds the page back: deliveries wait {value}`,
    unit: "s",
    evidence: ({ recent }) =>
      and(
        above(quantile(0.95, sum(recent.rate("spanwire.ipc.delivery.duration", {}, "_bucket"), ...TARGET, WEBVIEW, "le")), FELT_S),
        binary(recent.gauge("spanwire.page.visible"), "==", number(0)),
        [...TARGET, WEBVIEW],
      ),
    explains: [{ ids: LATE, same: [WEBVIEW] }],
    remedy: "no fault where the user hid the window; send less to a hidden page, and the newest when it is shown again",
  },
];
