// Plain Tauri, the plugin and `tauri/tracing` in turns, in real windows; it fails when a target is missed.
//
//   node run.mjs <app> <app with tauri/tracing> [--rounds 5] [--sampler always_on]
//
// Telemetry goes where an app's does: traces over OTLP to a server in this process, metrics to a
// Prometheus endpoint.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, sampler: { type: "string", default: "" } },
});
const [app, appWithTracing] = positionals;
const rounds = Number(values.rounds);
const plan = { warm_up: 500, calls: 4000, paced_events: 600, flood_events: 6000, idle_ms: 5000 };

const WAYS = [
  { name: "plain Tauri", app, way: "plain" },
  { name: "`init`", app, way: "init" },
  { name: "`instrument`", app, way: "instrument" },
  { name: "plain with `tauri/tracing`", app: appWithTracing, way: "plain", hasTracing: true },
];

let received = 0;
const sink = createServer((request, response) => {
  request.on("data", (chunk) => (received += chunk.length));
  request.on("end", () => response.writeHead(200, { "Content-Type": "application/x-protobuf" }).end());
});
await new Promise((resolve) => sink.listen(0, "127.0.0.1", resolve));

function run({ name, app, way, hasTracing = false }) {
  const env = {
    ...process.env,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${sink.address().port}`,
    OTEL_METRICS_EXPORTER: "prometheus",
    OTEL_EXPORTER_PROMETHEUS_PORT: "0",
    ...(values.sampler ? { OTEL_TRACES_SAMPLER: values.sampler } : {}),
  };
  const child = spawn(app, [way, JSON.stringify(plan)], { env, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", () => {
      const report = JSON.parse(text || "null");
      if (!report || report.thrown) {
        reject(new Error(`${name}: ${text || "it reported nothing"}`));
      } else if (report.has_tauri_tracing !== hasTracing) {
        reject(new Error(`${name}: ${app} was built ${hasTracing ? "without" : "with"} tauri/tracing`));
      } else {
        resolve(report);
      }
    });
  });
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** What is compared, from the report of one run. */
const FIGURES = {
  "invoke, p50 µs": (report) => median(report.invokes.result),
  "invoke, CPU µs: app": (report) => report.invokes.host,
  "page": (report) => report.invokes.page,
  "`emit`, p50 µs: 500/s": (report) => report.paced.result.p50,
  // A busy machine makes the clock of one event a matter of who runs when. The pauses are in it.
  "CPU µs of its thread": (report) => report.paced.result.processor,
  "flood": (report) => report.flood.result.p50,
  "CPU of 5 s idle, ms": (report) => (report.idle.host + report.idle.page) / 1000,
};

const runs = WAYS.map(() => []);
for (let round = 0; round < rounds; round += 1) {
  for (let turn = 0; turn < WAYS.length; turn += 1) {
    // Each way is first, last and in between in turn.
    const at = (round + turn) % WAYS.length;
    const report = await run(WAYS[at]);
    runs[at].push(Object.values(FIGURES).map((figure) => figure(report)));
  }
}
sink.close();

const figures = runs.map((of) => Object.keys(FIGURES).map((_, at) => median(of.map((run) => run[at]))));
console.log(`| | ${Object.keys(FIGURES).join(" | ")} |`);
console.log(`|---${"|---".repeat(Object.keys(FIGURES).length)}|`);
WAYS.forEach(({ name }, at) => console.log(`| ${name} | ${figures[at].map((one) => one.toFixed(1)).join(" | ")} |`));
console.log(`${rounds} rounds, medians; the plugin sent ${Math.round(received / 1024)} KiB of traces`);

const [[p50, host, page, paced, processor, flood, idle], ours] = figures;
const targets = [
  [`invoke, p50: ${(ours[0] / p50).toFixed(2)} times plain Tauri's`, ours[0] <= 1.1 * p50, "1.10 times"],
  [`invoke, CPU: ${(ours[1] + ours[2] - host - page).toFixed(1)} µs more`, ours[1] + ours[2] <= host + page + 30, "30 µs"],
  [`emit at 500/s: ${(ours[3] - paced).toFixed(1)} µs more`, ours[3] <= paced + 2, "2 µs"],
  [`emit at 500/s, CPU: ${(ours[4] - processor).toFixed(1)} µs more`, ours[4] <= processor + 2, "2 µs"],
  [`emit in a flood: ${(ours[5] - flood).toFixed(1)} µs more`, ours[5] <= flood + 2, "2 µs"],
  [`idle: ${(ours[6] - idle).toFixed(0)} ms more`, ours[6] <= idle + 10, "10 ms of 5 s, which is a tick of the clock"],
];
for (const [text, holds, target] of targets) {
  console.log(`${holds ? "ok    " : "MISSED"} ${text} (target: at most ${target})`);
}
process.exitCode = targets.every(([, holds]) => holds) ? 0 : 1;
