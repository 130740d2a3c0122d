// What the compose files come to, as Docker Compose itself reads them: COMPOSE is its command.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const COMPOSE = process.env.COMPOSE;
if (!COMPOSE) {
  throw new Error("COMPOSE is not set: make compose");
}

const BASE = ["docker-compose.yml"];
const LINUX = [...BASE, "deploy/compose/linux.yml"];
const TEMPO = [...BASE, "deploy/compose/tempo.yml"];
const TEMPO_LINUX = [...LINUX, "deploy/compose/tempo.yml", "deploy/compose/tempo.linux.yml"];

function read(files, environment = {}) {
  const args = files.flatMap((file) => ["-f", file]);
  const [command, ...first] = COMPOSE.split(" ");
  const { SPANWIRE_GRAFANA_ADMIN_PASSWORD: _, ...rest } = process.env;
  const text = execFileSync(command, [...first, ...args, "config", "--format", "json"], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...rest, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return JSON.parse(text);
}

const ALL = new Map(
  [BASE, LINUX, TEMPO, TEMPO_LINUX].map((files) => [files.join(" "), read(files)]),
);
const base = ALL.get(BASE.join(" "));
const linux = ALL.get(LINUX.join(" "));
const tempoLinux = ALL.get(TEMPO_LINUX.join(" "));

/** Every service of every combination. */
const services = [...ALL].flatMap(([files, { services }]) =>
  Object.entries(services).map(([name, service]) => ({
    where: `${files}: ${name}`,
    name,
    service,
    isLinux: files.includes("linux"),
  })),
);

const source = (path) => readFileSync(join(ROOT, path), "utf8");

test("the servers are those that the stack is made of", () => {
  const five = ["alertmanager", "collector", "grafana", "jaeger", "prometheus"];
  for (const [files, { services }] of ALL) {
    const more = files.includes("tempo") ? ["loki", "tempo"] : [];
    assert.deepEqual(Object.keys(services).sort(), [...five, ...more].sort(), files);
  }
});

test("images are pinned to an exact version", () => {
  for (const { where, service } of services) {
    assert.match(service.image, /^[a-z/-]+:v?\d+\.\d+\.\d+$/, where);
  }
});

test("images have the versions that the stack without Docker is built from", () => {
  const version = (path, pattern) => {
    const [, found] = pattern.exec(source(path)) ?? assert.fail(`no version in ${path}`);
    return found.split(".").map(Number);
  };
  const module = (name) => new RegExp(`github\\.com/${name} v([\\d.]+)`);
  const tag = (name) => base.services[name].image.split(":")[1];

  // The module of Prometheus 3.14.0 is v0.314.0.
  const [, prometheus, patch] = version(
    "scripts/servers/prometheus/go.mod",
    module("prometheus/prometheus"),
  );
  assert.equal(tag("prometheus"), `v3.${prometheus - 300}.${patch}`);

  const alertmanager = version(
    "scripts/servers/alertmanager/go.mod",
    module("prometheus/alertmanager"),
  );
  assert.equal(tag("alertmanager"), `v${alertmanager.join(".")}`);

  const collector = version("scripts/servers/collector/builder.yaml", /^ {2}version: ([\d.]+)$/m);
  assert.equal(tag("collector"), collector.join("."));

  // Jaeger 2.13.0 was released as v1.76.0 too, and its module has that version alone.
  const [, jaeger, fix] = version("scripts/servers/jaeger/go.mod", module("jaegertracing/jaeger"));
  assert.equal(tag("jaeger"), `2.${jaeger - 63}.${fix}`);
});

test("ports are published on loopback alone, and each once", () => {
  for (const [files, { services }] of ALL) {
    const ports = Object.values(services).flatMap(({ ports }) => ports ?? []);
    for (const { host_ip, published, target } of ports) {
      assert.equal(host_ip, "127.0.0.1", `${files}: ${published}`);
      // One number everywhere: in the docs, in a container and without Docker.
      assert.equal(published, String(target), files);
    }
    const numbers = ports.map(({ published }) => published);
    assert.equal(new Set(numbers).size, numbers.length, files);
    assert.equal(numbers.length > 0, !files.includes("linux"), files);
  }
});

test("on the machine's own network every server is told to listen on loopback", () => {
  for (const { where, service, isLinux } of services) {
    assert.equal(service.network_mode, isLinux ? "host" : undefined, where);
    const said = [...(service.command ?? []), ...Object.values(service.environment ?? {})];
    const addresses = said.filter((text) => /0\.0\.0\.0|127\.0\.0\.1/.test(text));
    assert.ok(addresses.length > 0, `${where} listens where it likes`);
    if (isLinux) {
      assert.deepEqual(said.filter((text) => text.includes("0.0.0.0")), [], where);
      assert.deepEqual(
        said.filter((text) => /host\.docker\.internal|\/\/(?!localhost)[a-z]+:/.test(text)),
        [],
        `${where} knows no other server by its container's name`,
      );
      assert.equal(service.extra_hosts, undefined, where);
    }
  }
});

test("the two networks differ in addresses alone", () => {
  const neutral = (text) =>
    text.replace(/0\.0\.0\.0|127\.0\.0\.1|\b(prometheus|jaeger|tempo|loki)(?=:\d|$)/g, "*");
  const pairs = [
    [base, linux],
    [ALL.get(TEMPO.join(" ")), tempoLinux],
  ];
  for (const [bridge, host] of pairs) {
    for (const [name, one] of Object.entries(bridge.services)) {
      const other = host.services[name];
      assert.deepEqual(one.command?.map(neutral), other.command?.map(neutral), name);
      const all = (of) =>
        Object.entries(of.environment ?? {}).map(([key, value]) => `${key}=${neutral(value)}`);
      assert.deepEqual(all(one), all(other), name);
      assert.equal(one.image, other.image, name);
      assert.deepEqual(one.healthcheck, other.healthcheck, name);
    }
  }
});

test("everything that is mounted is in the repository, read-only, and never made up", () => {
  for (const { where, service } of services) {
    const targets = service.volumes.map(({ target }) => target);
    assert.equal(new Set(targets).size, targets.length, where);
    for (const { type, source, target, read_only, bind } of service.volumes) {
      if (type !== "bind") {
        assert.equal(type, "volume", where);
        continue;
      }
      const path = relative(ROOT, source);
      assert.ok(!path.startsWith("..") && existsSync(source), `${where}: ${path}`);
      assert.equal(read_only, true, `${where}: ${path}`);
      assert.equal(bind.create_host_path, false, `${where}: ${path}`);
      // A mount within another that is read-only needs a place there already.
      const outer = service.volumes.find(
        (other) => other.type === "bind" && target.startsWith(`${other.target}/`),
      );
      if (outer) {
        const place = join(outer.source, relative(outer.target, target));
        assert.ok(existsSync(place), `${where}: ${relative(ROOT, place)} to mount ${path} on`);
      }
    }
  }
});

test("every file that a command names is mounted", () => {
  for (const { where, service } of services) {
    for (const argument of service.command ?? []) {
      const [, file] = /config(?:\.file)?=(\/\S+)/.exec(argument) ?? [];
      if (!file) {
        continue;
      }
      const volume = service.volumes.find(({ target }) => file.startsWith(`${target}/`));
      assert.ok(volume, `${where}: ${file}`);
      const path = join(volume.source, relative(volume.target, file));
      assert.ok(existsSync(path), `${where}: ${path}`);
    }
  }
});

test("targets are the native ones on the machine's network, and a container's otherwise", () => {
  const mounted = (project, name, target) =>
    relative(
      ROOT,
      project.services[name].volumes.find((volume) => volume.target === target).source,
    );
  const targets = "/etc/prometheus/targets";
  assert.equal(mounted(base, "prometheus", targets), "deploy/compose/targets");
  assert.equal(mounted(linux, "prometheus", targets), "deploy/prometheus/targets");
  const webhook = "/etc/alertmanager/webhook-url";
  assert.equal(mounted(base, "alertmanager", webhook), "deploy/compose/webhook-url");
  assert.equal(mounted(linux, "alertmanager", webhook), "deploy/alertmanager/webhook-url");
  // The same files, ports and labels; only hosts differ.
  const neutral = (text) =>
    text
      .split("\n")
      .filter((line) => !line.trim().startsWith("#"))
      .join("\n")
      .replace(/(127\.0\.0\.1|[a-z.]+)(?=:\d{4})/g, "*");
  const pairs = ["spanwire.yml", "stack.yml", "alertmanager.yml"].map((name) => [
    `deploy/prometheus/targets/${name}`,
    `deploy/compose/targets/${name}`,
  ]);
  pairs.push(["deploy/alertmanager/webhook-url", "deploy/compose/webhook-url"]);
  for (const [native, docker] of pairs) {
    assert.equal(neutral(source(docker)), neutral(source(native)), docker);
  }
  // Both names are reachable from a bridge, and the first is one that an app's endpoint answers to.
  for (const name of ["prometheus", "alertmanager"]) {
    assert.deepEqual(base.services[name].extra_hosts, ["host.docker.internal=host-gateway"]);
  }
});

test("servers have no more rights than they need, and come back", () => {
  for (const { where, name, service } of services) {
    assert.deepEqual(service.cap_drop, ["ALL"], where);
    assert.deepEqual(service.security_opt, ["no-new-privileges:true"], where);
    assert.equal(service.read_only ?? false, name !== "grafana", where);
    assert.equal(service.restart, "unless-stopped", where);
    assert.equal(service.privileged, undefined, where);
    assert.ok(service.logging.options["max-size"], where);
  }
});

test("every server but the Collector has a health check without a shell", () => {
  for (const { where, name, service } of services) {
    if (name === "collector") {
      assert.equal(service.healthcheck, undefined, where);
      continue;
    }
    assert.equal(service.healthcheck.test[0], "CMD", where);
    assert.match(service.healthcheck.test.at(-1), /http:\/\/127\.0\.0\.1:\d+(\/|$)/, where);
    for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
      assert.equal(condition, "service_healthy", `${where} on ${needed}`);
    }
  }
});

test("a proxy that Docker gives to containers is not asked for what is within", () => {
  for (const { where, name, service } of services) {
    const { test: command } = service.healthcheck ?? { test: [] };
    if (command[1] === "wget") {
      assert.deepEqual(command.slice(2, 4), ["-Y", "off"], where);
    }
    const around = Object.entries(service.environment ?? {})
      .filter(([key]) => /^SPANWIRE_\w+_(HOST|URL)$/.test(key))
      .map(([, value]) => value.replace(/^http:\/\/|:\d+$/g, ""));
    for (const host of around) {
      assert.ok(service.environment.NO_PROXY.split(",").includes(host), `${where}: ${host}`);
    }
    assert.equal(around.length > 0, ["collector", "grafana"].includes(name), where);
  }
});

test("what servers store is in volumes with names", () => {
  for (const { where, service } of services) {
    const stores = (service.command ?? []).flatMap((text) =>
      [/storage(?:\.tsdb)?\.path=(\/\S+)/.exec(text)?.[1]].filter(Boolean),
    );
    for (const path of stores) {
      const volume = service.volumes.find(({ target }) => target === path);
      assert.equal(volume?.type, "volume", `${where}: ${path}`);
    }
  }
  assert.deepEqual(Object.keys(base.volumes).sort(), ["alertmanager", "grafana", "prometheus"]);
  assert.deepEqual(
    Object.keys(tempoLinux.volumes).sort(),
    ["alertmanager", "grafana", "loki", "prometheus", "tempo"],
  );
});

test("Prometheus stores exemplars, takes OTLP, keeps neither all nor for ever, and tells no page", () => {
  for (const flag of [
    "--web.cors.origin=http://localhost:9090",
    "--enable-feature=exemplar-storage",
    "--web.enable-otlp-receiver",
    "--storage.tsdb.retention.time=15d",
    "--storage.tsdb.retention.size=4GB",
  ]) {
    assert.ok(base.services.prometheus.command.includes(flag), flag);
    assert.ok(linux.services.prometheus.command.includes(flag), flag);
  }
});

test("Grafana has every variable that its provisioning names", () => {
  for (const { where, service } of services.filter(({ name }) => name === "grafana")) {
    const files = service.volumes
      .filter(({ target }) => target.startsWith("/etc/grafana/provisioning/"))
      .map(({ source }) => readFileSync(source, "utf8"));
    assert.equal(files.length, where.includes("tempo") ? 3 : 2, where);
    for (const [, name] of files.join("").matchAll(/(?<!\$)\$\{(\w+)\}/g)) {
      assert.ok(service.environment[name], `${where}: ${name}`);
    }
    const { SPANWIRE_DASHBOARDS } = service.environment;
    assert.ok(service.volumes.some(({ target }) => target === SPANWIRE_DASHBOARDS), where);
  }
});

test("Grafana has no administrator until somebody says with which password", () => {
  const variables = (environment) => {
    const { environment: all } = read(BASE, environment).services.grafana;
    return [all.GF_SECURITY_ADMIN_PASSWORD, all.GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION];
  };
  assert.deepEqual(variables({}), ["", ""]);
  assert.match(
    source("deploy/compose/grafana/grafana.ini"),
    /^\[security\]\n(;.*\n)*disable_initial_admin_creation = true$/m,
  );
  assert.deepEqual(variables({ SPANWIRE_GRAFANA_ADMIN_PASSWORD: "s3cret" }), ["s3cret", "false"]);
});

test("the links between Tempo, Loki and the others lead to data sources that there are", () => {
  const files = [
    "grafana/provisioning/datasources/spanwire.yml",
    "deploy/compose/grafana/tempo-loki.yml",
  ].map(source);
  const uids = files.flatMap((text) => [...text.matchAll(/^ {4}uid: (\S+)$/gm)].map(([, uid]) => uid));
  assert.equal(new Set(uids).size, 4);
  for (const [, uid] of files.join("").matchAll(/datasourceUid: (\S+)/g)) {
    assert.ok(uids.includes(uid), uid);
  }
  // From a span to the metrics of its event, in the same words as from Jaeger.
  const queries = (text) => [...text.matchAll(/query: ((?:histogram|sum).*)$/gm)].map(([, query]) => query);
  assert.ok(queries(files[0]).length > 0);
  assert.deepEqual(queries(files[1]), queries(files[0]));
});
