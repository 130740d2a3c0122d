// The wire: what fails, what is dropped, what is slow.

import { DROPPED, FAILED, JUDGED, MESSAGES } from "../outcomes.js";
import { above, and, binary, type Expr, number, or, quantile, ratio, sumWithout, times as scaled } from "../promql.js";
import { errorType, label, prometheusLabel } from "../semconv.js";
import { is, type Where } from "../series.js";
import {
  aboveThreshold,
  ANY,
  AT,
  ERROR_RATE,
  IN_WEBVIEW,
  MINUTE,
  recorded,
  SLOW_MESSAGE,
  thresholdLabel,
  type Group,
  type Recording,
  type Times,
} from "./rule.js";

export const DELIVERY = "spanwire.ipc.delivery.duration";
const HANDLER = "spanwire.ipc.handler.duration";
const CALL = "spanwire.ipc.call.duration";

const EVENT = label("spanwire.ipc.event");
const ERROR = label("error.type");
/** What is summed up to have one series for each webview. */
const KINDS = [label("spanwire.ipc.direction"), label("spanwire.outcome"), ERROR];

/** The same matchers for recorded series. */
export const onRecorded = (where: Where): Record<string, string> =>
  Object.fromEntries(Object.entries(where).map(([name, matcher]) => [prometheusLabel(name), matcher]));

export function messages(times: Times): Group {
  const recent = times.over(5 * MINUTE);
  // Without their events; with the first of a kind.
  const increase: Recording = {
    record: "webview:spanwire_ipc_messages:increase5m",
    expr: sumWithout(recent.grown(MESSAGES), EVENT),
  };
  const judged: Recording = {
    record: "webview:spanwire_ipc_messages_judged:increase5m",
    expr: sumWithout(recorded(increase, onRecorded(JUDGED)), ...KINDS),
  };
  const failed: Recording = {
    record: "webview:spanwire_ipc_messages_failed:increase5m",
    expr: or(
      sumWithout(recorded(increase, onRecorded(FAILED)), ...KINDS),
      scaled(recorded(judged), 0),
    ),
  };
  const failureRatio: Recording = {
    record: "webview:spanwire_ipc_messages_failed:ratio5m",
    expr: ratio(recorded(failed), recorded(judged)),
  };
  const delivery: Recording = {
    record: "webview:spanwire_ipc_delivery_duration_seconds:p99_5m",
    expr: quantile(0.99, sumWithout(recent.rate(DELIVERY, {}, "_bucket"), EVENT)),
  };
  const handler: Recording = {
    record: "webview:spanwire_ipc_handler_duration_seconds:p99_5m",
    expr: quantile(0.99, sumWithout(recent.rate(HANDLER, {}, "_bucket"), EVENT, ERROR)),
  };
  // Calls that timed out, and calls that the page still waits for.
  const timeouts = sumWithout(recent.grown(CALL, { "error.type": is(errorType("timeout")) }, "_count"), ERROR);
  const calls = sumWithout(recent.increase(CALL, {}, "_count"), ERROR);
  const inVain = and(
    binary(timeouts, ">=", number(FAILURES_MIN)),
    binary(timeouts, ">", scaled(calls, TIMED_OUT_MIN)),
  );
  const open = above(ANY.gauge("spanwire.ipc.call.age"), times.seconds(UNSETTLED));
  const enough = (name: string, ...without: readonly string[]): Expr =>
    binary(sumWithout(recent.increase(name, {}, "_count"), ...without), ">=", number(TIMED_MIN));
  const retold = { threshold: thresholdLabel(SLOW_MESSAGE) };
  return {
    name: "messages",
    about: "Messages between page and host: what fails, what is dropped, what is slow.",
    recordings: [increase, judged, failed, failureRatio, delivery, handler],
    alerts: [
      {
        alert: "SpanwireErrorRateHigh",
        // Of two messages one is half of all: it takes a few failures to be worth a call.
        expr: and(
          aboveThreshold(recorded(failureRatio), ERROR_RATE),
          binary(recorded(failed), ">=", number(FAILURES_MIN)),
        ),
        forS: 2 * MINUTE,
        severity: "critical",
        labels: { threshold: thresholdLabel(ERROR_RATE) },
        summary: `Messages of ${IN_WEBVIEW} fail`,
        description: `{{ $value | humanizePercentage }} of the messages of the last 5 minutes failed or were dropped.`,
      },
      {
        alert: "SpanwireMessagesDropped",
        expr: above(sumWithout(recorded(increase, onRecorded(DROPPED)), label("spanwire.outcome")), 0),
        severity: "warning",
        summary: `Messages of ${IN_WEBVIEW} were dropped`,
        description: `{{ $value | humanize }} {{ $labels.${label("spanwire.ipc.direction")} }} messages were dropped in the last 5 minutes: {{ $labels.${ERROR} }}.`,
      },
      {
        alert: "SpanwireDeliverySlow",
        expr: and(aboveThreshold(recorded(delivery), SLOW_MESSAGE), enough(DELIVERY, EVENT)),
        forS: 10 * MINUTE,
        severity: "warning",
        labels: retold,
        summary: `Messages reach ${IN_WEBVIEW} late`,
        description:
          "One of 100 messages to the page took {{ $value | humanizeDuration }} or longer until it was acknowledged.",
      },
      {
        alert: "SpanwireHandlerSlow",
        expr: and(aboveThreshold(recorded(handler), SLOW_MESSAGE), enough(HANDLER, EVENT, ERROR)),
        forS: 10 * MINUTE,
        severity: "warning",
        labels: retold,
        summary: `Handlers for ${IN_WEBVIEW} are slow`,
        description: `One of 100 messages from the page kept its handler for {{ $value | humanizeDuration }} or longer at ${AT}.`,
      },
      {
        alert: "SpanwireCallsUnsettled",
        expr: or(inVain, open),
        forS: MINUTE,
        severity: "warning",
        summary: `Calls of {{ $labels.${EVENT} }} in ${IN_WEBVIEW} get no answer`,
        description:
          "A quarter of them or more were given up by the page when their time ran out, or one has waited for 5 minutes and waits still.",
      },
    ],
  };
}

/** The share of an event's calls that time out from which it counts as never answering. */
const TIMED_OUT_MIN = 0.25;
/** Seconds after which the alert assumes that a call will get no answer. */
const UNSETTLED = 5 * MINUTE;
/** Messages in 5 minutes from which their p99 says something: of a handful it is the slowest one. */
const TIMED_MIN = 10;
/** Failures in 5 minutes from which their share says something. */
export const FAILURES_MIN = 3;
