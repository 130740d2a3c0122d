// The example app `notebook` with one fault after the other, and what `spanwire doctor --diagnose`
// says of each: a table as in docs/reference/scenarios.md. It takes about a quarter of an hour.
//
//   node scripts/scenarios.mjs [--at-once N] [--out FILE] [RUN...]
//
// RUN is `healthy`, a fault, or two faults with a `+` between them; all of them when none is given.
// --at-once  how many apps run at the same time [default: 2]; some faults always run alone
// --out      where to write the answers as JSON [default: target/scenarios.json]
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { end, start } from "./children.mjs";

const root = join(import.meta.dirname, "..");
const app = join(root, "target/debug/examples/notebook");
const spanwire = join(root, "target/debug/spanwire");

/** Seconds: before the fault, and with it until the doctor is asked. */
const warmUp = 12;
const ill = 33;
const window = "30s";

/** What has grown is judged by twelve windows without the fault, and half a window more. */
const warmUps = { "chatty-event": 375 };

/** They slow everything on the machine, so that others would be judged by them. */
const alone = new Set(["throttled-cpu"]);

/** The name of each fault, as the app's own help has it. */
async function faults() {
  const { stdout } = await promisify(execFile)(app, ["--help"]);
  return [...stdout.matchAll(/^\s+- ([a-z-]+):/gm)].map(([, name]) => name);
}

const pairs = ["always-fails+throwing-timer", "blocked-ui+stuck-worker", "busy-page+never-answers"];
const healthy = ["healthy", "healthy", "healthy"];

function options() {
  const found = { atOnce: 2, out: join(root, "target/scenarios.json"), runs: [] };
  const words = process.argv.slice(2);
  while (words.length > 0) {
    const word = words.shift();
    if (word === "--at-once") found.atOnce = Number(words.shift());
    else if (word === "--out") found.out = words.shift();
    else found.runs.push(word);
  }
  return found;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function startPrometheus(folder, runs) {
  const jobs = runs.map(
    ({ job, port }) =>
      `  - job_name: ${job}\n    static_configs:\n      - targets: ['127.0.0.1:${port}']\n`,
  );
  const config = join(folder, "prometheus.yml");
  writeFileSync(
    config,
    `global: { scrape_interval: 1s, scrape_timeout: 1s }\nscrape_configs:\n${jobs.join("")}`,
  );
  const port = await freePort();
  const child = start(
    "prometheus",
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: "ignore" },
  );
  const url = `http://127.0.0.1:${port}`;
  await isServed(`${url}/-/ready`, failsWith(child, "Prometheus"));
  return { url, child };
}

/** Rejects when the process ends, however it does. */
const failsWith = (child, name) => child.ended.then((how) => Promise.reject(new Error(`${name} ended ${how}`)));

async function isServed(url, failed) {
  for (;;) {
    const answer = await Promise.race([fetch(url).catch(() => undefined), failed]);
    if (answer?.ok) return;
    await Promise.race([sleep(200), failed]);
  }
}

async function diagnosis(prometheus, job) {
  const words = ["doctor", "--diagnose", "--json", "--window", window];
  words.push("--prometheus", prometheus, "--job", job);
  // No Jaeger is there: the verdict is what Prometheus alone tells.
  words.push("--jaeger", "http://127.0.0.1:9");
  // It ends with 1 when there is a finding.
  const run = promisify(execFile)(spanwire, words, { maxBuffer: 1 << 26 });
  const { stdout, stderr } = await run.catch((error) => error);
  try {
    return JSON.parse(stdout);
  } catch {
    return { verdict: `no answer: ${stderr}`, findings: [] };
  }
}

async function play(prometheus, run) {
  const named = run.name === "healthy" ? [] : run.name.split("+");
  const words = named.flatMap((name) => ["--fault", name]);
  const healthyFor = Math.max(...named.map((name) => warmUps[name] ?? warmUp), warmUp);
  words.push("--warm-up", healthyFor, "--port", run.port, "--for", healthyFor + 120);
  // A backtrace for each panic reads the debug information, which is a leak of its own kind.
  const env = { ...process.env, RUST_BACKTRACE: "0" };
  const child = start(app, words.map(String), { env, stdio: ["ignore", "ignore", "inherit"] });
  const failed = failsWith(child, "the app");
  try {
    await isServed(`http://127.0.0.1:${run.port}/metrics`, failed);
    await Promise.race([sleep((healthyFor + ill) * 1000), failed]);
    run.answer = await diagnosis(prometheus, run.job);
  } catch (error) {
    run.answer = { verdict: String(error), findings: [] };
  } finally {
    await Promise.race([end(child, "SIGTERM"), sleep(5000)]);
    child.kill("SIGKILL");
  }
  console.log(row(run));
}

function row({ name, answer }) {
  const found = answer.findings.map((finding) => {
    const culprits = (finding.culprits ?? []).map((culprit) => JSON.stringify(culprit)).join(" ");
    const also = (finding.consequences ?? []).map(({ id }) => id).join(" ");
    return `${finding.id}: ${finding.says} [${culprits}]${also && ` (so also ${also})`}`;
  });
  return `| ${name} | ${found.join("<br>") || answer.verdict} |`;
}

async function all() {
  const { atOnce, out, runs: asked } = options();
  const names = asked.length > 0 ? asked : [...healthy, ...(await faults()), ...pairs];
  const runs = [];
  for (const [index, name] of names.entries()) {
    runs.push({ name, job: `run-${index}`, port: await freePort() });
  }
  const folder = mkdtempSync(join(tmpdir(), "scenarios-"));
  const prometheus = await startPrometheus(folder, runs);
  const write = () =>
    writeFileSync(out, JSON.stringify(runs.map(({ name, answer }) => ({ name, answer })), null, 1));
  try {
    const isAlone = ({ name }) => name.split("+").some((fault) => alone.has(fault));
    const waiting = runs.filter((run) => !isAlone(run));
    const next = async () => {
      for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
        await play(prometheus.url, run);
        write();
      }
    };
    await Promise.all(Array.from({ length: atOnce }, next));
    for (const run of runs.filter(isAlone)) {
      await play(prometheus.url, run);
      write();
    }
  } finally {
    prometheus.child.kill("SIGTERM");
    await sleep(500);
    rmSync(folder, { recursive: true, force: true });
  }
}

await all();
