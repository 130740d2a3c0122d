// Bytes in both directions, and what JSON cannot carry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakePage, outcome, refusalsOf } from "./fake_page.mjs";

const TAG = "$spanwire.bytes";
const base64 = (bytes) => Buffer.from(bytes).toString("base64");
/** What the page's own code makes of `code`, sent. */
const sentOf = async (code) => {
  const page = new FakePage();
  await page.sent();
  page.run(`spanwire.emit("e", ${code})`);
  const [{ data }] = await page.sentOf("event");
  return data;
};

test("bytes go as base64 at any depth, whatever view they are seen through", async () => {
  const all = Uint8Array.from({ length: 256 }, (_, n) => n);
  for (let length = 0; length < 256; length++) {
    const data = await sentOf(`Uint8Array.from({ length: ${length} }, (_, n) => n)`);
    assert.deepEqual(data, { [TAG]: base64(all.slice(0, length)) });
  }
  const three = { [TAG]: base64([1, 2, 3]) };
  for (const code of ["new Uint8ClampedArray([1, 2, 3])", "new Uint8Array([1, 2, 3]).buffer",
    "new DataView(new Uint8Array([0, 1, 2, 3, 4]).buffer, 1, 3)", "new Uint8Array([0, 1, 2, 3]).subarray(1)"]) {
    assert.deepEqual(await sentOf(code), three, code);
  }
  assert.deepEqual(await sentOf("new Float32Array([1.5])"), { [TAG]: base64(new Float32Array([1.5]).buffer) });
  const nested = await sentOf(`{ name: "sky", layers: [{ pixels: new Uint8Array([1, 2, 3]), n: 1 }], when: new Date(0) }`);
  assert.deepEqual(nested, { name: "sky", layers: [{ pixels: three, n: 1 }], when: "1970-01-01T00:00:00.000Z" });
  assert.deepEqual(await sentOf("{ toJSON: () => new Uint8Array([1, 2, 3]) }"), three);
});

test("bytes that are too large are refused before they are written", async () => {
  const page = new FakePage();
  const { error } = await outcome(page.run(`spanwire.invoke("c", new Uint8Array(1 << 20))`));
  assert.equal(error.code, "TOO_LARGE");
});

test("what JSON cannot carry is a TypeError that says what and where", async () => {
  const page = new FakePage({ window: { Blob, File: class File extends Blob {} } });
  for (const [code, message] of [
    ["new Map([[1, 2]])", /^data is \[object Map\]/],
    ["{ a: [0, new Set()] }", /^data\.a\.1 is \[object Set\]/],
    ["{ a: { b: { c: () => 1 } } }", /^data\.a\.b\.c is a function/],
    ["[1, { id: 7n }]", /^data\.1\.id is a bigint/],
    ["[Symbol()]", /^data\.0 is a symbol/],
    ["{ file: new Blob(['x']) }", /^data\.file is \[object Blob\]/],
    ["new Error('no')", /^data is \[object Error\]/],
    ["(() => { const a = { b: {} }; a.b.a = a; return a; })()", /^data\.b\.a is a cycle/],
    ["[new Uint8Array(1), new Map()]", /^data\.1 is \[object Map\]/],
  ]) {
    const called = await outcome(page.run(`spanwire.invoke("c", ${code})`));
    assert.equal(called.error?.name, "TypeError", code);
    assert.match(called.error.message, message);
    assert.throws(() => page.run(`spanwire.emit("e", ${code})`), { name: "TypeError", message });
  }
  const sent = await page.sent();
  assert.deepEqual([...new Set(sent.map(({ kind }) => kind))], ["ready", "refused"]);
  assert.deepEqual(refusalsOf(sent), [
    { kind: "refused", of: "call", type: "malformed", event: "c", count: 9 },
    { kind: "refused", of: "event", type: "malformed", event: "e", count: 9 },
  ]);
});

test("what JSON carries goes as it went before", async () => {
  for (const code of [
    "null", "[]", "{}", "[{}, [], [[]]]", "new Date(0)", "[new Date(0), { a: undefined }]", "new (class { x = 1; })()", "new (class {})()",
    "Object.assign(Object.create(null), { a: 1 })", "[new String('s'), new Number(1), new Boolean(false)]", "[undefined, NaN, -0, 1e300]",
    "Object.assign(new Map(), { own: 1 })", "(() => { const a = {}; return [a, a, { a }]; })()", "{ toJSON: () => [1] }",
  ]) {
    const page = new FakePage();
    assert.deepEqual(await sentOf(code), JSON.parse(page.run(`JSON.stringify(${code})`)), code);
  }
});

test("bytes from Rust come as bytes, and what only looks like them as it is", async () => {
  const page = new FakePage();
  const seen = [];
  page.spanwire.on("e", (data) => seen.push(data));
  const call = page.spanwire.invoke("c");
  await page.sent();
  const three = { [TAG]: base64([1, 2, 3]) };
  const nested = { name: "sky", layers: [{ pixels: three }, three] };
  const others = [{ [TAG]: "AQI" }, { [TAG]: "A===" }, { [TAG]: "AQJ=" }, { [TAG]: "A\u00e4==" }, { [TAG]: 7 }, { [TAG]: "AQID", more: 1 }, [TAG, "AQID"]];
  let deep = three;
  for (let n = 0; n < 20_000; n++) deep = [deep];
  const messages = [
    { kind: "event", id: 1, event: "e", data: three },
    { kind: "event", id: 2, event: "e", data: nested },
    { kind: "event", id: 3, event: "e", data: others },
    { kind: "event", id: 4, event: "e", data: { [TAG]: "" } },
    { kind: "reply", id: 5, call: 1, data: { back: three } },
  ];
  page.run(`__spanwire__(${JSON.stringify({ page: page.id, floor: 0, messages, bytes: true })})`);
  const Bytes = page.run("Uint8Array");
  const isThree = (value) => value instanceof Bytes && `${value}` === "1,2,3";
  assert.ok(isThree(seen[0]) && isThree(seen[1].layers[0].pixels) && isThree(seen[1].layers[1]));
  assert.deepEqual(JSON.parse(JSON.stringify(seen[2])), others);
  assert.ok(seen[3] instanceof Bytes && seen[3].length === 0);
  assert.ok(isThree((await call).back));
  page.window.deep = [{ kind: "event", id: 6, event: "e", data: deep }];
  page.run(`__spanwire__({ page: ${JSON.stringify(page.id)}, floor: 0, messages: deep, bytes: true })`);
  let inner = seen[4];
  while (Array.isArray(inner)) inner = inner[0];
  assert.ok(isThree(inner));
});

test("what the host does not mark is not looked at", async () => {
  const page = new FakePage();
  let seen;
  page.spanwire.on("e", (data) => (seen = data));
  await page.sent();
  page.receive({ kind: "event", id: 1, event: "e", data: { [TAG]: "AQID" } });
  assert.deepEqual({ ...seen }, { [TAG]: "AQID" });
});
