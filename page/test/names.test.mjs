// What may be a name: the table is shared with the host's tests.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FakePage, outcome, refusalsOf, turn } from "./fake_page.mjs";

const table = JSON.parse(readFileSync(new URL("../../tests/event_names.json", import.meta.url), "utf8"));
const nothing = () => {};

test("what the host takes for a name, the page does, and sends it as it is", async () => {
  const page = new FakePage();
  await page.sent();
  for (const name of table.accepted) {
    page.spanwire.on(name, nothing);
    page.spanwire.emit(name);
    outcome(page.spanwire.invoke(name));
    page.spanwire.trace(name, nothing);
    page.spanwire.record(name, 1, { category: name });
  }
  const began = page.batches.length;
  await turn();
  const sent = page.batches.slice(began).flatMap(({ messages }) => messages);
  for (const [kind, key] of [["event", "event"], ["call", "event"], ["open", "name"], ["record", "name"], ["record", "category"]]) {
    const names = sent.filter((message) => message.kind === kind).map((message) => message[key]);
    assert.deepEqual(names, table.accepted, `${kind}.${key}`);
  }
});

test("a name of the host's comes to its listeners as it is", async () => {
  const page = new FakePage();
  await page.sent();
  const heard = [];
  for (const name of table.accepted) page.spanwire.on(name, (data) => heard.push([name, data]));
  page.receive(...table.accepted.map((event, at) => ({ kind: "event", id: at + 1, event, data: at })));
  assert.deepEqual(heard, table.accepted.map((name, at) => [name, at]));
});

test("what the host refuses as a name, the page does, in the same words", async () => {
  const page = new FakePage();
  for (const [name, why] of table.refused) {
    const is = (what) => ({ code: "INVALID_NAME", message: `${what} ${why}` });
    assert.throws(() => page.spanwire.on(name, nothing), is("an event's name"));
    assert.throws(() => page.spanwire.emit(name), is("an event's name"));
    await assert.rejects(page.spanwire.invoke(name), is("an event's name"));
    assert.throws(() => page.spanwire.trace(name, nothing), is("a span's name"));
    assert.throws(() => page.spanwire.record(name, 1), is("a measurement's name"));
    assert.throws(() => page.spanwire.record("r", 1, { category: name }), is("a measurement's category"));
  }
  for (const name of [7, null, undefined, {}, ["save"]]) {
    assert.throws(() => page.spanwire.emit(name), { message: "an event's name is no text" });
  }
  const names = table.refused.length;
  const refused = (of, count) => ({ kind: "refused", of, type: "invalid_name", count });
  const sent = await page.sent();
  assert.deepEqual([...new Set(sent.map(({ kind }) => kind))], ["ready", "refused"]);
  assert.deepEqual(refusalsOf(sent), [
    refused("event", names + 5),
    refused("call", names),
    refused("span", names),
    refused("record", 2 * names),
  ]);
});

test("half a surrogate pair is refused, which the host could not even read", () => {
  const page = new FakePage();
  for (const [name, why] of [
    ["a\ud800", "has U+D800 at byte 1, which is not printable"],
    ["\udfffa", "has U+DFFF at byte 0, which is not printable"],
    ["\ude00\ud83d", "has U+DE00 at byte 0, which is not printable"],
  ]) {
    assert.throws(() => page.spanwire.emit(name), { message: `an event's name ${why}` });
  }
});

test("a huge name is told by its length and not encoded", () => {
  const page = new FakePage();
  const huge = "x".repeat(1 << 20);
  assert.throws(() => page.spanwire.emit(huge), { message: `an event's name has ${1 << 20} bytes, of which 128 are allowed` });
});

test("every character is judged as the host judges it, and as Unicode has it", () => {
  // A new page for each part: it remembers a thousand names.
  const refused = table.not_printable.map(([first, last]) => [parseInt(first, 16), parseInt(last, 16)]);
  const page = new FakePage();
  let at = 0;
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code > refused[at][1]) at++;
    const isRefused = (code >= refused[at]?.[0] && code <= refused[at][1]) || (code >= 0xd800 && code <= 0xdfff);
    const character = String.fromCodePoint(code);
    let taken = true;
    try {
      page.spanwire.on(`a${character}b`, nothing)();
    } catch {
      taken = false;
    }
    if (taken === isRefused) assert.fail(`U+${code.toString(16)}: ${taken}`);
    // What an older or a newer Unicode has is not looked at.
    if (/\p{Cn}/u.test(character)) continue;
    const isHidden = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u.test(character);
    if (isHidden === taken) assert.fail(`U+${code.toString(16)} is of another kind`);
  }
});

test("a batch of long names that are not of ASCII is within the host's bytes", async () => {
  const page = new FakePage({ config: { bytes: 10_000, messages: 1_000 } });
  await page.sent();
  for (let n = 0; n < 300; n++) {
    const name = `${"保".repeat(40)}${n}`;
    page.spanwire.emit(name);
    page.spanwire.trace(name, nothing);
    page.spanwire.record(name, n);
  }
  page.receive({ kind: "credit", count: 1_000 });
  await turn();
  assert.ok(page.texts.every((text) => Buffer.byteLength(text) <= 10_000));
  const kinds = page.batches.flatMap(({ messages }) => messages.map(({ kind }) => kind));
  for (const kind of ["event", "open", "close", "record"]) {
    assert.equal(kinds.filter((one) => one === kind).length, 300, kind);
  }
});

test("quotes in names cost their escapes and no more messages than that", async () => {
  const page = new FakePage({ config: { bytes: 10_000 } });
  await page.sent();
  for (let n = 0; n < 60; n++) page.spanwire.emit('"'.repeat(128), "x".repeat(300));
  await turn();
  assert.ok(page.texts.every((text) => Buffer.byteLength(text) <= 10_000));
});
