// The page, and the UI thread that it shares with the host.

import { above, and, binary, number, quantile, sum, sumWithout } from "../promql.js";
import { label } from "../semconv.js";
import { TARGET } from "../server.js";
import { is, isNot, oneOf } from "../series.js";
import {
  ANY,
  AT,
  IN_WEBVIEW,
  MINUTE,
  overTime,
  recorded,
  WEBVIEW,
  type Group,
  type Recording,
  type Times,
} from "./rule.js";

const STATE = "spanwire.page.state";
const DELAY = "spanwire.main_thread.delay";

/** Seconds from which a window that does not react is felt. */
const BLOCKED_S = 0.1;

export function page(times: Times): Group {
  const delay: Recording = {
    record: "instance:spanwire_main_thread_delay_seconds:p95_5m",
    expr: quantile(0.95, times.over(5 * MINUTE).rate(DELAY, {}, "_bucket")),
  };
  const wakes = times.over(2 * MINUTE).increase(DELAY, {}, "_count");
  const pages = sum(ANY.gauge(STATE, { "spanwire.page.state": isNot("gone") }), ...TARGET);
  const isGone = binary(ANY.gauge(STATE, { "spanwire.page.state": is("gone") }), "==", number(1));
  const present = ANY.gauge(STATE, { "spanwire.page.state": oneOf("ready", "unresponsive") });
  const maximum = overTime("max_over_time", present, times.text(15 * MINUTE));
  const wasThere = binary(maximum, "==", number(1));
  const state = label("spanwire.page.state");
  return {
    name: "page",
    about: "The page, and the UI thread that it shares with the host.",
    recordings: [delay],
    alerts: [
      {
        alert: "SpanwireMainThreadBlocked",
        expr: above(recorded(delay), BLOCKED_S),
        forS: 5 * MINUTE,
        severity: "warning",
        labels: { threshold: `${BLOCKED_S * 1_000}ms` },
        summary: `The UI thread of ${AT} is kept from its work`,
        description:
          "One of 20 wakes of the UI thread waited {{ $value | humanizeDuration }} or longer: the window reacts late.",
      },
      {
        alert: "SpanwireMainThreadHung",
        // While there is a page each scrape wakes the thread, so the count rises with each.
        expr: and(binary(wakes, "==", number(0)), above(pages, 0), TARGET),
        forS: MINUTE,
        severity: "critical",
        summary: `The UI thread of ${AT} hangs`,
        description: "It was woken and has not come for 2 minutes: the window does not react.",
      },
      {
        alert: "SpanwirePageUnresponsive",
        expr: sumWithout(
          binary(ANY.gauge(STATE, { "spanwire.page.state": is("unresponsive") }), "==", number(1)),
          state,
        ),
        forS: MINUTE,
        severity: "critical",
        summary: `The page in ${IN_WEBVIEW} does not answer`,
        description:
          "It was sent something and gave no sign of life. Messages wait, and nothing is sent again by time alone.",
      },
      {
        alert: "SpanwirePageInert",
        expr: above(ANY.gauge("spanwire.page.inert"), 0),
        forS: MINUTE,
        severity: "critical",
        summary: `The page in ${IN_WEBVIEW} does nothing`,
        description:
          "It answers, and its own script has called nothing, emitted nothing and listened to nothing since it was loaded: its document is empty, or its code did not run.",
      },
      {
        alert: "SpanwirePageGone",
        // A window that was closed on purpose stays gone for good: 15 minutes are enough to tell.
        expr: sumWithout(and(isGone, wasThere, [...TARGET, WEBVIEW]), state),
        forS: MINUTE,
        severity: "warning",
        summary: `The page in ${IN_WEBVIEW} is gone`,
        description:
          "It was there within the last 15 minutes; its process ended, it was turned away, or its window was closed, and no other took its place.",
      },
    ],
  };
}
