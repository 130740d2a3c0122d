// The wire: what fails, what is dropped, what is slow.

import { DROPPED, FAILED, JUDGED, MESSAGES } from "../outcomes.js";
import { FAILURES_MIN, GROWN, TIMED_MIN } from "../findings/thresholds.js";
import { above, and, binary, type Expr, number, or, quantile, ratio, sumWithout, times as scaled } from "../promql.js";
import { label, prometheusLabel } from "../semconv.js";
import { type Where } from "../series.js";
import { alertOf, lookback } from "./of_finding.js";
import {
  aboveThreshold,
  ERROR_RATE,
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
      // Zero where nothing failed: a ratio without its numerator would be a gap in each chart of
      // it.
      scaled(recorded(judged), 0),
    ),
  };
  const failureRatio: Recording = {
    record: "webview:spanwire_ipc_messages_failed:ratio5m",
    expr: ratio(recorded(failed), recorded(judged)),
  };
  const delivery: Recording = {
    record: "webview:spanwire_ipc_delivery_duration_seconds:p99_5m",
    // All labels but the event stay, `le` among them, which the quantile needs.
    expr: quantile(0.99, sumWithout(recent.rate(DELIVERY, {}, "_bucket"), EVENT)),
  };
  const handler: Recording = {
    record: "webview:spanwire_ipc_handler_duration_seconds:p99_5m",
    expr: quantile(0.99, sumWithout(recent.rate(HANDLER, {}, "_bucket"), EVENT, ERROR)),
  };
  const enough = (name: string, ...without: readonly string[]): Expr =>
    binary(sumWithout(recent.increase(name, {}, "_count"), ...without), ">=", number(TIMED_MIN));
  const late = { forS: 10 * MINUTE, labels: { threshold: thresholdLabel(SLOW_MESSAGE) } };
  const all = lookback(times, 5 * MINUTE);
  return {
    name: "messages",
    about: "Messages between page and host: what fails, what is dropped, what is slow.",
    recordings: [increase, judged, failed, failureRatio, delivery, handler],
    alerts: [
      alertOf(
        "handler-failing",
        // Of two messages one is half of all: it takes a few failures to be worth a call.
        and(
          aboveThreshold(recorded(failureRatio), ERROR_RATE),
          binary(recorded(failed), ">=", number(FAILURES_MIN)),
        ),
        { forS: 2 * MINUTE, labels: { threshold: thresholdLabel(ERROR_RATE) } },
      ),
      alertOf(
        "messages-dropped",
        above(sumWithout(recorded(increase, onRecorded(DROPPED)), label("spanwire.outcome")), 0),
      ),
      alertOf("delivery-slow", and(aboveThreshold(recorded(delivery), SLOW_MESSAGE), enough(DELIVERY, EVENT)), late),
      alertOf(
        "handler-slow",
        and(aboveThreshold(recorded(handler), SLOW_MESSAGE), enough(HANDLER, EVENT, ERROR)),
        late,
      ),
      alertOf("calls-unsettled", all, { forS: MINUTE }),
      alertOf("event-rate-grown", all, { forS: 5 * MINUTE, labels: { threshold: `${GROWN}x` } }),
      alertOf("event-size-grown", all, { forS: 5 * MINUTE, labels: { threshold: `${GROWN}x` } }),
    ],
  };
}
