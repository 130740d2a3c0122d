// A page without an engine: the built script in a context of its own, with a transport that keeps
// what is posted and a clock that is moved by hand.

import { webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("../spanwire.js", import.meta.url), "utf8");
export const NONCE = "0123456789abcdef0123456789abcdef";

// What an engine has and a bare context has not. Its code is of this realm, so that what code of the
// page does to the prototypes of its own does not reach it, as in an engine.
const engine = (page, entryTypes) => {
  const of = (target) => (target === undefined || target === page.window ? page.target : target);
  class EventTarget {
    #listeners = [];
    addEventListener(type, run, options) {
      // As an engine reads an object of options: whatever is on its prototypes.
      const signal = options?.signal;
      if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("no signal");
      const capture = options === true || !!options?.capture;
      const all = of(this).#listeners;
      if (all.some((one) => one.type === type && one.run === run && one.capture === capture)) return;
      all.push({ type, run, capture, once: !!options?.once });
    }
    removeEventListener(type, run) {
      const self = of(this);
      self.#listeners = self.#listeners.filter((one) => one.type !== type || one.run !== run);
    }
    /** All listeners go, as with a document that is opened anew. */
    static clear(target) {
      target.#listeners = [];
    }
    dispatchEvent(event) {
      if (!(event instanceof Event)) throw new TypeError("no event");
      const { type } = event;
      const self = of(this);
      for (const capture of [true, false]) {
        // Those that are added while the event is captured are called, too.
        for (const one of self.#listeners.filter((one) => one.type === type && one.capture === capture)) {
          if (one.once) self.#listeners = self.#listeners.filter((other) => other !== one);
          one.run.call(page.window, event);
        }
      }
      return !event.canceled;
    }
  }
  class Event {
    #type;
    isTrusted = false;
    constructor(type) {
      this.#type = type;
    }
    get type() {
      return this.#type;
    }
    get eventPhase() {
      return 0;
    }
  }
  class CustomEvent extends Event {
    #detail;
    constructor(type, options) {
      super(type);
      this.#detail = options?.detail ?? null;
      this.cancelable = !!options?.cancelable;
    }
    get detail() {
      return this.#detail;
    }
  }
  class AbortSignal extends EventTarget {
    aborted = false;
  }
  class AbortController {
    signal = new AbortSignal();
    abort() {
      this.signal.aborted = true;
      dispatchEvent.call(this.signal, new Event("abort"));
    }
  }
  class PerformanceObserverEntryList {
    #entries;
    constructor(entries) {
      this.#entries = entries;
    }
    getEntries() {
      return this.#entries;
    }
  }
  class PerformanceObserver {
    static supportedEntryTypes = entryTypes;
    #run;
    #types = [];
    constructor(run) {
      this.#run = run;
    }
    observe({ type, buffered }) {
      this.#types.push(type);
      page.observers.push(this);
      // As WebKit does it: at once, within the call.
      if (buffered) this.show(page.early);
    }
    takeRecords() {
      return page.pending.splice(0).filter(({ entryType }) => this.#types.includes(entryType));
    }
    disconnect() {
      this.#types = [];
    }
    show(entries) {
      const mine = entries.filter(({ entryType }) => this.#types.includes(entryType));
      if (mine.length) this.#run(new PerformanceObserverEntryList(mine));
    }
  }
  const watchers = [];
  class MutationObserver {
    constructor(run) {
      this.run = run;
    }
    observe() {
      watchers.push(this);
    }
  }
  class Document {
    open() {
      this.write();
      return this;
    }
    /** Opens the document too, as one that is complete. */
    write() {
      EventTarget.clear(page.target);
      for (const { run } of watchers) queueMicrotask(() => run([]));
    }
  }
  const { addEventListener, removeEventListener, dispatchEvent } = EventTarget.prototype;
  page.target = new EventTarget();
  Object.setPrototypeOf(page.document, Document.prototype);
  page.dispatch = (event) => dispatchEvent.call(page.target, event);
  return {
    ...{ EventTarget, Event, CustomEvent, AbortSignal, AbortController },
    ...{ Document, MutationObserver, PerformanceObserverEntryList, PerformanceObserver, addEventListener, removeEventListener, dispatchEvent },
  };
};

/** The engine's turn: all microtasks run. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

export class FakePage {
  /** Batches as they were posted, parsed. */
  batches = [];
  texts = [];
  reported = [];
  complaints = [];
  observers = [];
  /** Entries that no observer was told of yet. */
  pending = [];
  /** Timers that run: id -> {run, ms}. */
  timers = new Map();
  timersEver = 0;
  /** What is called again and again: id -> run. */
  tickers = new Map();
  read = 0;
  now = 1_000;
  broken = false;

  constructor({ config = {}, window = {}, entryTypes = [], early = [], protocol = "app:", readyState = "complete", port = true } = {}) {
    this.early = early;
    let nextTimer = 1;
    const postMessage = (text) => {
      if (this.broken) throw new Error("no handler");
      this.texts.push(text);
      this.batches.push(JSON.parse(text));
    };
    this.document = { readyState, visibilityState: "visible" };
    const sandbox = {
      document: this.document,
      location: { protocol },
      webkit: port ? { messageHandlers: { ipc: { postMessage } } } : undefined,
      crypto: { getRandomValues: (bytes) => webcrypto.getRandomValues(bytes) },
      performance: { now: () => this.now },
      setTimeout: (run, ms) => {
        this.timersEver++;
        this.timers.set(nextTimer, { run, ms });
        return nextTimer++;
      },
      setInterval: (run) => {
        this.tickers.set(nextTimer, run);
        return nextTimer++;
      },
      clearInterval: (id) => this.tickers.delete(id),
      clearTimeout: (id) => this.timers.delete(id),
      queueMicrotask: (run) => queueMicrotask(run),
      reportError: (error) => {
        this.reported.push(error);
        this.fire("error", { error });
      },
      console: { error: (...all) => this.complaints.push(all.join(" ")) },
      TextEncoder,
      TextDecoder,
      ...engine(this, entryTypes),
      ...window,
    };
    this.context = vm.createContext(sandbox);
    this.window = this.run("globalThis.top = globalThis.self = globalThis.window = globalThis");
    // As the engine's window has it: from the prototype, however that changes.
    this.run(`Object.defineProperty(window, "dispatchEvent", {
      get: () => EventTarget.prototype.dispatchEvent,
      set: (value) => Object.defineProperty(window, "dispatchEvent", { value, writable: true, configurable: true }),
      configurable: true,
    })`);
    this.config = { nonce: NONCE, credits: 1_000, bytes: 1 << 20, messages: 250, depth: 64, marks: false, compat: false, spans: false, ...config };
    this.inject();
  }

  inject() {
    this.run(`(${SCRIPT})(${JSON.stringify(this.config)});`);
  }

  /** Runs code as the page's own. */
  run(code) {
    return vm.runInContext(code, this.context);
  }

  get spanwire() {
    return this.run("spanwire");
  }

  get id() {
    return this.batches.at(-1).page;
  }

  /** The engine's own event. */
  fire(type, fields = {}) {
    const event = new this.window.Event(type);
    Object.assign(event, { isTrusted: true, timeStamp: this.now, ...fields });
    this.dispatch(event);
  }

  /** New entries on the page's timeline. */
  entries(...entries) {
    for (const observer of [...this.observers]) observer.show(entries);
  }

  /** What the host sends: messages, or one. */
  receive(...messages) {
    const batch = { page: this.id, floor: 0, messages };
    this.run(`__spanwire__(${JSON.stringify(batch)})`);
  }

  /** All messages since the last time, without the batches around them. */
  async sent() {
    await turn();
    const batches = this.batches.slice(this.read);
    this.read = this.batches.length;
    return batches.flatMap(({ messages }) => messages);
  }

  /** As `sent`, of one kind. */
  async sentOf(kind) {
    return (await this.sent()).filter((message) => message.kind === kind);
  }

  expire() {
    for (const [id, { run }] of [...this.timers]) {
      this.timers.delete(id);
      run();
    }
  }
}

/** What was refused in several turns, each thing once with the sum of its counts. */
export const refusalsOf = (messages) => {
  const sums = new Map();
  for (const { count, ...what } of messages.filter(({ kind }) => kind === "refused")) {
    const key = JSON.stringify(what);
    sums.set(key, (sums.get(key) ?? 0) + count);
  }
  return [...sums].map(([what, count]) => ({ ...JSON.parse(what), count }));
};

/** How a promise ends: its value, or its error. */
export const outcome = (promise) => promise.then((value) => ({ value }), (error) => ({ error }));
