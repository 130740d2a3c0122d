// What the dashboards are drawn of: the demo in its window, a Prometheus that scrapes it each second, and
// a receiver that takes its traces, without which there are no exemplars. Each on a port of its own.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Prometheus takes what is scraped each second. */
export const SCRAPE_S = 1;
const READY_MS = 30_000;

export class Stage {
  private readonly children: ChildProcess[] = [];
  private readonly folder = mkdtempSync(join(tmpdir(), "spanwire-drawing-"));
  private receiver: Server | undefined;
  private demo: ChildProcess | undefined;
  private readonly said = new Set<string>();
  prometheusUrl = "";

  /** Starts all of it; the demo's program is built already. */
  async start(demo: string): Promise<void> {
    this.receiver = createServer((request, response) => {
      request.resume();
      request.on("end", () => response.writeHead(200, { "content-type": "application/x-protobuf" }).end());
    });
    const [metricsPort, prometheusPort, receiverPort] = [await freePort(), await freePort(), await freePort()];
    this.receiver.listen(receiverPort, "127.0.0.1");
    this.demo = this.run(demo, ["--drive", "--faults", "--interval", "1m"], {
      OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPort),
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${receiverPort}`,
      SPANWIRE_SPOOL_DIR: join(this.folder, "spool"),
    });
    createInterface({ input: this.demo.stdout! }).on("line", (line) => this.said.add(line.trim()));
    await this.startPrometheus(prometheusPort, metricsPort);
  }

  private async startPrometheus(port: number, metricsPort: number): Promise<void> {
    const config = {
      global: { scrape_interval: `${SCRAPE_S}s` },
      scrape_configs: [
        { job_name: "spanwire", static_configs: [{ targets: [`127.0.0.1:${metricsPort}`] }] },
        // As in the stack, where Prometheus scrapes itself.
        { job_name: "stack", static_configs: [{ targets: [`127.0.0.1:${port}`] }] },
      ],
    };
    const file = join(this.folder, "prometheus.yml");
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(config));
    this.prometheusUrl = `http://127.0.0.1:${port}`;
    this.run("prometheus", [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(this.folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--enable-feature=exemplar-storage",
      "--log.level=error",
    ]);
    await until("Prometheus is ready", async () => (await fetch(`${this.prometheusUrl}/-/ready`)).ok);
  }

  async begin(fault: string): Promise<void> {
    await this.order("start", fault, "started");
  }

  async end(fault: string): Promise<void> {
    await this.order("stop", fault, "stopped");
  }

  private async order(order: string, fault: string, done: string): Promise<void> {
    const answer = `fault ${fault}: ${done}`;
    this.said.delete(answer);
    this.demo!.stdin!.write(`${order} ${fault}\n`);
    await until(answer, async () => this.said.has(answer));
  }

  /** Ends what it has started, and nothing else. */
  async stop(): Promise<void> {
    this.receiver?.close();
    this.receiver?.closeAllConnections();
    for (const child of this.children) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
    rmSync(this.folder, { recursive: true });
  }

  private run(program: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): ChildProcess {
    const env = Object.entries(process.env).filter(([name]) => !/^(OTEL|SPANWIRE)_/.test(name));
    const child = spawn(program, args, {
      env: { ...Object.fromEntries(env), ...more },
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.on("error", (error) => {
      console.error(`${program}: ${error.message}`);
      process.exitCode = 1;
    });
    this.children.push(child);
    return child;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + READY_MS;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) {
      throw new Error(`not within ${READY_MS / 1_000} s: ${what}`);
    }
    await pause(0.1);
  }
}

export const pause = (seconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
