// What panels show of an app whose numbers are known: each is a case in which one of them once misled.

import assert from "node:assert/strict";
import test from "node:test";
import { dashboards, panelsOf } from "./committed.js";
import { promtool } from "./promtool.js";
import { series, type InputSeries } from "./series.js";

const APP = { job: "paint", instance: "app" };
const THRESHOLD = series("spanwire_error_rate_threshold_ratio", APP, "0.1x7200");
/** Of an app that runs for long. */
const OLD = [THRESHOLD, series("process_uptime_seconds", APP, "90000+1x7200")];

/** An expression of a panel with what Grafana puts in for an interval of a second. */
function exprOf(board: string, panel: string, refId = "A"): string {
  const dashboard = dashboards.find(({ uid }) => uid === `spanwire-${board}`);
  const found = panelsOf(dashboard!).find(({ title }) => title === panel);
  const expr = found?.targets?.find((target) => target.refId === refId)?.expr;
  assert.ok(expr, `${board}: ${panel} ${refId}`);
  return expr
    .replaceAll("$__rate_interval_ms", "4000")
    .replaceAll("$__rate_interval", "4s")
    .replaceAll("$__range_s", "3600")
    .replaceAll("$__range", "1h")
    .replaceAll(/\$(job|instance|webview)\b/g, ".+");
}

interface Sample {
  readonly labels: string;
  readonly value: number;
}

/** Checks what an expression is at a second, where each series has a value each second. */
function check(expr: string, atS: number, input: readonly InputSeries[], expected: readonly Sample[]): void {
  const complaint = promtool(["test", "rules"], {
    evaluation_interval: "1s",
    tests: [
      {
        interval: "1s",
        input_series: input,
        promql_expr_test: [{ expr, eval_time: `${atS}s`, exp_samples: expected }],
      },
    ],
  });
  assert.equal(complaint, undefined);
}

const one = (value: number): Sample[] => [{ labels: "{}", value }];
const messages = (labels: Record<string, string>, values: string): InputSeries =>
  series("spanwire_ipc_messages_total", { ...APP, spanwire_webview_name: "main", ...labels }, values);
const FAILED = { spanwire_ipc_direction: "inbound", spanwire_ipc_event: "save", spanwire_outcome: "failed", error_type: "handler_error" };
const DROPPED = { spanwire_ipc_direction: "outbound", spanwire_ipc_event: "tick", spanwire_outcome: "dropped", error_type: "queue_full" };

test("errors of the process before a restart are none of the new one's, and all of its own are there", () => {
  const input = [
    THRESHOLD,
    series("process_uptime_seconds", APP, "0+1x1800 1+1x1800"),
    messages(FAILED, "0+248x1800 0x600 475x1200"),
  ];
  for (const panel of ["Errors", "Cumulative errors"]) {
    const expr = panel === "Errors" ? exprOf("live", panel) : exprOf("live", panel, "B");
    check(expr, 1900, input, one(0));
    check(expr, 2500, input, one(475));
  }
});

test("errors that ended with the process before a restart are none of the new one's", () => {
  const input = [
    THRESHOLD,
    series("process_uptime_seconds", APP, "0+1x1800 1+1x1800"),
    messages(FAILED, "0+248x1800 stale"),
  ];
  check(exprOf("live", "Errors"), 1900, input, one(0));
  check(exprOf("live", "Cumulative errors", "B"), 1900, input, one(0));
});

test("errors of an app that runs for long are those of the last hour", () => {
  const input = [...OLD, messages(FAILED, "1000x1800 1007x5400")];
  check(exprOf("live", "Errors"), 5300, input, one(7));
  check(exprOf("live", "Errors"), 7000, input, one(0));
});

test("what was lost in the time shown is what was lost, to the last one", () => {
  const input = [...OLD, messages(DROPPED, "3x2000 2503x1000 12503x3000")];
  check(exprOf("ipc", "Dropped"), 5000, input, one(12_500));
});

test("a burst of 2,500 lost messages adds up to 2,500, the first of its series and the next", () => {
  const expr = exprOf("ipc", "Failures and drops by reason");
  const input = [...OLD, messages(DROPPED, "_x100 2500x100 5000x200")];
  const sample = (value: number): Sample[] => [
    { labels: '{spanwire_ipc_direction="outbound", error_type="queue_full"}', value },
  ];
  check(`round(sum_over_time((${expr})[60s:1s]))`, 150, input, sample(2500));
  check(`round(sum_over_time((${expr})[60s:1s]))`, 250, input, sample(2500));
});

test("a burst that comes and goes between two scrapes is in the event queue", () => {
  const QUEUE = { ...APP, spanwire_queue_name: "main" };
  const page = { ...APP, spanwire_webview_name: "main", spanwire_page_state: "ready" };
  const input = [
    ...OLD,
    series("spanwire_page_state", page, "1x300"),
    series("spanwire_queue_size", QUEUE, "0x300"),
    series("spanwire_queue_peak", QUEUE, "0x100 10000x200"),
    // 10,000 messages waited half a second each.
    series("spanwire_queue_wait_duration_seconds_sum", QUEUE, "0x100 5000x200"),
  ];
  check(`${exprOf("live", "Event queue")} > bool 1000`, 102, input, one(1));
  check(exprOf("live", "Event queue"), 200, input, one(0));
  check(`sum(${exprOf("ipc", "Queue size")}) > bool 1000`, 102, input, one(1));
});

test("messages that waited for longer than the window are not counted for more than ever waited", () => {
  const QUEUE = { ...APP, spanwire_queue_name: "main" };
  const input = [
    ...OLD,
    series("spanwire_queue_size", QUEUE, "10x100 0x200"),
    series("spanwire_queue_peak", QUEUE, "10x300"),
    series("spanwire_queue_wait_duration_seconds_sum", QUEUE, "0x100 1000x200"),
  ];
  check(`sum(${exprOf("ipc", "Queue size")})`, 102, input, one(10));
});

test("events that are idle are not in the table, and a busy one has each column of counts", () => {
  const buckets = (event: string, values: string): InputSeries[] =>
    ["0.1", "+Inf"].map((le) =>
      series("spanwire_ipc_delivery_duration_seconds_bucket", { ...APP, spanwire_webview_name: "main", spanwire_ipc_event: event, le }, values),
    );
  const ok = { spanwire_ipc_direction: "outbound", spanwire_outcome: "ok" };
  const input = [
    ...OLD,
    messages({ ...ok, spanwire_ipc_event: "busy" }, "0+10x1000"),
    messages({ ...ok, spanwire_ipc_event: "idle" }, "100x1000"),
    ...buckets("busy", "0+10x1000"),
    ...buckets("idle", "100x1000"),
  ];
  const table = "Slowest and busiest events";
  const busy = (value: number): Sample[] => [{ labels: '{spanwire_ipc_event="busy"}', value }];
  check(`round(${exprOf("ipc", table, "A")}, 0.001)`, 900, input, busy(0.095));
  check(exprOf("ipc", table, "D"), 900, input, busy(10));
  check(exprOf("ipc", table, "E"), 900, input, busy(0));
  check(exprOf("ipc", table, "F"), 900, input, busy(0));
});

test("a channel of a Tauri command is an event of the tables, with its rate and its bytes", () => {
  const event = { spanwire_ipc_direction: "outbound", spanwire_ipc_event: "channel:render" };
  const size = { ...APP, spanwire_webview_name: "main", ...event };
  const input = [
    ...OLD,
    messages({ ...event, spanwire_outcome: "ok" }, "0+20x1000"),
    series("spanwire_ipc_event_size_bytes_sum", size, "0+5000x1000"),
    series("spanwire_ipc_event_size_bytes_count", size, "0+20x1000"),
  ];
  const channel = (value: number): Sample[] => [{ labels: '{spanwire_ipc_event="channel:render"}', value }];
  check(exprOf("ipc", "Slowest and busiest events", "D"), 900, input, channel(20));
  check(exprOf("ipc", "Sizes and ways of events", "A"), 900, input, channel(5000));
  check(exprOf("ipc", "Sizes and ways of events", "B"), 900, input, channel(250));
});

test("instances are counted by the way to the commands of Tauri, with those that are no Tauri apps", () => {
  const instance = (name: string, labels: Record<string, string>): InputSeries[] => {
    const target = { job: "paint", instance: name };
    return [
      series("spanwire_error_rate_threshold_ratio", target, "0.1x1000"),
      series("target_info", { ...target, service_name: name, ...labels }, "1x1000"),
    ];
  };
  const tauri = (way: string): Record<string, string> => ({ spanwire_tauri_way: way, spanwire_tauri_version: "2.12.5" });
  const input = [
    ...instance("a", tauri("seam")),
    ...instance("b", tauri("seam")),
    ...instance("c", tauri("isolation")),
    ...instance("d", {}),
  ];
  check(exprOf("fleet", "Instances by their way to Tauri's commands"), 900, input, [
    { labels: '{spanwire_tauri_way="seam", spanwire_tauri_version="2.12.5"}', value: 2 },
    { labels: '{spanwire_tauri_way="isolation", spanwire_tauri_version="2.12.5"}', value: 1 },
    { labels: '{spanwire_tauri_way="no Tauri app", spanwire_tauri_version="none"}', value: 1 },
  ]);
});

test("a web vital that was measured once, before the first scrape, is shown", () => {
  const vital = (le: string, values: string): InputSeries =>
    series("spanwire_page_web_vital_duration_seconds_bucket", { ...APP, browser_web_vital_name: "fcp", browser_web_vital_rating: "good", le }, values);
  const input = [
    series("spanwire_error_rate_threshold_ratio", APP, "_x10 0.1x600"),
    series("process_uptime_seconds", APP, "_x10 2+1x600"),
    vital("0.5", "_x10 1x600"),
    vital("+Inf", "_x10 1x600"),
  ];
  check(exprOf("ipc", "Web vitals p75"), 300, input, [
    { labels: '{browser_web_vital_name="fcp"}', value: 0.375 },
  ]);
});

const SERVER = { job: "prometheus", instance: "server" };

test("what else Prometheus scrapes is no instance and no version of the app, and hides nothing of it", () => {
  const input = [
    ...OLD,
    series("target_info", { ...APP, service_version: "1" }, "1x100"),
    series("target_info", { ...SERVER, service_version: "3" }, "1x100"),
    series("scrape_duration_seconds", APP, "0.01x100"),
    series("scrape_duration_seconds", SERVER, "0.5x100"),
    series("scrape_samples_scraped", APP, "300x100"),
    series("scrape_samples_scraped", SERVER, "9000x100"),
  ];
  check(exprOf("fleet", "Versions"), 90, input, one(1));
  check(exprOf("fleet", "Instances by version"), 90, input, [{ labels: '{service_version="1"}', value: 1 }]);
  check(exprOf("telemetry", "Slowest scrape"), 90, input, one(0.01));
  check(exprOf("telemetry", "Scrape time"), 90, input, [{ labels: '{instance="app"}', value: 0.01 }]);
  check(exprOf("telemetry", "Series by instance"), 90, input, [{ labels: '{instance="app"}', value: 300 }]);
});

test("a target that is down has its name", () => {
  const input = [...OLD, series("up", APP, "1x100"), series("up", SERVER, "0x100")];
  check(exprOf("telemetry", "Targets down"), 90, input, [
    { labels: '{job="prometheus", instance="server"}', value: 1 },
  ]);
});

test("an instance's CPU has that of its webview's processes in it, as its memory has", () => {
  const input = [
    ...OLD,
    series("process_cpu_utilization_ratio", { ...APP, cpu_mode: "user" }, "0.01x100"),
    series("spanwire_webview_process_cpu_utilization_ratio", { ...APP, spanwire_webview_process_type: "web", cpu_mode: "user" }, "0.39x100"),
  ];
  check(`round(${exprOf("fleet", "CPU of instances")}, 0.01)`, 90, input, one(0.4));
});

test("an operation that ran at one scrape alone is a line, and one that never did is none", () => {
  const active = (name: string, values: string): InputSeries =>
    series("spanwire_operation_active", { ...APP, spanwire_operation_name: name }, values);
  const input = [...OLD, active("export", "0x50 1 0x100"), active("never", "0x150")];
  const expr = exprOf("operations", "Running operations");
  check(expr, 50 + 1, input, [{ labels: '{spanwire_operation_name="export"}', value: 1 }]);
  check(expr, 90, input, [{ labels: '{spanwire_operation_name="export"}', value: 0 }]);
});

test("the verdict on what is laggy names what takes the time, and not what waits for it", () => {
  const stage = (name: string, more: Record<string, string>, le: string, values: string): InputSeries =>
    series(`spanwire_ipc_${name}_duration_seconds_bucket`, { ...APP, spanwire_webview_name: "main", ...more, le }, values);
  const input = [
    ...OLD,
    ...["0.01", "1", "+Inf"].flatMap((le) => [
      stage("handler", { spanwire_ipc_event: "save" }, le, "0+5x600"),
      stage("process", { spanwire_ipc_event: "tick" }, le, le === "0.01" ? "0x600" : "0+5x600"),
    ]),
    series("spanwire_ipc_process_duration_seconds_sum", { ...APP, spanwire_webview_name: "main", spanwire_ipc_event: "tick" }, "0+0.7x600"),
    series("spanwire_ipc_process_duration_seconds_count", { ...APP, spanwire_webview_name: "main", spanwire_ipc_event: "tick" }, "0+5x600"),
    series("spanwire_ipc_handler_duration_seconds_count", { ...APP, spanwire_webview_name: "main", spanwire_ipc_event: "save" }, "0+5x600"),
  ];
  check(exprOf("laggy", "Culprit"), 500, input, [
    { labels: '{cause="9"}', value: 9 },
    { labels: '{cause="8"}', value: 8 },
  ]);
});

/** Wakes of the UI thread: so many a second, and of those so many that are late. */
const wakes = (all: string, inTime: string): InputSeries[] =>
  Object.entries({ "0.1": inTime, "1": all, "+Inf": all }).map(([le, values]) =>
    series("spanwire_main_thread_delay_seconds_bucket", { ...APP, spanwire_webview_name: "main", le }, values),
  );

test("the verdict names a UI thread that is blocked now and then, though its p95 is well", () => {
  const late = [...wakes("0+100x600", "0+99.9x600"), series("spanwire_main_thread_delay_seconds_count", { ...APP, spanwire_webview_name: "main" }, "0+100x600")];
  check(exprOf("laggy", "Culprit"), 500, [...OLD, ...late], [{ labels: '{cause="10"}', value: 10 }]);
});

test("the verdict names a page that throws or is loaded anew, large messages, a flood, failures and a call without an answer", () => {
  const event = { ...APP, spanwire_webview_name: "main", spanwire_ipc_direction: "outbound", spanwire_ipc_event: "wave" };
  const large = [
    series("spanwire_ipc_event_size_bytes_sum", event, "0+1000000x600"),
    series("spanwire_ipc_event_size_bytes_count", event, "0+1x600"),
  ];
  const flood = [messages({ spanwire_ipc_direction: "outbound", spanwire_ipc_event: "wave", spanwire_outcome: "ok" }, "0+2000x600")];
  const throwing = [series("spanwire_page_errors_total", { ...APP, spanwire_webview_name: "main", error_type: "listener_error" }, "0+2x600")];
  const reloading = [series("spanwire_page_loads_total", { ...APP, spanwire_webview_name: "main", spanwire_page_load_type: "reload" }, "0+0.1x600")];
  const failing = [messages(FAILED, "0+1x600"), messages({ ...FAILED, spanwire_outcome: "ok", error_type: "" }, "0+1x600")];
  const open = [series("spanwire_ipc_call_age_seconds", { ...APP, spanwire_webview_name: "main", spanwire_ipc_event: "open" }, "0+1x600")];
  const cases: readonly (readonly [InputSeries[], number])[] = [
    [throwing, 14],
    [reloading, 13],
    [large, 12],
    [flood, 11],
    [failing, 3],
    [open, 2],
  ];
  for (const [input, cause] of cases) {
    check(exprOf("laggy", "Culprit"), 500, [...OLD, ...input], [{ labels: `{cause="${cause}"}`, value: cause }]);
  }
});

test("a machine without a free core is no culprit as long as nothing is felt of it", () => {
  const busy = ["user", "system"].map((mode) => series("system_cpu_utilization_ratio", { ...APP, cpu_mode: mode }, "0.5x600"));
  const delivered = (inTime: string): InputSeries[] =>
    Object.entries({ "0.05": inTime, "1": "0+5x600", "+Inf": "0+5x600" }).map(([le, values]) =>
      series("spanwire_ipc_delivery_duration_seconds_bucket", { ...APP, spanwire_webview_name: "main", spanwire_ipc_event: "tick", le }, values),
    );
  check(exprOf("laggy", "Culprit"), 500, [...OLD, ...busy, ...delivered("0+5x600")], []);
  check(exprOf("laggy", "Culprit"), 500, [...OLD, ...busy, ...delivered("0x600")], [{ labels: '{cause="1"}', value: 1 }]);
});

test("tables begin anew with an app that was started anew", () => {
  const young = [THRESHOLD, series("process_uptime_seconds", APP, "0+1x1800 1+1x1800")];
  const event = (name: string): Record<string, string> => ({ spanwire_ipc_direction: "outbound", spanwire_ipc_event: name, spanwire_outcome: "ok" });
  const input = [...young, messages(event("old"), "0+900x1800 stale"), messages(event("both"), "0+100x1800 4+4x1800")];
  const both = '{spanwire_ipc_event="both"}';
  check(exprOf("ipc", "Slowest and busiest events", "D"), 1860, input, [{ labels: both, value: 4 }]);
  check(exprOf("ipc", "Slowest and busiest events", "D"), 3000, input, [{ labels: both, value: 4 }]);
});

test("the channels of a Tauri app are rows of the tables of events, with their messages and bytes", () => {
  const CHANNEL = { spanwire_ipc_direction: "outbound", spanwire_ipc_event: "channel:stream" };
  const size = { ...APP, spanwire_webview_name: "main", ...CHANNEL };
  const input = [
    ...OLD,
    messages({ ...CHANNEL, spanwire_outcome: "ok" }, "0+5x7200"),
    series("spanwire_ipc_event_size_bytes_sum", size, "0+1000x7200"),
  ];
  const labels = '{spanwire_ipc_event="channel:stream"}';
  check(exprOf("ipc", "Slowest and busiest events", "D"), 4000, input, [{ labels, value: 5 }]);
  check(`round(${exprOf("ipc", "Sizes and ways of events", "A")})`, 4000, input, [{ labels, value: 1000 }]);
});
