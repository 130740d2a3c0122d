// What scripts/stack does with servers that are made up: on other ports, in a tree of its own.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";

const SCRIPT = fileURLToPath(new URL("../../stack", import.meta.url));
const PORTS = [9093, 9090, 16686, 16685, 14318, 13134, 8889, 4318, 4317, 13133, 8888];
const PROGRAMS = ["alertmanager", "amtool", "prometheus", "promtool", "jaeger", "otelcol"];
const LISTENS = { alertmanager: 9093, prometheus: 9090, jaeger: 13134, otelcol: 13133 };

/** Ports that are free, all at once so that they differ. */
async function free(count) {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) {
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** A tree with the script and programs that answer, and say to `data/…/said` how they were called. */
async function tree() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "spanwire stack ")));
  const given = await free(PORTS.length);
  const port = new Map(PORTS.map((usual, i) => [usual, given[i]]));
  const text = readFileSync(SCRIPT, "utf8").replace(/\b\d{4,5}\b/g, (number) =>
    String(port.get(Number(number)) ?? number),
  );
  const program = (path, body) => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), body, { mode: 0o755 });
  };
  program("scripts/stack", text);
  program("path/go", "#!/bin/sh\necho go\n");
  for (const name of PROGRAMS) {
    program(
      `target/stack/bin/${name}`,
      `#!${process.execPath}
require("node:fs").writeFileSync(${JSON.stringify(join(root, `${name}.said`))}, process.argv.join("\\n"));
require("node:http").createServer((_, answer) => answer.end("ok")).listen(${port.get(LISTENS[name])}, "127.0.0.1");
`,
    );
  }
  for (const name of ["alertmanager", "prometheus", "jaeger", "collector"]) {
    mkdirSync(join(root, "scripts/servers", name), { recursive: true });
  }
  mkdirSync(join(root, "deploy/alertmanager"), { recursive: true });
  const environment = { ...process.env, PATH: `${join(root, "path")}:${process.env.PATH}` };
  delete environment.SPANWIRE_STACK_DIR;
  delete environment.SPANWIRE_STACK_PROMETHEUS_YML;
  const stack = (args, more = {}) => {
    const { cwd = root, ...variables } = more;
    const { status, stdout, stderr } = spawnSync(join(root, "scripts/stack"), args, {
      cwd,
      env: { ...environment, ...variables },
      encoding: "utf8",
      timeout: 60_000,
    });
    return { code: status, said: stdout + stderr };
  };
  return { root, port, stack };
}

/** Runs the test in a tree, whose servers are ended whatever happens. */
async function within(work, variables = {}) {
  const { root, port, stack } = await tree();
  try {
    await work({ root, port, stack });
  } finally {
    stack(["down"], variables);
    rmSync(root, { recursive: true });
  }
}

/** Whether it runs: one that has ended may stay a while, until somebody has waited for it. */
const isThere = (pid) => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

const pidOf = (root, name, folder = "target/stack") =>
  Number(readFileSync(join(root, folder, "run", name), "utf8").split(" ")[0]);

test("servers are started once, said, and ended", async () => {
  await within(({ root, stack }) => {
    const up = stack(["up"]);
    assert.equal(up.code, 0, up.said);
    const pid = pidOf(root, "prometheus");
    assert.ok(isThere(pid));
    assert.equal(stack(["up"]).code, 0);
    assert.equal(pidOf(root, "prometheus"), pid);
    assert.equal(stack(["status"]).code, 0);
    const down = stack(["down"]);
    assert.equal(down.code, 0, down.said);
    assert.match(down.said, /ended collector\n.*ended jaeger\n.*ended prometheus\n.*ended alertmanager/);
    assert.ok(!isThere(pid));
    assert.equal(stack(["status"]).code, 1);
  });
});

test("a proxy of the environment's is not asked for a server on this machine", async () => {
  await within(({ stack }) => {
    const { code, said } = stack(["up", "jaeger"], { http_proxy: "http://127.0.0.1:1" });
    assert.equal(code, 0, said);
  });
});

test("a folder for data may be named from where one is", async () => {
  const variables = { SPANWIRE_STACK_DIR: "my data" };
  await within(({ root, stack }) => {
    const { code, said } = stack(["up", "alertmanager"], variables);
    assert.equal(code, 0, said);
    const path = `--storage.path=${join(root, "my data/data/alertmanager")}`;
    assert.ok(readFileSync(join(root, "alertmanager.said"), "utf8").includes(path));
    assert.ok(existsSync(join(root, "my data/log/alertmanager.log")));
    assert.equal(stack(["down"], variables).code, 0);
  }, variables);
});

test("what was not started here is not ended, though it has the number", async () => {
  await within(({ root, stack }) => {
    const other = spawn("sleep", ["60"]);
    try {
      mkdirSync(join(root, "target/stack/run"), { recursive: true });
      const file = join(root, "target/stack/run/jaeger");
      for (const known of [`${other.pid}`, `${other.pid} `, `${other.pid} 1 another-boot`, "", "x"]) {
        writeFileSync(file, `${known}\n`);
        assert.equal(stack(["status"]).code, 1);
        const { code, said } = stack(["down"]);
        assert.equal(code, 0, said);
        assert.ok(isThere(other.pid), known);
        assert.ok(!existsSync(file));
      }
    } finally {
      other.kill();
    }
  });
});

test("one that has ended and was not waited for is not waited for here", async () => {
  // The shell becomes one that never waits for its child.
  const parent = spawn("bash", ["-c", "sleep 60 & echo $!; exec sleep 60"]);
  const pid = Number(String(await new Promise((resolve) => parent.stdout.once("data", resolve))));
  await within(({ root, stack }) => {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
      const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
      mkdirSync(join(root, "target/stack/run"), { recursive: true });
      writeFileSync(join(root, "target/stack/run/jaeger"), `${pid} ${fields[19]} ${boot}\n`);
      assert.match(stack(["status"]).said, new RegExp(`jaeger +runs as ${pid}`));
      const { code, said } = stack(["down"]);
      assert.equal(code, 0, said);
      assert.match(said, /ended jaeger/);
    } finally {
      parent.kill();
    }
  });
});

test("a port that somebody has is named before anything is started", async () => {
  await within(async ({ root, port, stack }) => {
    // In a process of its own: this one waits for the script.
    const taken = port.get(4317);
    const other = spawn(process.execPath, [
      "-e",
      `require("node:net").createServer().listen(${taken}, "127.0.0.1", () => console.log("there"))`,
    ]);
    try {
      await new Promise((resolve) => other.stdout.once("data", resolve));
      const { code, said } = stack(["up"]);
      assert.equal(code, 1, said);
      assert.ok(said.includes(`${taken} (collector)`), said);
      assert.ok(!existsSync(join(root, "target/stack/run/alertmanager")));
    } finally {
      other.kill();
    }
  });
});

test("two that start it at once start it once", async () => {
  await within(async ({ root, stack, port }) => {
    const run = () =>
      new Promise((resolve) => {
        const child = spawn(join(root, "scripts/stack"), ["up", "prometheus"], {
          env: { ...process.env, PATH: `${join(root, "path")}:${process.env.PATH}` },
          stdio: "ignore",
        });
        child.on("close", resolve);
      });
    assert.deepEqual(await Promise.all([run(), run(), run()]), [0, 0, 0]);
    assert.equal(stack(["down", "prometheus"]).code, 0);
    const left = await fetch(`http://127.0.0.1:${port.get(9090)}/`).catch(() => undefined);
    assert.equal(left, undefined);
  });
});

test("Prometheus takes no orders from a web page, and tells it nothing", () => {
  const text = readFileSync(SCRIPT, "utf8");
  assert.doesNotMatch(text, /enable-lifecycle|enable-admin-api/);
  assert.match(text, /--web\.cors\.origin=http:\/\/localhost:9090/);
});
