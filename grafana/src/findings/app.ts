// What is not about messages: operations, queues of the app's own, the process, the host, telemetry.

import { DROPPED, FAILED_OPERATIONS, JUDGED_OPERATIONS, LOST, LOST_BY_SPOOL, OPERATIONS } from "../outcomes.js";
import {
  above,
  aggregate,
  and,
  binary,
  complement,
  type Expr,
  number,
  or,
  relabelled,
  scalar,
  sum,
  sumWithout,
  times as scaled,
} from "../promql.js";
import { allModes, byRole, ROLE } from "../roles.js";
import { aboveThreshold, ERROR_RATE, overTime } from "../rules/rule.js";
import { label } from "../semconv.js";
import { TARGET, UP } from "../server.js";
import { offset, oneOf } from "../series.js";
import type { Finding, Lookback } from "./finding.js";
import { ERROR, OPERATION, QUEUE, WEBVIEW } from "./labels.js";
import {
  BLAMED_CPU_MIN,
  LATE_BY_OTHERS_S,
  CPU_SATURATED,
  FAILURES_MIN,
  FULL,
  MEMORY_MIN_BYTES,
  MEMORY_MIN_SHARE,
  STARTUP_BUDGET_S,
  STARTUP_PHASE_S,
  STOOD_STILL_MIN,
} from "./thresholds.js";

const AT = "{{ $labels.instance }}";
/** What is late while nothing of the app runs. */
const LATE = ["delivery-slow", "handler-slow", "queue-waits", "way-to-host-slow", "way-to-page-slow"];
/** The phases of a start in the order in which most apps reach them. */
const PHASES = [
  "telemetry",
  "event_loop",
  "window",
  "webview",
  "navigation",
  "script",
  "dom_ready",
  "first_paint",
  "first_call",
];
const PHASE = { "spanwire.startup.phase": oneOf("dom_ready", "first_paint") };

function failingOperations({ recent }: Lookback): Expr {
  const by = [...TARGET, OPERATION];
  const failed = sum(recent.grown(OPERATIONS, FAILED_OPERATIONS, "_count"), ...by, ERROR);
  const all = above(sum(recent.grown(OPERATIONS, JUDGED_OPERATIONS, "_count"), ...by), 0);
  // Each type of error is a share of all operations of its name, so there are many on the left.
  const share = binary(failed, "/", all, { on: by, groupLeft: [] });
  // The share alone would make one failure of two operations a finding.
  return and(aboveThreshold(share, ERROR_RATE), binary(failed, ">=", number(FAILURES_MIN)));
}

const memory = ({ recent }: Lookback, ago?: string): Expr => {
  const gauge = (name: string): Expr => (ago ? offset(recent.gauge(name), ago) : recent.gauge(name));
  return byRole(gauge("process.memory.usage"), gauge("spanwire.webview.process.memory.usage"), ...TARGET);
};

/** What each phase of the start took, which ends when it is reached. */
function phases({ recent }: Lookback): Expr {
  const reached = (...names: string[]): Expr =>
    recent.gauge("spanwire.startup.duration", { "spanwire.startup.phase": oneOf(...names) });
  const took = PHASES.slice(1).map((phase, place) => {
    // From the latest phase that came before, since an app need not have each of them.
    const before = aggregate("max", TARGET, reached(...PHASES.slice(0, place + 1)));
    return binary(reached(phase), "-", before, { on: TARGET, groupLeft: [] });
  });
  return above(or(reached(PHASES[0]!), ...took), STARTUP_PHASE_S);
}

/** Queues of the app's own that were never empty in the window, and from which nothing was taken. */
function stalled({ recent, window, youngS }: Lookback): Expr {
  const waiting = binary(overTime("min_over_time", recent.gauge("spanwire.queue.size"), window), ">=", number(FAILURES_MIN));
  const taken = above(recent.increase("spanwire.queue.wait.duration", {}, "_count"), 0);
  // The queue of a wire has the webview's name, and waits for its page.
  const wires = relabelled(recent.gauge("spanwire.page.state"), QUEUE, "$1", WEBVIEW);
  const isOld = binary(recent.gauge("process.uptime"), ">", scalar(youngS));
  const idle = binary(waiting, "unless", taken, { on: [...TARGET, QUEUE] });
  return and(binary(idle, "unless", wires, { on: [...TARGET, QUEUE] }), isOld, TARGET);
}

/** The share of scrapes that a process did not answer which answers again. */
function stoodStill({ recent, window, youngS }: Lookback): Expr {
  // `up` is 1 or 0, so its mean is the share of scrapes with an answer.
  const silent = above(complement(overTime("avg_over_time", recent.server(UP), window)), STOOD_STILL_MIN);
  const isBack = binary(recent.server(UP), "==", number(1));
  const isOld = binary(recent.gauge("process.uptime"), ">", scalar(youngS));
  return and(and(silent, isBack, TARGET), isOld, TARGET);
}

/** By how much memory grew in the window, of a process that was there before it. */
function memoryGrowth(of: Lookback): Expr {
  const before = memory(of, of.window);
  const growth = binary(memory(of), "-", before);
  const isOld = binary(of.recent.gauge("process.uptime"), ">", scalar(of.youngS));
  return and(
    and(above(growth, MEMORY_MIN_BYTES), binary(growth, ">", scaled(before, MEMORY_MIN_SHARE))),
    isOld,
    TARGET,
  );
}

const COMPONENT = label("otel.component.type");

function lost({ recent }: Lookback): Expr {
  const [first, ...others] = [
    "otel.sdk.exporter.span.exported",
    "otel.sdk.exporter.log.exported",
    "otel.sdk.processor.span.processed",
    "otel.sdk.processor.log.processed",
  ].map((name) => sum(recent.grown(name, LOST), ...TARGET, COMPONENT, ERROR));
  // Its series have no component, and say so by their name.
  const spool = sum(recent.grown("spanwire.spool.items", LOST_BY_SPOOL), ...TARGET, ERROR);
  return above(or(first!, ...others, spool), 0);
}

export const APP: readonly Finding[] = [
  {
    id: "target-down",
    question: "Is the app there?",
    stage: "app",
    severity: "warning",
    says: "Prometheus cannot scrape the app",
    unit: "{}",
    evidence: ({ recent }) => binary(recent.server(UP), "==", number(0)),
    remedy: "the app ended, hangs, or its endpoint is off or on another port: spanwire doctor says which",
    alert: {
      name: "SpanwireTargetDown",
      summary: `${AT} cannot be scraped`,
      description:
        "It does not answer Prometheus: the app ended, hangs, or its endpoint is off or on another port. Nothing else about it can be known meanwhile.",
    },
  },
  {
    id: "app-stood-still",
    question: "Did the app stand still for a time?",
    stage: "app",
    severity: "warning",
    says: "the app left {value} of the scrapes without an answer, and answers again",
    unit: "1",
    evidence: stoodStill,
    explains: [
      { ids: [...LATE, "queue-stalled", "queue-dropped", "messages-dropped"], same: [] },
      { ids: ["ui-thread-blocked"], same: [], ifUnblamed: true },
    ],
    remedy:
      "the machine slept, the process was stopped or swapped out, or it got no core: what its timers missed comes at once afterwards, so have them skip it (MissedTickBehavior::Skip)",
  },
  {
    id: "operation-failing",
    question: "Which operation fails?",
    stage: "operation",
    severity: "critical",
    says: `{value} of the operations {${OPERATION}} end with {${ERROR}}`,
    unit: "1",
    evidence: failingOperations,
    remedy: "the log record spanwire.operation.failed has the error's text, its sources' and its trace",
    trace: { operation: `{${OPERATION}}`, tags: { error: "true" } },
    alert: {
      name: "SpanwireOperationErrorRateHigh",
      summary: `Operations of ${AT} fail`,
      description: "{{ $value | humanizePercentage }} of the operations of the last 5 minutes ended with an error.",
    },
  },
  {
    id: "operation-slow",
    question: "Which operation is slow?",
    stage: "operation",
    severity: "warning",
    says: `{value} operations {${OPERATION}} took their threshold or longer`,
    unit: "{}",
    evidence: ({ recent }) => binary(recent.grown("spanwire.operation.slow"), ">=", number(FAILURES_MIN)),
    culprit: {
      says: `{${OPERATION}} takes {value} on average`,
      unit: "s",
      expr: ({ recent }) => recent.mean(OPERATIONS, [...TARGET, OPERATION]),
    },
    remedy: "its spans say what it waits for; one at a time that waits for a lock shows as many that are active",
    trace: { operation: `{${OPERATION}}`, tags: { "spanwire.slow": "true" } },
  },
  {
    id: "queue-dropped",
    question: "Which queue of the app's own loses messages?",
    stage: "queue",
    severity: "warning",
    says: `queue {${QUEUE}} dropped {value} messages: {${ERROR}}`,
    unit: "{}",
    evidence: ({ recent }) => above(sumWithout(recent.grown("spanwire.queue.messages", DROPPED), label("spanwire.outcome")), 0),
    explains: [{ ids: ["queue-stalled", "queue-nearly-full", "queue-waits"], same: [QUEUE] }],
    remedy: "its worker is slower than its senders: find what the worker waits for, add workers, or let senders wait",
    alert: {
      name: "SpanwireQueueMessagesDropped",
      summary: `Queue {{ $labels.${QUEUE} }} of ${AT} dropped messages`,
      description: `{{ $value | humanize }} messages were dropped in the last 5 minutes: {{ $labels.${ERROR} }}.`,
    },
  },
  {
    id: "queue-stalled",
    question: "From which queue is nothing taken?",
    stage: "queue",
    severity: "warning",
    says: `{value} messages or more wait in queue {${QUEUE}}, and none was taken`,
    unit: "{}",
    evidence: stalled,
    explains: [{ ids: ["queue-nearly-full"], same: [QUEUE] }],
    remedy:
      "its worker ended or hangs: a panic in the log, or a stack trace of its thread says where; spanwire_operation_active has what it began and did not end",
  },
  {
    id: "queue-nearly-full",
    question: "Which queue fills up?",
    stage: "queue",
    severity: "warning",
    says: `queue {${QUEUE}} is {value} full`,
    unit: "1",
    evidence: ({ recent }) =>
      above(binary(recent.gauge("spanwire.queue.size"), "/", recent.gauge("spanwire.queue.capacity")), FULL),
    explains: [{ ids: ["queue-waits"], same: [QUEUE] }],
    remedy: "its consumer is slow or hangs: a worker of the app, or the UI thread for the queue of a wire",
    alert: {
      name: "SpanwireQueueNearlyFull",
      summary: `Queue {{ $labels.${QUEUE} }} of ${AT} is nearly full`,
      description:
        "It is {{ $value | humanizePercentage }} full. Once it is full, messages are dropped, or their senders wait.",
    },
  },
  {
    id: "memory-growth",
    question: "Does memory grow?",
    stage: "app",
    severity: "warning",
    says: `memory of {${ROLE}} grew by {value}`,
    unit: "By",
    evidence: memoryGrowth,
    remedy:
      "host: what is kept for each message, a cache without a bound; webview: nodes and listeners that the page does not let go, as its engine's memory profiler shows",
    alert: {
      name: "SpanwireMemoryGrowth",
      summary: `Memory of {{ $labels.${ROLE} }} of ${AT} grows`,
      description:
        "It uses {{ $value | humanize1024 }}B more than an hour ago, at its least now against its most then.",
    },
  },
  {
    id: "host-cpu-saturated",
    question: "Has the machine a free core?",
    stage: "host",
    severity: "warning",
    says: "{value} of all cores of the machine are in use",
    unit: "1",
    evidence: ({ recent, window }) =>
      above(allModes(overTime("avg_over_time", recent.gauge("system.cpu.utilization"), window)), CPU_SATURATED),
    culprit: {
      says: `the app's {${ROLE}} takes {value} of all cores`,
      unit: "1",
      // Where other programs take the cores, the app is their victim, and nothing of it is to blame.
      expr: ({ recent }) =>
        above(
          byRole(
            recent.gauge("process.cpu.utilization"),
            recent.gauge("spanwire.webview.process.cpu.utilization"),
            ...TARGET,
          ),
          BLAMED_CPU_MIN,
        ),
    },
    explains: [
      { ids: ["delivery-slow", "queue-waits", "way-to-host-slow", "way-to-page-slow"], same: [] },
      { ids: ["startup-slow"], same: [], ifUnblamed: true },
      { ids: ["ui-thread-blocked"], same: [], ifUnblamed: true, below: LATE_BY_OTHERS_S },
    ],
    remedy:
      "if a process of the app is named, profile it; otherwise other programs take the cores, and the whole app is slow",
    alert: {
      name: "SpanwireHostCpuSaturated",
      summary: `The machine of ${AT} has no free core`,
      description:
        "{{ $value | humanizePercentage }} of all its cores were in use for 5 minutes: everything that wants to run waits.",
    },
  },
  {
    id: "startup-slow",
    question: "Was the start slow?",
    stage: "app",
    severity: "warning",
    says: "its page showed something {value} after the process started",
    unit: "s",
    evidence: ({ recent, window }) =>
      and(
        above(aggregate("max", TARGET, recent.gauge("spanwire.startup.duration", PHASE)), STARTUP_BUDGET_S),
        // A start is news as long as the window holds it.
        binary(overTime("min_over_time", recent.gauge("process.uptime"), window), "<", scalar("60")),
        TARGET,
      ),
    culprit: {
      says: `{${label("spanwire.startup.phase")}} alone took {value}`,
      unit: "s",
      expr: phases,
    },
    remedy: "if a phase is named, it took half of the budget; the trace startup has a span for each phase",
    trace: { operation: "startup" },
    alert: {
      name: "SpanwireStartupSlow",
      summary: `${AT} started slowly`,
      description:
        "Its page showed something {{ $value | humanizeDuration }} after the process started. The alert ends a quarter of an hour later, or with the next start.",
    },
  },
  {
    id: "telemetry-lost",
    question: "Does telemetry get lost?",
    stage: "telemetry",
    severity: "warning",
    says: `{value} spans or log records were lost: {${ERROR}}`,
    unit: "{}",
    evidence: lost,
    remedy: "the Collector is unreachable or refuses them, or the app makes more than it takes: spanwire doctor says which",
    alert: {
      name: "SpanwireTelemetryLost",
      summary: `Telemetry of ${AT} is lost`,
      description: `{{ $value | humanize }} spans or log records did not get through the {{ or $labels.${COMPONENT} "spool" }} in the last 10 minutes: {{ $labels.${ERROR} }}.`,
    },
  },
  {
    id: "telemetry-spooling",
    question: "Does telemetry reach the Collector?",
    stage: "telemetry",
    severity: "warning",
    says: "{value} of spans and log records wait on disk",
    unit: "By",
    evidence: ({ recent, window }) =>
      above(sum(overTime("min_over_time", recent.gauge("spanwire.spool.size"), window), ...TARGET), 0),
    remedy: "start the Collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT: spanwire doctor probes it as the app does",
    alert: {
      name: "SpanwireTelemetrySpooling",
      summary: `Telemetry of ${AT} does not reach the collector`,
      description:
        "{{ $value | humanize1024 }}B of spans and log records wait on disk, and the spool was not empty for 30 minutes.",
    },
  },
];
