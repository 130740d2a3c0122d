// Messages: whose handler is slow or fails, what is dropped, what there is too much of.

import { DROPPED, JUDGED, MESSAGES } from "../outcomes.js";
import {
  above,
  and,
  binary,
  type Expr,
  number,
  or,
  quantile,
  scalar,
  sum,
  sumWithout,
  times as scaled,
} from "../promql.js";
import { aboveThreshold, ERROR_RATE, SLOW_MESSAGE } from "../rules/rule.js";
import { errorType } from "../semconv.js";
import { TARGET } from "../server.js";
import { is, oneOf, type SeriesOf, type Where } from "../series.js";
import type { Finding, Lookback } from "./finding.js";
import { AN_EVENT, DIRECTION, ERROR, EVENT, IN_A_WEBVIEW, QUEUE, WEBVIEW } from "./labels.js";
import {
  CALLS_PER_S,
  FAILURES_MIN,
  FELT_S,
  FLOOD_PER_S,
  GROWN,
  GROWN_RATE_MIN,
  GROWN_SIZE_MIN,
  LARGE_BYTES,
  TIMED_MIN,
  TIMED_OUT_MIN,
  PILED_UP_MIN,
  PILED_UP_S,
  UNSETTLED_S,
  WITHDRAWN_MIN,
} from "./thresholds.js";

const HANDLER = "spanwire.ipc.handler.duration";
const CALL = "spanwire.ipc.call.duration";
const DELIVERY = "spanwire.ipc.delivery.duration";
const TRANSIT = "spanwire.ipc.transit.duration";
const SIZE = "spanwire.ipc.event.size";
const WAIT = "spanwire.queue.wait.duration";
const OF_EVENT = [...TARGET, WEBVIEW, EVENT];
const OF_MESSAGES = [...TARGET, WEBVIEW, DIRECTION, EVENT];
const IN_WEBVIEW = `webview {{ $labels.${WEBVIEW} }} of {{ $labels.instance }}`;
const LATE = ["delivery-slow", "queue-waits", "way-to-host-slow", "way-to-page-slow"];

/** What the page sent and the host refused before any handler of it ran. */
const REFUSED = [
  "unknown_event",
  "malformed",
  "too_large",
  "too_deep",
  "invalid_name",
  "forbidden",
  "forbidden_origin",
  "stale_generation",
  "duplicate",
  "over_credit",
].map(errorType);
/** What became of a handler. A call that timed out is one that gets no answer, and has a finding of its own. */
const HANDLERS = ["handler_error", "panic", "handler_dropped"].map(errorType);

/** A p95 of what is enough to have one. */
function late({ recent }: Lookback, name: string, by: readonly string[], where: Where = {}): Expr {
  // A p95 of three messages is the slowest one, and says nothing of the others.
  const enough = binary(sum(recent.increase(name, where, "_count"), ...by), ">=", number(TIMED_MIN));
  return and(quantile(0.95, recent.buckets(name, by, where)), enough);
}

/** The same with the first of an event, which is the slow one where something is loaded for it. */
function lateFromTheFirst({ recent }: Lookback, name: string, by: readonly string[]): Expr {
  const enough = binary(sum(recent.grown(name, {}, "_count"), ...by), ">=", number(TIMED_MIN));
  return and(quantile(0.95, sum(recent.grown(name, {}, "_bucket"), ...by, "le")), enough);
}

/** The share of an event's messages that went wrong so, where it is one to speak of. */
function failing({ recent }: Lookback, where: Where): Expr {
  const failed = sum(recent.grown(MESSAGES, where), ...OF_MESSAGES, ERROR);
  const all = above(sum(recent.grown(MESSAGES, JUDGED), ...OF_MESSAGES), 0);
  const share = binary(failed, "/", all, { on: OF_MESSAGES, groupLeft: [] });
  return and(aboveThreshold(share, ERROR_RATE), binary(failed, ">=", number(FAILURES_MIN)));
}

/** How often it grew, where it was there before and its process too. */
function grown(of: Lookback, now: Expr, before: Expr, least: number, by: readonly string[]): Expr {
  // Above zero: what was not there before has not grown, and a division by zero is infinite.
  const factor = binary(now, "/", above(before, 0), { on: by });
  const isOld = binary(of.recent.gauge("process.uptime"), ">", scalar(of.beforeS));
  return and(and(above(factor, GROWN), above(now, least), by), isOld, TARGET);
}

/** Calls that timed out, where they are many of all, and calls that the page still waits for. */
function unsettled({ recent, seconds }: Lookback): Expr {
  // Without the label: the calls on the other side of the comparison have none.
  const timeouts = sumWithout(recent.grown(CALL, { "error.type": is(errorType("timeout")) }, "_count"), ERROR);
  const calls = sumWithout(recent.increase(CALL, {}, "_count"), ERROR);
  const inVain = and(
    binary(timeouts, ">=", number(FAILURES_MIN)),
    binary(timeouts, ">", scaled(calls, TIMED_OUT_MIN)),
  );
  // A call that is still open is in no histogram, so its age is asked for.
  const age = recent.gauge("spanwire.ipc.call.age");
  const pile = and(above(age, PILED_UP_S), binary(recent.gauge("spanwire.ipc.call.active"), ">=", number(PILED_UP_MIN)));
  return or(inVain, pile, above(age, seconds(UNSETTLED_S)));
}

/** The share of an event's calls that the page withdrew before they were answered. */
function withdrawn({ recent }: Lookback): Expr {
  const cancelled = sum(recent.grown(CALL, { "error.type": is(errorType("cancelled")) }, "_count"), ...OF_EVENT);
  const calls = above(sum(recent.grown(CALL, {}, "_count"), ...OF_EVENT), 0);
  return and(above(binary(cancelled, "/", calls), WITHDRAWN_MIN), binary(cancelled, ">=", number(TIMED_MIN)));
}

const rate = (of: SeriesOf, name: string): Expr => sum(of.rate(name), ...OF_MESSAGES);

/** The mean size of an event's messages. */
const meanSize = (of: SeriesOf): Expr => of.mean(SIZE, OF_MESSAGES);

export const MESSAGE: readonly Finding[] = [
  {
    id: "event-flood",
    question: "Is there too much of something?",
    stage: "wire",
    severity: "warning",
    says: `{value} messages of ${AN_EVENT} ({${DIRECTION}}, ${IN_A_WEBVIEW})`,
    unit: "{}/s",
    evidence: ({ recent }) => above(rate(recent, MESSAGES), FLOOD_PER_S),
    explains: [
      { ids: [...LATE, "queue-nearly-full"], same: [] },
      { ids: ["messages-dropped", "page-unresponsive"], same: [WEBVIEW] },
      { ids: ["ui-thread-blocked"], same: [], ifUnblamed: true },
      {
        ids: [
          "ui-thread-blocked",
          "page-thread-saturated",
          "event-rate-grown",
          "listener-slow",
          "input-refused",
          "calls-in-a-loop",
        ],
        same: [EVENT],
      },
    ],
    remedy:
      "send less: once a frame, in one message for many, or emit_latest, which keeps only the newest; the span's code.file.path and code.line.number name the line that sends it",
    trace: { operation: `send ${AN_EVENT}` },
  },
  {
    id: "calls-in-a-loop",
    question: "Is one question asked in many calls?",
    stage: "wire",
    severity: "warning",
    says: `{value} calls of ${AN_EVENT} in ${IN_A_WEBVIEW}`,
    unit: "{}/s",
    evidence: ({ recent }) => above(sum(recent.rate(CALL, {}, "_count"), ...OF_EVENT), CALLS_PER_S),
    explains: [
      { ids: LATE, same: [] },
      { ids: ["event-rate-grown", "page-thread-saturated", "listener-slow"], same: [EVENT] },
      { ids: ["ui-thread-blocked"], same: [], ifUnblamed: true },
    ],
    remedy:
      "the page calls once for each item of a list (N+1): have one call ask for all, or ask only for the shown items",
    trace: { operation: AN_EVENT },
  },
  {
    id: "event-rate-grown",
    question: "What is there more of than before?",
    stage: "wire",
    severity: "warning",
    says: `${AN_EVENT} ({${DIRECTION}}, ${IN_A_WEBVIEW}) comes {value} times as often as before`,
    unit: "{}",
    evidence: (of) => grown(of, rate(of.recent, MESSAGES), rate(of.before, MESSAGES), GROWN_RATE_MIN, OF_MESSAGES),
    remedy:
      "look at what changed: a listener that was registered twice, a loop of emit and answer, a timer that was not cleared; spans of the event name the line that sends it",
    trace: { operation: `send ${AN_EVENT}` },
    alert: {
      name: "SpanwireEventRateGrown",
      summary: `{{ $labels.${EVENT} }} in ${IN_WEBVIEW} comes much more often`,
      description: `{{ $labels.${DIRECTION} }} messages of that event came {{ $value | printf "%.0f" }} times as often in the last 5 minutes as in the hour before.`,
    },
  },
  {
    id: "payload-large",
    question: "Whose messages are large?",
    stage: "wire",
    severity: "warning",
    says: `a message of ${AN_EVENT} ({${DIRECTION}}, ${IN_A_WEBVIEW}) has {value} on average`,
    unit: "By",
    evidence: ({ recent }) => above(meanSize(recent), LARGE_BYTES),
    culprit: {
      says: `${AN_EVENT} moves {value}`,
      unit: "By/s",
      expr: ({ recent }) => sum(recent.rate(SIZE, {}, "_sum"), ...OF_MESSAGES),
    },
    explains: [
      { ids: [...LATE, "memory-growth"], same: [] },
      {
        ids: ["event-size-grown", "page-thread-saturated", "listener-slow", "ui-thread-blocked", "handler-slow"],
        same: [EVENT],
      },
    ],
    remedy:
      "serve it by a custom protocol or a file, send ipc::Bytes instead of JSON arrays, or only the part that the page shows",
    trace: { operation: AN_EVENT, isSlow: false },
  },
  {
    id: "event-size-grown",
    question: "What is larger than before?",
    stage: "wire",
    severity: "warning",
    says: `messages of ${AN_EVENT} ({${DIRECTION}}, ${IN_A_WEBVIEW}) are {value} times as large as before`,
    unit: "{}",
    evidence: (of) => grown(of, meanSize(of.recent), meanSize(of.before), GROWN_SIZE_MIN, OF_MESSAGES),
    remedy: "look at what the payload holds: a list without a limit, an image or a whole document that goes along",
    trace: { operation: AN_EVENT },
    alert: {
      name: "SpanwireMessageSizeGrown",
      summary: `Messages of {{ $labels.${EVENT} }} in ${IN_WEBVIEW} are much larger`,
      description: `{{ $labels.${DIRECTION} }} messages of that event were {{ $value | printf "%.0f" }} times as large in the last 5 minutes as in the hour before.`,
    },
  },
  {
    id: "calls-unsettled",
    question: "Which calls get no answer?",
    stage: "handler",
    severity: "warning",
    says: `calls of ${AN_EVENT} in ${IN_A_WEBVIEW} get no answer`,
    unit: "{}",
    evidence: unsettled,
    culprit: {
      says: `${AN_EVENT}: {value} calls are open`,
      unit: "{}",
      expr: ({ recent }) => above(recent.gauge("spanwire.ipc.call.active"), 0),
    },
    explains: [{ ids: ["handler-slow", "handler-failing"], same: [EVENT] }],
    remedy:
      "the handler waits without end: for a lock, a channel, a server without a time limit; or it keeps its Responder. The call's server span says how far it came",
    trace: { operation: AN_EVENT, tags: { "error.type": "timeout" } },
    alert: {
      name: "SpanwireCallsUnsettled",
      summary: `Calls of {{ $labels.${EVENT} }} in ${IN_WEBVIEW} get no answer`,
      description:
        "A quarter of them or more were given up by the page when their time ran out, or five are open and wait for longer than 30 s, or one has waited for 5 minutes and waits still.",
    },
  },
  {
    id: "calls-withdrawn",
    question: "Which answers come too late for the page?",
    stage: "handler",
    severity: "warning",
    says: `the page of ${IN_A_WEBVIEW} gives up {value} of its calls of ${AN_EVENT} before they are answered`,
    unit: "1",
    evidence: withdrawn,
    explains: [{ ids: ["handler-slow"], same: [EVENT] }],
    remedy:
      "where a newer call replaces the older one, as in a search while the user types, this is no failure, but the handler is slower than the typing and its result is thrown away: debounce the call in the page, or make the handler faster",
    trace: { operation: AN_EVENT, tags: { "error.type": "cancelled" } },
  },
  {
    id: "handler-failing",
    question: "Which handler fails?",
    stage: "handler",
    severity: "critical",
    says: `{value} of the messages of ${AN_EVENT} in ${IN_A_WEBVIEW} end with {${ERROR}}`,
    unit: "1",
    evidence: (of) =>
      failing(of, { "spanwire.ipc.direction": is("inbound"), "error.type": oneOf(...HANDLERS) }),
    remedy:
      "the log records spanwire.ipc.handler.failed and .panicked have the error's text and its trace; handler_dropped is a Responder that was dropped without an answer",
    trace: { operation: AN_EVENT, tags: { error: "true" } },
    alert: {
      name: "SpanwireErrorRateHigh",
      summary: `Messages of ${IN_WEBVIEW} fail`,
      description: "{{ $value | humanizePercentage }} of the messages of the last 5 minutes failed or were dropped.",
    },
  },
  {
    id: "input-refused",
    question: "What does the page send that is refused?",
    stage: "wire",
    severity: "warning",
    says: `{value} of the messages of ${AN_EVENT} in ${IN_A_WEBVIEW} are refused: {${ERROR}}`,
    unit: "1",
    evidence: (of) =>
      failing(of, { "spanwire.ipc.direction": is("inbound"), "error.type": oneOf(...REFUSED) }),
    remedy:
      "unknown_event: page and host are of different versions, or no handler is registered yet; forbidden, forbidden_origin: a frame or a page that is not the app's; too_large, too_deep: Limits; over_credit: handlers in the background hold too much",
    trace: { operation: AN_EVENT, tags: { error: "true" } },
  },
  {
    id: "delivery-failed",
    question: "Which messages does the page not run?",
    stage: "page",
    severity: "warning",
    says: `{value} of the messages of ${AN_EVENT} to ${IN_A_WEBVIEW} end with {${ERROR}}`,
    unit: "1",
    evidence: (of) =>
      failing(of, {
        "spanwire.ipc.direction": is("outbound"),
        "error.type": oneOf(...["script_error", "page_gone", "malformed", "too_large"].map(errorType)),
      }),
    remedy:
      "script_error: a raw script throws or does not parse; page_gone: the page went away before it answered, look at its loads; too_large: Limits",
    trace: { operation: `send ${AN_EVENT}`, tags: { error: "true" } },
  },
  {
    id: "messages-dropped",
    question: "What was lost since a queue was full?",
    stage: "queue",
    severity: "warning",
    says: `{value} {${DIRECTION}} messages of ${AN_EVENT} in ${IN_A_WEBVIEW} were dropped: {${ERROR}}`,
    unit: "{}",
    evidence: ({ recent }) => above(sum(recent.grown(MESSAGES, DROPPED), ...OF_MESSAGES, ERROR), 0),
    explains: [{ ids: ["queue-nearly-full"], same: [] }],
    remedy:
      "queue_full: the app sends faster than the page takes; send less, use emit_latest, or find what keeps the page or the UI thread; page_shed: the page emits faster than its credits come back",
    trace: { operation: `send ${AN_EVENT}`, tags: { error: "true" } },
    alert: {
      name: "SpanwireMessagesDropped",
      summary: `Messages of ${IN_WEBVIEW} were dropped`,
      description: `{{ $value | humanize }} {{ $labels.${DIRECTION} }} messages were dropped in the last 5 minutes: {{ $labels.${ERROR} }}.`,
    },
    otherAlerts: ["SpanwireDeliveryBudgetFastBurn", "SpanwireDeliveryBudgetSlowBurn"],
  },
  {
    id: "handler-slow",
    question: "Which handler is slow?",
    stage: "handler",
    severity: "warning",
    says: `one of 20 messages of ${AN_EVENT} in ${IN_A_WEBVIEW} keeps its handler for {value} or longer`,
    unit: "s",
    evidence: (of) => aboveThreshold(lateFromTheFirst(of, HANDLER, OF_EVENT), SLOW_MESSAGE),
    explains: [{ ids: ["delivery-slow"], same: [EVENT] }],
    remedy:
      "the spans inside the handler's span say what it waits for; if there are none, wrap its steps in monitor(…); only the first ones are slow: something is loaded for them, so load it at the start",
    trace: { operation: AN_EVENT, isSlow: true },
    alert: {
      name: "SpanwireHandlerSlow",
      summary: `Handlers for ${IN_WEBVIEW} are slow`,
      description:
        "One of 100 messages from the page kept its handler for {{ $value | humanizeDuration }} or longer at {{ $labels.instance }}.",
    },
  },
  {
    id: "queue-waits",
    question: "What waits before it is sent?",
    stage: "queue",
    severity: "warning",
    says: `one of 20 messages waits in queue {${QUEUE}} for {value} or longer`,
    unit: "s",
    evidence: (of) => above(late(of, WAIT, [...TARGET, QUEUE]), FELT_S),
    explains: [{ ids: ["delivery-slow"], same: [] }],
    remedy: "a wire's queue waits for the UI thread or for a page that is not ready; an app's own for its worker",
  },
  {
    id: "way-to-host-slow",
    question: "Does the host receive late?",
    stage: "wire",
    severity: "warning",
    says: `one of 20 batches of ${IN_A_WEBVIEW} reaches the host {value} after it was posted, or later`,
    unit: "s",
    evidence: (of) =>
      above(late(of, TRANSIT, [...TARGET, WEBVIEW], { "spanwire.ipc.direction": is("inbound") }), FELT_S),
    remedy: "the host receives on its UI thread: find what keeps that, or whether the machine has a free core",
  },
  {
    id: "way-to-page-slow",
    question: "Does the page begin late?",
    stage: "page",
    severity: "warning",
    says: `the page of ${IN_A_WEBVIEW} begins with one of 20 scripts {value} after it got it, or later`,
    unit: "s",
    evidence: (of) =>
      above(late(of, TRANSIT, [...TARGET, WEBVIEW], { "spanwire.ipc.direction": is("outbound") }), FELT_S),
    explains: [{ ids: ["delivery-slow"], same: [WEBVIEW] }],
    remedy:
      "the page's thread is busy with something that is no listener of Spanwire's: a timer, layout, a script of its own; the browser's profiler names it",
  },
  {
    id: "delivery-slow",
    question: "Do messages reach the page late?",
    stage: "wire",
    severity: "warning",
    says: `one of 20 messages to ${IN_A_WEBVIEW} is acknowledged after {value} or later`,
    unit: "s",
    evidence: (of) => aboveThreshold(late(of, DELIVERY, [...TARGET, WEBVIEW]), SLOW_MESSAGE),
    culprit: {
      says: `${AN_EVENT}: {value} on average`,
      unit: "s",
      expr: ({ recent }) => recent.mean(DELIVERY, OF_EVENT),
    },
    remedy: "spans of the event say which stage takes the time: docs/guide/reading-a-trace.md",
    trace: { isSlow: true },
    alert: {
      name: "SpanwireDeliverySlow",
      summary: `Messages reach ${IN_WEBVIEW} late`,
      description:
        "One of 100 messages to the page took {{ $value | humanizeDuration }} or longer until it was acknowledged.",
    },
    otherAlerts: ["SpanwireLatencyBudgetFastBurn", "SpanwireLatencyBudgetSlowBurn"],
  },
];
