// The page's end of the wire (docs/wire.md): one expression, which the host calls with
// `{nonce, credits, bytes, depth}` at the start of each document, before any code of the page.
//
// No timer runs while nothing is on its way: each flush is driven by a message in or out.
(config) => {
  "use strict";
  const page = window;
  if (page.top !== page.self || "__spanwire__" in page) return;

  // The transport under `window.ipc`, since code of the page could put itself between the two
  // and would then read the nonce.
  const port =
    page.webkit?.messageHandlers?.ipc ?? page.chrome?.webview ?? page.ipc;
  if (!port) return;

  // What the script uses later, before code of the page can replace it.
  const uncurry = Function.prototype.bind.bind(Function.prototype.call);
  const post = port.postMessage.bind(port);
  const setTimer = setTimeout.bind(page);
  const clearTimer = clearTimeout.bind(page);
  const microtask = queueMicrotask.bind(page);
  const random = crypto.getRandomValues.bind(crypto);
  const report = page.reportError?.bind(page) ?? console.error;
  const listen = page.addEventListener.bind(page);
  const dispatch = page.dispatchEvent.bind(page);
  const { stringify } = JSON;
  const { freeze, defineProperty } = Object;
  const { Map, Set, Promise, CustomEvent, TextEncoder, Uint8Array, TypeError } = page;
  const [get, put, has, drop, each] = ["get", "set", "has", "delete", "forEach"].map((name) =>
    uncurry(Map.prototype[name]),
  );
  const [add, seenHas, seenDrop, seenEach] = ["add", "has", "delete", "forEach"].map((name) =>
    uncurry(Set.prototype[name]),
  );
  const match = uncurry(RegExp.prototype.exec);
  const toText = uncurry(Number.prototype.toString);
  const encode = uncurry(TextEncoder.prototype.encode);
  const encoder = new TextEncoder();

  const BATCH_MESSAGES = 50;
  const BATCH_BYTES = config.bytes - 256; // of its messages: what is around them has 93
  const OUTBOX_MESSAGES = 10_000;
  const DEPTH = config.depth - 4; // of the data: the batch around it has 3 levels
  const NAME = /^[A-Za-z0-9_.:/-]{1,64}$/;
  const PRINTABLE = /^[ -~]{0,256}$/;

  class SpanwireError extends Error {
    constructor(name, message, code) {
      super(message);
      defineProperty(this, "name", { value: name });
      defineProperty(this, "code", { value: code, enumerable: true });
    }
  }
  const refusal = (code, message) => new SpanwireError("SpanwireError", message, code);

  // The state of one generation, made anew when the page comes back from the page cache.
  let id; // of this load; the generation
  let away = true; // between `pagehide` and `pageshow`, or for good when the transport broke
  let lastId;
  let credits;
  let outbox; // calls and events, in order; sent as far as there are credits
  let head; // of the outbox
  let control; // acks and the like, which cost no credit, as the text of a batch
  let controls;
  let shed = 0; // events that were dropped and not yet told
  let scheduled;
  let calls; // id -> {resolve, reject, entry, timer, signal, abort}
  let seen; // ids that ran, from `floor` on
  let floor;
  let acks;
  let failed;
  let begun; // the raw script that began last and has not been settled
  let ended;

  const listeners = new Map();
  // Nobody can listen before the document's scripts have run, so events wait for that.
  let held = document.readyState === "loading" ? [] : null;

  const restart = () => {
    id = "";
    const bytes = random(new Uint8Array(12));
    for (let at = 0; at < bytes.length; at++) id += toText(bytes[at] % 36, 36);
    away = scheduled = false;
    lastId = head = controls = floor = begun = ended = 0;
    credits = config.credits;
    control = "";
    outbox = [];
    acks = [];
    failed = [];
    calls = new Map();
    seen = new Set();
    tell('{"kind":"ready"}');
  };

  // Page to host.

  const schedule = () => {
    if (scheduled || away) return;
    scheduled = true;
    microtask(flush);
  };

  const tell = (text) => {
    if (away) return;
    if (control.length + text.length > BATCH_BYTES) flush();
    control += control ? `,${text}` : text;
    // Its bound: one turn can hold more than a batch.
    if (++controls < BATCH_MESSAGES) schedule();
    else flush();
  };

  const flush = () => {
    scheduled = false;
    if (shed && !away) {
      control += `${control && ","}{"kind":"shed","count":${shed}}`;
      shed = 0;
    }
    while (!away) {
      let body = control;
      let bytes = body.length;
      control = "";
      controls = 0;
      for (let count = 0; head < outbox.length && count < BATCH_MESSAGES; head++) {
        const entry = outbox[head];
        if (entry.withdrawn) continue;
        if (!credits || bytes + entry.bytes > BATCH_BYTES) break;
        credits--;
        count++;
        bytes += entry.bytes;
        body += body ? `,${entry.text}` : entry.text;
        entry.sent = true;
        entry.text = "";
      }
      if (head === outbox.length) {
        outbox = [];
        head = 0;
      } else if (head > OUTBOX_MESSAGES) {
        outbox = outbox.slice(head);
        head = 0;
      }
      if (!body) return;
      try {
        // Put together by hand: a `toJSON` of the page must not see the nonce.
        post(`{"spanwire":1,"nonce":"${config.nonce}","page":"${id}","messages":[${body}]}`);
      } catch {
        away = true;
        abandon("BACKEND_GONE", "the host does not listen any more");
      }
    }
  };

  // The host refuses a batch that is too deep unread, and all that is in it: none may go there.
  // `charCodeAt` of the page's prototype, since an uncurried one is thirty times slower here and
  // a page that replaces it harms only itself.
  const isTooDeep = (json) => {
    let depth = 0;
    let quoted = false;
    for (let at = 0; at < json.length; at++) {
      const code = json.charCodeAt(at);
      if (code === 34) quoted = !quoted;
      else if (quoted) at += code === 92 ? 1 : 0;
      else if (code === 123 || code === 91) depth++;
      else if (code === 125 || code === 93) depth--;
      if (depth > DEPTH) return true;
    }
    return false;
  };

  // Returns the entry, or null when the outbox is full. Throws what makes it unsendable.
  const enqueue = (kind, event, data, traceparent) => {
    if (typeof event !== "string" || !match(NAME, event)) {
      throw refusal("INVALID_NAME", "an event's name is 1 to 64 of A-Za-z0-9_.:/-");
    }
    let text = "";
    if (data !== undefined) {
      const json = stringify(data); // a cycle or a BigInt is a TypeError that says so
      if (json === undefined) throw new TypeError(`${typeof data} is not JSON`);
      if (json.length > 2 * DEPTH && isTooDeep(json)) {
        throw refusal("MALFORMED", `the data nests deeper than ${DEPTH} levels`);
      }
      text = `,"data":${json}`;
    }
    if (traceparent !== undefined) {
      // What cannot be one goes as an empty one, which the host counts: half a surrogate pair
      // would make the whole message unreadable there.
      const parent = `${traceparent}`;
      text += `,"traceparent":${match(PRINTABLE, parent) ? stringify(parent) : '""'}`;
    }
    // A unit of UTF-16 is at most 3 bytes of UTF-8: count only where that could matter.
    let bytes = text.length * 3 + 128;
    if (bytes > BATCH_BYTES / BATCH_MESSAGES) bytes = encode(encoder, text).length + 128;
    if (bytes > BATCH_BYTES) throw refusal("TOO_LARGE", `the data is larger than ${BATCH_BYTES} bytes`);
    if (away || outbox.length - head >= OUTBOX_MESSAGES) return null;
    const entry = { kind, id: ++lastId, bytes, sent: false, withdrawn: false };
    entry.text = `{"kind":"${kind}","id":${entry.id},"event":"${event}"${text}}`;
    outbox.push(entry);
    if (credits && outbox.length - head >= BATCH_MESSAGES) flush();
    else schedule();
    return entry;
  };

  const emit = (event, data) => {
    const entry = enqueue("event", event, data);
    if (entry) return true;
    shed++;
    schedule();
    return false;
  };

  const invoke = (event, data, options) =>
    // An executor that throws rejects the promise.
    new Promise((resolve, reject) => {
      const { timeoutMs, signal, traceparent } = options ?? {};
      if (signal?.aborted) throw refusal("CANCELLED", `${event} was cancelled`);
      const entry = enqueue("call", event, data, traceparent);
      if (!entry) {
        throw away
          ? refusal("BACKEND_GONE", "the page is going away")
          : refusal("OVER_CREDIT", "too many messages wait for the host");
      }
      const call = { resolve, reject, signal };
      const withdraw = (code, message) => {
        if (!settle(entry.id, call)) return;
        if (entry.sent) tell(`{"kind":"cancel","id":${entry.id}}`);
        else entry.withdrawn = true;
        reject(refusal(code, message));
      };
      if (timeoutMs !== undefined) {
        call.timer = setTimer(
          () => withdraw("TIMEOUT", `no reply to ${event} within ${timeoutMs} ms`),
          timeoutMs,
        );
      }
      if (signal) {
        call.abort = () => withdraw("CANCELLED", `${event} was cancelled`);
        signal.addEventListener("abort", call.abort);
      }
      put(calls, entry.id, call);
      // It may have been sent at once, and the transport have broken on it.
      if (away) withdraw("BACKEND_GONE", "the host does not listen any more");
    });

  // Takes a call off the books; false when it was settled before.
  const settle = (callId, call) => {
    if (!call || !drop(calls, callId)) return false;
    clearTimer(call.timer);
    call.signal?.removeEventListener("abort", call.abort);
    return true;
  };

  const abandon = (code, message) => {
    each(calls, (call, callId) => {
      if (settle(callId, call)) call.reject(refusal(code, message));
    });
  };

  // Host to page.

  const deliver = ({ id: messageId, event, data }) => {
    const run = get(listeners, event);
    for (let at = 0; run && at < run.length; at++) {
      try {
        run[at](data);
      } catch (error) {
        tell('{"kind":"error","type":"listener_error"}');
        reporting = true;
        report(error);
        reporting = false;
      }
    }
    // A listener that throws here ends at window's `error`, not with us.
    dispatch(new CustomEvent(event, { detail: data }));
    acks.push(messageId);
  };
  let reporting = false;

  const handle = (message) => {
    const { kind, id: messageId } = message;
    if (kind === "credit") {
      credits += message.count;
      return;
    }
    if (kind === "begin") {
      begun = messageId;
      ended = 0;
      return;
    }
    if (kind === "end") {
      ended = messageId;
      return;
    }
    // Told again, since the host may not know that it ran.
    if (messageId < floor || seenHas(seen, messageId)) {
      acks.push(messageId);
      return;
    }
    add(seen, messageId);
    if (kind === "reply") {
      const call = get(calls, message.call);
      if (settle(message.call, call)) {
        const { error } = message;
        if (error) call.reject(new SpanwireError(error.name, error.message, error.code));
        else call.resolve(message.data);
      }
      acks.push(messageId);
    } else if (kind === "settle") {
      if (begun !== messageId || ended !== messageId) failed.push(messageId);
      acks.push(messageId);
    } else if (held) {
      held.push(message);
    } else {
      deliver(message);
    }
  };

  const acknowledge = () => {
    const threw = failed.length ? `,"failed":${stringify(failed)}` : "";
    let ranges = "";
    for (let from = 0, to; from < acks.length; from = to) {
      to = from + 1;
      while (to < acks.length && acks[to] === acks[to - 1] + 1) to++;
      ranges += `${ranges && ","}[${acks[from]},${acks[to - 1]}]`;
      // In pieces, or one could be larger than a batch.
      if (to === acks.length || ranges.length > BATCH_BYTES / 4) {
        tell(`{"kind":"ack","ids":[${ranges}]${threw}}`);
        ranges = "";
      }
    }
    acks = [];
    failed = [];
    schedule();
  };

  const receive = (batch) => {
    if (batch.page !== id) return;
    if (batch.floor > floor) {
      floor = batch.floor;
      seenEach(seen, (messageId) => {
        if (messageId < floor) seenDrop(seen, messageId);
      });
    }
    const { messages } = batch;
    for (let at = 0; at < messages.length; at++) handle(messages[at]);
    acknowledge();
  };

  const release = () => {
    if (!held) return;
    const events = held;
    held = null;
    for (let at = 0; at < events.length; at++) deliver(events[at]);
    acknowledge();
  };

  // The page's life. A page can dispatch events of these names itself, hence `isTrusted`.

  listen("DOMContentLoaded", (event) => event.isTrusted && release());
  listen("pageshow", (event) => {
    if (!event.isTrusted || !event.persisted) return;
    abandon("CANCELLED", "the page went away");
    restart();
  });
  const leave = () => {
    flush();
    for (; head < outbox.length; head++) if (outbox[head].kind === "event") shed++;
    flush();
    tell('{"kind":"leave"}');
    flush();
    away = true;
  };
  listen(
    "pagehide",
    // Added while the event is being captured, so it runs after the page's own listeners, and
    // what these send still goes out.
    (event) => event.isTrusted && listen("pagehide", leave, { once: true }),
    { capture: true },
  );
  listen("error", (event) => {
    // Only errors of scripts: those of resources do not bubble up to here.
    if (event.isTrusted && !reporting) tell('{"kind":"error","type":"uncaught"}');
  });
  // Not asked for `isTrusted`, which WebKit leaves false here.
  listen("unhandledrejection", ({ promise }) => {
    if (promise) tell('{"kind":"error","type":"unhandled_rejection"}');
  });

  // What the page sees.

  const on = (event, listener) => {
    if (typeof event !== "string" || !match(NAME, event)) {
      throw refusal("INVALID_NAME", "an event's name is 1 to 64 of A-Za-z0-9_.:/-");
    }
    if (typeof listener !== "function") throw new TypeError("a listener is a function");
    off(event, listener);
    // A new array: the one in use may be running.
    put(listeners, event, [...(get(listeners, event) ?? []), listener]);
    return () => off(event, listener);
  };
  const off = (event, listener) => {
    const rest = (get(listeners, event) ?? []).filter((other) => other !== listener);
    if (rest.length) put(listeners, event, rest);
    else drop(listeners, event);
  };
  // The host knows this page from the first statement on; nothing is left to wait for.
  const ready = Promise.resolve();

  defineProperty(page, "spanwire", {
    value: freeze({ invoke, emit, on, off, whenReady: () => ready }),
    enumerable: true,
  });
  defineProperty(page, "__spanwire__", { value: receive });
  restart();
}
