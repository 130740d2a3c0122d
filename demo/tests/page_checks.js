"use strict";

// What `page.rs` runs in a real page: each check says by itself whether it holds.

const check = (name, fine, seen) => spanwire.invoke("check", { name, fine: !!fine, seen: `${seen}` });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const failure = async (promise) => {
  try {
    return { value: await promise };
  } catch (error) {
    return error;
  }
};
const thrown = (run) => {
  try {
    return run();
  } catch (error) {
    return error;
  }
};
const nested = (levels) => (levels ? [nested(levels - 1)] : 1);

// Everything that code of the page can get hold of while Spanwire works.
const overheard = [];

const early = [];
spanwire.on("early", (at) => early.push(at));

const first = async () => {
  const noneYet = early.length === 0;
  while (early.length < 3) await pause(5);
  await check("events from before the document was read wait for it", noneYet && `${early}` === "0,1,2", early);

  const tricky = { "</script><!--": "\u2028\u2029\0'\"`${x}\\", ä: "😀\ud800", list: [1.5, null, true, -0, 1e300] };
  Object.defineProperty(tricky, "__proto__", { value: { admin: true }, enumerable: true });
  const back = await spanwire.invoke("echo", tricky);
  const same = JSON.stringify(back) === JSON.stringify(tricky);
  await check("data of any kind comes back as it went", same && back.admin === undefined, JSON.stringify(back));

  let levels = 0;
  for (let at = await spanwire.invoke("deep", 20_000, { timeoutMs: 5_000 }); at; at = at[0]) levels++;
  await check("data that is nested without end arrives", levels === 20_000, levels);

  const failed = await failure(spanwire.invoke("fail"));
  const asError = failed instanceof Error && failed.code === "HANDLER_ERROR" && failed.message === "disk full";
  await check("an error of a handler rejects the promise", asError, failed);
  await check("an error's text is what the handler says", `${failed}` === "disk full", `${failed}`);
  const half = await failure(spanwire.invoke("text", "half \ud83d"));
  await check("half an emoji costs a message nothing but itself", half.value === "half \ufffd", half.value ?? half);
  await check("a page in the app knows that it is", spanwire.isAvailable?.() === true, "");
  const unknown = await failure(spanwire.invoke("nobody.knows"));
  await check("an unknown event rejects the promise", unknown.code === "UNKNOWN_EVENT", unknown.code);
  const panicked = await failure(spanwire.invoke("panic"));
  await check("a panic rejects the promise", panicked.code === "HANDLER_ERROR", panicked.code);
  const misnamed = await failure(spanwire.invoke("no\u200bspace"));
  await check("a bad name rejects the promise", misnamed.code === "INVALID_NAME" && misnamed.message.includes("U+200B at byte 2"), misnamed.message);

  const cycle = {};
  cycle.cycle = cycle;
  const odd = { cycle, bigint: 1n, function: () => 1, symbol: Symbol("s"), map: new Map([[1, 2]]), set: new Set([1]) };
  Object.assign(odd, { blob: new Blob(["x"]), file: new File(["x"], "x.txt") });
  for (const [name, data] of Object.entries(odd)) {
    const called = await failure(spanwire.invoke("echo", data));
    const emitted = thrown(() => spanwire.emit("echo", data));
    const fine = called instanceof TypeError && emitted instanceof TypeError;
    await check(`a ${name} is refused with a TypeError`, fine, `${called}, ${emitted}`);
  }
  const inside = thrown(() => spanwire.emit("echo", { layers: [1, { click: () => 1 }] }));
  await check("a TypeError says what and where", /data\.layers\.1\.click is a function/.test(inside), inside);

  const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at * 7);
  const layers = [bytes, bytes.buffer.slice(0, 4), new DataView(bytes.buffer, 1, 2), new Float32Array(0)];
  const pixels = new Promise((resolve) => {
    spanwire.on("pixels", (data) => addEventListener("pixels", ({ detail }) => resolve([data, detail]), { once: true }));
  });
  const picture = await failure(spanwire.invoke("negative", { name: "sky", layers }));
  const isNegative = (seen, from) =>
    seen instanceof Uint8Array && seen.length === from.length && seen.every((byte, at) => byte === (~from[at] & 255));
  const views = [bytes, bytes.subarray(0, 4), bytes.subarray(1, 3), new Uint8Array(0)];
  const negatives = picture.value?.layers.every((seen, at) => isNegative(seen, views[at]));
  await check("bytes go and come as bytes", negatives && picture.value.name === "sky", picture.value ? "others" : picture);
  const emitted = negatives ? await pixels : [];
  await check("an event's bytes are bytes", emitted.length && emitted.every((seen) => isNegative(seen, bytes)), emitted);

  const large = await failure(spanwire.invoke("echo", "x".repeat((1 << 20) - 256)));
  await check("what is too large is refused", large.code === "TOO_LARGE", large.code);
  const wide = "ä".repeat(450_000);
  await check("what is just not too large goes", (await spanwire.invoke("echo", wide)) === wide, "");
  const deep = await failure(spanwire.invoke("echo", nested(61)));
  await check("what nests too deep is refused", deep.code === "MALFORMED", deep.code);
  const fine = JSON.stringify(await spanwire.invoke("echo", nested(60))) === JSON.stringify(nested(60));
  await check("what just does not nest too deep goes", fine, "");

  const traced = await spanwire.invoke("echo", 1, { traceparent: "\ud800" });
  await check("a call with an unreadable traceparent is answered", traced === 1, traced);
  const late = await failure(spanwire.invoke("never", null, { timeoutMs: 30 }));
  await check("a call has a timeout", late.code === "TIMEOUT", late.code);
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 30);
  const aborted = await failure(spanwire.invoke("never", null, { signal: abort.signal }));
  await check("a call can be aborted", aborted.code === "CANCELLED", aborted.code);
  const before = await failure(spanwire.invoke("never", null, { signal: AbortSignal.abort() }));
  await check("an aborted signal sends nothing", before.code === "CANCELLED", before.code);
  await pause(50);
  const running = await spanwire.invoke("running");
  await check("withdrawn calls do not go on", running === 0, running);

  const seen = [];
  const heard = [];
  const off = spanwire.on("tick", (at) => seen.push(at));
  const throws = spanwire.on("tick", (at) => {
    if (at === 7) throw new Error("on purpose");
  });
  window.addEventListener("tick", ({ detail }) => heard.push(detail));
  const expected = `${Array.from({ length: 1_000 }, (_, at) => at)}`;
  await spanwire.invoke("ticks", 1_000);
  while (seen.length < 1_000) await pause(10);
  await check("events come in order, each once", `${seen}` === expected, seen.length);
  await check("they come as DOM events, too", `${heard}` === expected, heard.length);
  off();
  throws();
  await spanwire.invoke("ticks", 5);
  while (heard.length < 1_005) await pause(10);
  await check("a listener that is off hears nothing", seen.length === 1_000, seen.length);

  const echoed = await spanwire.invoke("ticks.echoed");
  await check("what came from Rust is not sent back", echoed === 0, echoed);

  // 4096 may be in flight at once: the rest goes as these are acknowledged.
  let many = 0;
  spanwire.on("tick", () => many++);
  await spanwire.invoke("ticks", 9_000);
  for (let tries = 0; tries < 500 && many < 9_000; tries++) await pause(10);
  await check("more than may be in flight arrives, too", many === 9_000, many);

  let runs = 0;
  spanwire.on("twice", () => runs++);
  await spanwire.invoke("send.twice");
  await pause(100);
  await check("a message that is sent again runs once", runs === 1, runs);

  let taken = 0;
  for (let at = 0; at < 15_000; at++) taken += spanwire.emit("counted", at);
  const refused = await failure(spanwire.invoke("count"));
  let counted = 0;
  for (let tries = 0; tries < 500 && counted !== taken; tries++) {
    await pause(10);
    // While the outbox is full a call is refused, too.
    counted = (await failure(spanwire.invoke("count"))).value;
  }
  await check("a call beyond the outbox's bound is refused", refused.code === "OVER_CREDIT", refused.code);
  const exact = taken < 15_000 && taken > 10_000 && counted === taken;
  await check("a flood is held back, and what was taken arrives", exact, `${counted} of ${taken}`);

  await spanwire.invoke("script", "window.ran = 1 // without an end");
  await spanwire.invoke("script", "throw new Error('on purpose')");
  await spanwire.invoke("script", "this does not parse (");
  while (window.ran !== 1) await pause(10);

  const locked =
    thrown(() => (window.__spanwire__ = 1)) instanceof TypeError &&
    thrown(() => (window.spanwire.emit = 1)) instanceof TypeError &&
    thrown(() => delete window.spanwire) instanceof TypeError &&
    !Object.keys(window).includes("__spanwire__");
  await check("nothing of ours can be replaced", locked, "");

  // A page that lies in wait for the nonce.
  const { webkit, JSON: json } = window;
  const { stringify } = json;
  const { call } = Function.prototype;
  const { postMessage } = webkit.messageHandlers.ipc;
  thrown(() => (webkit.messageHandlers.ipc.postMessage = (text) => overheard.push(text)));
  window.webkit = { messageHandlers: { ipc: { postMessage: (text) => overheard.push(text) } } };
  Object.defineProperty(Object.prototype, "toJSON", {
    configurable: true,
    value() {
      overheard.push(Object.values(this).join());
      return this;
    },
  });
  JSON.stringify = (value) => overheard.push(value) && "0";
  const push = Array.prototype.push;
  Array.prototype.push = function (...values) {
    push.apply(overheard, values);
    return push.apply(this, values);
  };
  const mine = await spanwire.invoke("echo", { a: [1] });
  delete Object.prototype.toJSON;
  Array.prototype.push = push;
  JSON.stringify = stringify;
  window.webkit = webkit;
  Function.prototype.call = call;
  thrown(() => (webkit.messageHandlers.ipc.postMessage = postMessage));
  const text = overheard.map((value) => (typeof value === "object" ? stringify(value) : `${value}`)).join("\n");
  const silent = mine.a[0] === 1 && overheard.length > 0 && !/nonce|[0-9a-f]{32}/.test(text);
  await check("a page that replaces what it can never sees the nonce", silent, text.slice(0, 500));

  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.srcdoc = `<script>
    const port = window.webkit.messageHandlers.ipc;
    for (const nonce of ["", "0".repeat(32)]) {
      port.postMessage(JSON.stringify({ spanwire: 1, nonce, page: "forged", messages: [{ kind: "ready" }] }));
      port.postMessage(JSON.stringify({ spanwire: 1, nonce, page: "forged",
        messages: [{ kind: "event", id: 1, event: "forged" }] }));
    }
    parent.postMessage(typeof spanwire + typeof __spanwire__, "*");
  </script>`;
  const inFrame = new Promise((resolve) => window.addEventListener("message", ({ data }) => resolve(data)));
  document.body.append(frame);
  await check("a frame has no wire", (await inFrame) === "undefinedundefined", await inFrame);
  const forged = await spanwire.invoke("forgeries");
  await check("a frame cannot speak for the page", forged === 0, forged);

  window.ipc.postMessage("a message of the app's own");
  window.addEventListener("pagehide", () => spanwire.emit("counted", "bye"));
  sessionStorage.setItem("load", "second");
  await spanwire.invoke("expect.bye");
  failure(spanwire.invoke("never"));
  location.reload();
};

const second = async () => {
  const running = await spanwire.invoke("running");
  await check("a call dies with its page", running === 0, running);
  const bye = await spanwire.invoke("bye.came");
  await check("what is sent while the page goes still arrives", bye, bye);

  let lost;
  window.addEventListener("pageshow", async ({ isTrusted, persisted }) => {
    if (!isTrusted || !persisted) return;
    await check("a page from the page cache is a new one", (await spanwire.invoke("echo", 2)) === 2, "");
    await check("its old calls were rejected", (await lost).code === "CANCELLED", (await lost).code);
    sessionStorage.setItem("load", "watched");
    location.href = "/watched";
  });
  lost = failure(spanwire.invoke("never"));
  await pause(20);
  location.href = "/elsewhere";
};

// On this page `page.rs` keeps what the script posts in `posted`.
const watched = async () => {
  const messages = () => posted.flatMap((text) => JSON.parse(text).messages);
  const find = async (fine) => {
    let found;
    for (let tries = 0; tries < 200 && !found; tries++) {
      found = messages().find(fine);
      if (!found) await pause(10);
    }
    return found ?? {};
  };
  const busy = (ms) => {
    const until = performance.now() + ms;
    while (performance.now() < until);
  };

  const fields = posted.map((text) => JSON.parse(text));
  const inTime = fields.every(({ sent }) => sent >= 0 && sent <= performance.now());
  await check("a batch says when it was posted", fields.length && inTime, JSON.stringify(fields.map(({ sent }) => sent)));

  // Spans.
  const value = await spanwire.trace("outer", async (span) => {
    spanwire.emit("counted", "in span");
    await pause(5);
    spanwire.emit("counted", "no span");
    return span.trace("inner", (own) => own.invoke("echo", "asked"));
  });
  const outer = await find(({ kind, name }) => kind === "open" && name === "outer");
  const inner = await find(({ kind, name }) => kind === "open" && name === "inner");
  const closed = await find(({ kind, span }) => kind === "close" && span === outer.span);
  const spanOf = (data) => messages().find((message) => message.data === data)?.span;
  const nested =
    value === "asked" &&
    inner.parent === outer.span &&
    spanOf("in span") === outer.span &&
    spanOf("no span") === undefined &&
    spanOf("asked") === inner.span &&
    closed.at >= outer.at + 4;
  await check("spans nest, over an await too", nested, JSON.stringify([outer, inner, closed]));
  const broke = thrown(() => spanwire.trace("broke", () => JSON.parse("no")));
  const failed = await find(({ kind, outcome }) => kind === "close" && outcome === "failed");
  await check("a span fails with its function", broke instanceof SyntaxError && failed.span > 0, JSON.stringify(failed));

  // As zone.js has it: a class of its own that takes the engine's place.
  class ZoneAwarePromise {
    constructor(promise) {
      this.promise = promise;
    }
    then(done, failed) {
      return new ZoneAwarePromise(this.promise.then(done, failed));
    }
  }
  const zoned = spanwire.trace("zoned", () => new ZoneAwarePromise(pause(20).then(() => 7)));
  const seven = await zoned;
  const began = await find(({ kind, name }) => kind === "open" && name === "zoned");
  const over = await find(({ kind, span }) => kind === "close" && span === began.span);
  const awaited = seven === 7 && zoned instanceof ZoneAwarePromise && over.at - began.at >= 19;
  await check("a promise that is not the engine's is awaited", awaited, JSON.stringify([began, over]));

  // Stamps.
  spanwire.on("slow", () => busy(20));
  await spanwire.invoke("send.slow");
  busy(30);
  const ack = await find(({ kind, ran }) => kind === "ack" && ran?.some(([, from, to]) => to - from >= 19));
  await check("an ack names what ran long", ack.done - ack.at >= 19, JSON.stringify(ack));
  await spanwire.invoke("echo", 1);
  busy(50);
  const behind = await find(({ kind, at, done }) => kind === "ack" && done - at >= 49);
  await check("an ack counts the promise's first continuation in", behind.done, JSON.stringify(behind));

  // Measurements.
  for (let n = 0; n <= 100; n++) spanwire.record("fps", n, { unit: "Hz", category: "canvas" });
  const fps = await find(({ kind, name }) => kind === "record" && name === "fps");
  await check("the last record of a turn goes", fps.value === 100 && fps.unit === "Hz", JSON.stringify(fps));
  performance.mark("app.ready");
  performance.measure("app.load", { start: 100, end: 350 });
  const mark = await find(({ category }) => category === "mark");
  const measure = await find(({ category }) => category === "measure");
  const inSeconds = mark.name === "app.ready" && mark.value < 60 && measure.name === "app.load" && measure.value === 0.25;
  await check("performance marks and measures are recorded", inSeconds, JSON.stringify([mark, measure]));
  const painted = await find(({ kind, name }) => kind === "vital" && name === "fcp");
  const vitals = messages().filter(({ kind }) => kind === "vital");
  const names = vitals.map(({ name }) => name);
  const once = new Set(names).size === names.length;
  const sound = painted.rating && once && vitals.every(({ value, rating }) => value >= 0 && rating);
  await check("the web vitals that the engine has are told once", sound, JSON.stringify(vitals));

  // The platform's own events.
  const heard = [];
  window.addEventListener("compat.saved", ({ detail }) => heard.push(detail));
  const returned = dispatchEvent(new CustomEvent("compat.saved", { detail: { a: 1 } }));
  dispatchEvent(new CustomEvent("compat.saved"));
  dispatchEvent(new CustomEvent("not a name"));
  dispatchEvent(new Event("compat.saved"));
  const saved = await spanwire.invoke("compat.count");
  await check("the page's custom events reach Rust", saved === 2 && returned && heard.length === 3, saved);
  const canceled = (event) => event.preventDefault();
  window.addEventListener("compat.no", canceled);
  const prevented = dispatchEvent(new CustomEvent("compat.no", { cancelable: true, detail: window }));
  const counted = await find(({ kind, type }) => kind === "error" && type === "uncaught");
  await check("one that is not JSON is counted", prevented === false && counted.kind, JSON.stringify(counted));

  // A page with traps where the script's own objects could step into them.
  let stepped = 0;
  const keys = ["id", "text", "sent", "kind", "span", "error", "data", "signal", "value", "get", "once", "detail", "after"];
  const trap = { __proto__: null, configurable: true, get: () => ++stepped, set: () => ++stepped };
  for (const key of keys) Object.defineProperty(Object.prototype, key, trap);
  for (let n = 0; n < 8; n++) Object.defineProperty(Array.prototype, n, trap);
  const { parse } = JSON;
  JSON.parse = () => stepped++;
  let ticked = 0;
  spanwire.on("tick", (at) => (ticked += at));
  const tick = spanwire.invoke("ticks", 5);
  const proto = spanwire.invoke("echo", "__proto__");
  const refused = failure(spanwire.invoke("fail"));
  const [, text, { code }] = [await tick, await proto, await refused];
  spanwire.trace("trapped", (span) => span.emit("counted", 1));
  spanwire.record("trapped", 1);
  for (let tries = 0; tries < 200 && ticked < 10; tries++) await pause(10);
  const trapped = stepped;
  for (const key of keys) delete Object.prototype[key];
  for (let n = 0; n < 8; n++) delete Array.prototype[n];
  JSON.parse = parse;
  const through = ticked === 10 && text === "__proto__" && code === "HANDLER_ERROR";
  await check("traps on prototypes break nothing", through, `${[ticked, text, code, trapped]}`);

  // The end. `ping` and `bye` as the host would send them.
  const { page } = JSON.parse(posted.at(-1));
  __spanwire__({ page, floor: 0, messages: [{ kind: "ping", id: 4_000_000_000 }] });
  const pong = JSON.parse(posted.at(-1)).messages.find(({ kind }) => kind === "pong");
  await check("a ping is answered at once", pong?.id === 4_000_000_000 && pong.at <= performance.now(), JSON.stringify(pong));
  const open = failure(spanwire.invoke("never"));
  await pause(20);
  __spanwire__({ page, floor: 0, messages: [{ kind: "bye", code: "FORBIDDEN" }] });
  const codes = [(await open).code, (await failure(spanwire.invoke("echo", 1))).code, spanwire.emit("counted")];
  codes.push(spanwire.isAvailable?.());
  sessionStorage.setItem("bye", JSON.stringify(codes));
  sessionStorage.setItem("load", "opened");
  location.href = "/watched?opened";
};

// The document is opened anew, which takes all listeners off the window.
const opened = async () => {
  const errors = () => posted.flatMap((text) => JSON.parse(text).messages).filter(({ kind }) => kind === "error");
  const fail = async () => {
    setTimeout(() => {
      throw new Error("on purpose");
    });
    Promise.reject(new Error("on purpose"));
    await pause(50);
  };
  const heard = [];
  document.open();
  // One is of wry's own script, which WebKit runs once more, and which cannot.
  addEventListener("error", ({ message }) => heard.push(message));
  document.write("<!doctype html><body>Anew<script>throw new Error('on purpose')</" + "script>");
  document.close();
  await fail();
  const types = errors().map(({ type }) => type).sort();
  const ours = heard.filter((message) => message.includes("on purpose")).length === 2;
  const all = ours && `${types}` === `${heard.map(() => "uncaught")},unhandled_rejection`;
  await check("errors are counted in a document that was opened anew", all, JSON.stringify([types, heard]));
  while (document.readyState !== "complete") await pause(5);
  document.write("<!doctype html><body>Once more");
  document.close();
  await pause(0);
  const before = errors().length;
  await fail();
  await check("and in one that a write opened", errors().length === before + 2, errors().length - before);
  sessionStorage.setItem("load", "last");
  location.href = "/last";
};

const last = async () => {
  const codes = sessionStorage.getItem("bye");
  await check("a goodbye rejects what is open and what comes", codes === '["FORBIDDEN","FORBIDDEN",false,false]', codes);
  await spanwire.invoke("done");
};

const loads = { second, watched, opened, last };
failure((loads[sessionStorage.getItem("load")] ?? first)()).then((error) => {
  if (error instanceof Error) check("the checks run through", false, error.stack ?? error);
});
