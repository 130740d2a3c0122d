// Service level objectives: how fast the budget of failed and of slow messages is used up.
//
// The windows and factors are those of the Site Reliability Workbook, chapter 5: a burn of 14.4
// uses 2 % of a month's budget in an hour, one of 6 uses 5 % in six hours.

import { FAILED, JUDGED, MESSAGES } from "../outcomes.js";
import {
  above,
  and,
  binary,
  call,
  number,
  or,
  ratio,
  sum,
  times as scaled,
  type Expr,
} from "../promql.js";
import { JOB } from "../server.js";
import { bucket, is } from "../series.js";
import { DELIVERY } from "./messages.js";
import {
  DAY,
  HOUR,
  MINUTE,
  overTime,
  recorded,
  type Alert,
  type Group,
  type Recording,
  type Severity,
  type Times,
} from "./rule.js";

/** Seconds within which a message counts as fast: a bound of the histogram. */
const FAST_S = 0.1;
/** Bad messages, in the longest of an alert's windows, from which it says something. */
const BAD_MIN = 10;

interface Objective {
  /** The part of the records' and the alerts' names. */
  readonly name: string;
  readonly alert: string;
  readonly title: string;
  readonly objective: number;
  /** What is wrong with the messages that are not good. */
  readonly fault: string;
  /** Of 5 minutes, by job. */
  readonly all: Recording;
  readonly bad: Recording;
}

function objectives(times: Times): Objective[] {
  const outbound = { "spanwire.ipc.direction": is("outbound") };
  // A budget is a job's over days: it counts what each process spent.
  const recent = times.over(5 * MINUTE, "all");
  const all: Recording = {
    record: "job:spanwire_delivery_messages:increase5m",
    expr: sum(recent.grown(MESSAGES, { ...outbound, ...JUDGED }), JOB),
  };
  const failed = sum(recent.grown(MESSAGES, { ...outbound, ...FAILED }), JOB);
  const timed: Recording = {
    record: "job:spanwire_delivery_timed:increase5m",
    expr: sum(recent.increase(DELIVERY, {}, "_count"), JOB),
  };
  // `bucket` throws where the histogram has no such bound: a bound in between would match no
  // series.
  const fast = sum(recent.increase(DELIVERY, { le: bucket(DELIVERY, FAST_S) }, "_bucket"), JOB);
  return [
    {
      name: "delivery_failed",
      alert: "SpanwireDeliveryBudget",
      title: "delivery of messages",
      objective: 0.999,
      fault: "to the page were lost",
      all,
      bad: {
        record: "job:spanwire_delivery_failed:increase5m",
        expr: or(failed, scaled(recorded(all), 0)),
      },
    },
    {
      name: "delivery_slow",
      alert: "SpanwireLatencyBudget",
      title: "speed of messages",
      objective: 0.99,
      fault: `took longer than ${FAST_S * 1_000} ms to the page`,
      all: timed,
      bad: {
        record: "job:spanwire_delivery_slow:increase5m",
        // The two increases are extrapolated each by itself, so the difference may be a little
        // below 0.
        expr: call("clamp_min", binary(recorded(timed), "-", fast), 0),
      },
    },
  ];
}

/** A long window, and a short one that ends the alert soon after the fault. */
interface Burn {
  readonly factor: number;
  readonly longS: number;
  readonly shortS: number;
}

const FAST_BURNS: readonly Burn[] = [
  { factor: 14.4, longS: HOUR, shortS: 5 * MINUTE },
  { factor: 6, longS: 6 * HOUR, shortS: 30 * MINUTE },
];
const SLOW_BURNS: readonly Burn[] = [
  { factor: 3, longS: DAY, shortS: 2 * HOUR },
  { factor: 1, longS: 3 * DAY, shortS: 6 * HOUR },
];

/** The names of the windows do not shrink with them. */
const WINDOWS: ReadonlyMap<number, string> = new Map([
  [5 * MINUTE, "5m"],
  [30 * MINUTE, "30m"],
  [HOUR, "1h"],
  [2 * HOUR, "2h"],
  [6 * HOUR, "6h"],
  [DAY, "1d"],
  [3 * DAY, "3d"],
]);

export function budgets(times: Times): Group {
  const recordings: Recording[] = [];
  const alerts: Alert[] = [];
  for (const objective of objectives(times)) {
    const ratios = new Map(
      [...WINDOWS].map(([seconds, name]) => [seconds, share(objective, seconds, name, times)]),
    );
    recordings.push(objective.all, objective.bad, ...ratios.values());
    alerts.push(
      burning(objective, "FastBurn", "critical", FAST_BURNS, ratios, times),
      burning(objective, "SlowBurn", "warning", SLOW_BURNS, ratios, times),
    );
  }
  return {
    name: "objectives",
    about: "Service level objectives: delivery that succeeds, and delivery in time.",
    recordings,
    alerts,
  };
}

/**
 * The share of bad messages in a window.
 *
 * Not from rates over the whole window: these leave out the first failure of each series, and in a
 * fleet of desktops most failures are the first of their kind since the app was started.
 */
function share(of: Objective, seconds: number, name: string, times: Times): Recording {
  const record = `job:spanwire_${of.name}:ratio${name}`;
  const [bad, all] = [recorded(of.bad), recorded(of.all)];
  if (seconds === 5 * MINUTE) {
    return { record, expr: ratio(bad, all) };
  }
  const window = times.text(seconds);
  return {
    record,
    expr: ratio(overTime("sum_over_time", bad, window), overTime("sum_over_time", all, window)),
  };
}

function burning(
  of: Objective,
  speed: "FastBurn" | "SlowBurn",
  severity: Severity,
  burns: readonly Burn[],
  ratios: ReadonlyMap<number, Recording>,
  times: Times,
): Alert {
  const budget = 1 - of.objective;
  const each = burns.map(({ factor, longS, shortS }) => {
    // The rounding keeps the digits of a binary fraction out of the rule's text.
    const bound = Number((factor * budget).toPrecision(6));
    const over = (seconds: number): Expr => above(recorded(ratios.get(seconds)!), bound);
    // The increases overlap: each message is in all of those of 5 minutes.
    const inWindow = binary(
      overTime("sum_over_time", recorded(of.bad), times.text(longS)),
      "/",
      overTime("count_over_time", recorded(of.bad), times.text(5 * MINUTE)),
    );
    // The long window shows that enough of the error budget is burnt, and the short one that the
    // errors still occur.
    return and(and(over(longS), over(shortS)), binary(inWindow, ">=", number(BAD_MIN)));
  });
  return {
    alert: `${of.alert}${speed}`,
    expr: or(each[0]!, ...each.slice(1)),
    severity,
    labels: { objective: String(of.objective) },
    summary: `The ${of.title} of {{ $labels.${JOB} }} is about to miss its objective`,
    description: `{{ $value | humanizePercentage }} of the messages ${of.fault}; the objective leaves room for ${Number((budget * 100).toPrecision(6))}%.`,
  };
}
