// What scripts/compose does on which machine, with a `docker` and a `uname` that are made up.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";

const SCRIPT = fileURLToPath(new URL("../../../scripts/compose", import.meta.url));

const ENGINE = "Debian GNU/Linux 13 (trixie)|[name=seccomp,profile=builtin]";
const DESKTOP = "Docker Desktop|[name=seccomp,profile=unconfined]";

/** Runs the script; `docker` says what is asked of it to a file. */
async function compose(args, machine = {}) {
  const { uname = "Linux", info = ENGINE, plugin = true, docker = true } = machine;
  // Whether the stack runs already, and whether it becomes healthy.
  const { runs = false, up = true, script = SCRIPT } = machine;
  const folder = mkdtempSync(join(tmpdir(), "spanwire-compose-"));
  try {
    const program = (name, text) => {
      writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
      chmodSync(join(folder, name), 0o755);
    };
    for (const name of ["bash", "dirname", "tail", "sleep", "env", "find"]) {
      symlinkSync(`/usr/bin/${name}`, join(folder, name));
    }
    program("uname", `echo ${uname}`);
    if (docker) {
      program(
        "docker",
        `case "$1 $2" in
"compose version") exit ${plugin ? 0 : 1} ;;
"info --format") ${info ? `echo '${info}'` : "exit 1"} ;;
"info ") echo 'Cannot connect to the Docker daemon' >&2; exit 1 ;;
*) echo "$@" >> '${folder}/asked' ;;
esac
case "$*" in
*" ps --quiet") ${runs ? "echo 0123456789ab" : ":"} ;;
*" up "*) exit ${up ? 0 : 1} ;;
esac`,
      );
    }
    const child = spawn(script, args, { env: { PATH: folder }, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data) => {
        said += data;
      });
    }
    const code = await new Promise((resolve) => child.on("close", resolve));
    let asked = [];
    try {
      asked = readFileSync(join(folder, "asked"), "utf8").trim().split("\n");
    } catch {
      // It asked nothing.
    }
    return { code, said, asked };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const filesOf = (said) => [...said.matchAll(/-f (\S+)/g)].map(([, file]) => file);

test("Docker Engine on Linux gets the machine's network, and nobody else", async () => {
  const machines = [
    [{ uname: "Linux", info: ENGINE }, true],
    [{ uname: "Linux", info: DESKTOP }, false],
    [{ uname: "Darwin", info: DESKTOP }, false],
    // Colima, OrbStack: a Linux in a virtual machine.
    [{ uname: "Darwin", info: ENGINE }, false],
    [{ uname: "MINGW64_NT-10.0", info: DESKTOP }, false],
  ];
  for (const [machine, isLinux] of machines) {
    const where = JSON.stringify(machine);
    const { code, said } = await compose(["files"], machine);
    assert.equal(code, 0, said);
    const more = isLinux ? ["deploy/compose/linux.yml"] : [];
    assert.deepEqual(filesOf(said), ["docker-compose.yml", ...more], where);
    assert.ok(said.includes(machine.info.split("|")[0]), said);
    const { said: withTempo } = await compose(["files", "tempo"], machine);
    assert.deepEqual(
      filesOf(withTempo),
      isLinux
        ? [
            "docker-compose.yml",
            "deploy/compose/linux.yml",
            "deploy/compose/tempo.yml",
            "deploy/compose/tempo.linux.yml",
          ]
        : ["docker-compose.yml", "deploy/compose/tempo.yml"],
      where,
    );
  }
});

test("what is missing is said with what to do, and nothing is started", async () => {
  const cases = [
    [{ docker: false }, /docker is missing: https:.*make stack/s],
    [{ plugin: false }, /no compose plugin: https:.*docker-compose-plugin/s],
    [{ info: "" }, /daemon does not answer.*Cannot connect to the Docker daemon/s],
    [{ info: `${ENGINE.slice(0, -1)} name=rootless]` }, /rootless.*make stack/s],
  ];
  for (const [machine, expected] of cases) {
    const { code, said, asked } = await compose(["up"], machine);
    assert.equal(code, 1, said);
    assert.match(said, expected);
    assert.deepEqual(asked, []);
  }
});

test("arguments that it does not know are refused", async () => {
  for (const args of [[], ["restart"], ["up", "grafana"], ["up", "tempo", "--build"]]) {
    const { code, said } = await compose(args);
    assert.equal(code, 2, said);
    assert.match(said, /^usage: /);
  }
});

test("a port that somebody has is named before anything is started", async () => {
  const server = createServer();
  const taken = await new Promise((resolve) => {
    server.on("error", () => resolve(false));
    server.listen(9093, "127.0.0.1", () => resolve(true));
  });
  try {
    // Or somebody else has it: then it is as taken.
    const { code, said, asked } = await compose(["up"]);
    assert.equal(code, 1, said);
    assert.match(said, /taken on 127\.0\.0\.1:.* 9093|taken on 127\.0\.0\.1: 9093/);
    assert.ok(asked.every((line) => !line.includes(" up ")), asked.join("\n"));
  } finally {
    if (taken) {
      await new Promise((resolve) => server.close(resolve));
    }
  }
});

test("up waits for health, passes options on, and says where to look", async () => {
  const collector = createHttpServer((_, response) => response.end("{}"));
  // Or there is one already: it answers the same.
  const ours = await new Promise((resolve) => {
    collector.on("error", () => resolve(false));
    collector.listen(13133, "127.0.0.1", () => resolve(true));
  });
  try {
    const { code, said, asked } = await compose(["up", "tempo", "--", "--pull", "always"], {
      info: DESKTOP,
      runs: true,
    });
    assert.equal(code, 0, said);
    const files = "compose -f docker-compose.yml -f deploy/compose/tempo.yml";
    assert.deepEqual(asked, [
      `${files} ps --quiet`,
      `${files} up --detach --wait --wait-timeout 300 --pull always`,
    ]);
    for (const place of ["http://localhost:3000", "http://localhost:16686", "OTLP_ENDPOINT="]) {
      assert.ok(said.includes(place), said);
    }
    const unhealthy = await compose(["up"], { info: DESKTOP, runs: true, up: false });
    assert.equal(unhealthy.code, 1);
    assert.match(unhealthy.said, /docker compose -f docker-compose\.yml logs SERVER/);
  } finally {
    if (ours) {
      await new Promise((resolve) => collector.close(resolve));
    }
  }
});

/** The script and an empty tree around it, as `spanwire stack export` writes them. */
function exported() {
  const folder = mkdtempSync(join(tmpdir(), "spanwire stack "));
  for (const name of ["scripts", "deploy/collector", "grafana/dashboards", "grafana/provisioning"]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const file = join(folder, "deploy/collector/collector.yml");
  writeFileSync(file, "");
  cpSync(SCRIPT, join(folder, "scripts/compose"));
  for (const path of [folder, join(folder, "deploy"), join(folder, "deploy/collector")]) {
    chmodSync(path, 0o755);
  }
  return { folder, file, script: join(folder, "scripts/compose") };
}

test("where there is no Makefile nobody is sent to make", async () => {
  const { folder, script } = exported();
  try {
    const { code, said } = await compose(["down"], { script });
    assert.equal(code, 0, said);
    assert.doesNotMatch(said, /make down/);
    assert.ok(said.includes("stack\\ ") && said.includes("/scripts/compose down -- --volumes"), said);
    const missing = await compose(["up"], { script, docker: false });
    assert.match(missing.said, /`make stack` in a clone of Spanwire.s repository/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("files that a server's user may not read are told before anything is started", async () => {
  const { folder, file, script } = exported();
  try {
    chmodSync(file, 0o600);
    const { code, said, asked } = await compose(["up"], { script, runs: true });
    assert.equal(code, 1, said);
    assert.match(said, /cannot read deploy\/collector\/collector\.yml.*chmod -R go\+rX/s);
    assert.ok(asked.every((line) => !line.includes(" up ")), asked.join("\n"));
    // In a virtual machine it is another's business who may read what.
    const desktop = await compose(["up"], { script, runs: true, info: DESKTOP, up: false });
    assert.doesNotMatch(desktop.said, /chmod/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("down ends Tempo and Loki too, and keeps data unless told otherwise", async () => {
  const plain = await compose(["down"]);
  assert.equal(plain.code, 0, plain.said);
  assert.deepEqual(plain.asked, [
    "compose -f docker-compose.yml -f deploy/compose/tempo.yml down",
  ]);
  assert.match(plain.said, /are kept/);
  const all = await compose(["down", "--", "--volumes"]);
  assert.deepEqual(all.asked, [
    "compose -f docker-compose.yml -f deploy/compose/tempo.yml down --volumes",
  ]);
  assert.match(all.said, /gone/);
});
