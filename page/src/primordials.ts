// What the script uses later, taken before code of the page can replace it.
//
// The page may replace whatever it can reach, and put setters and getters on the prototypes of
// objects and arrays. So the script makes objects by literals with all their fields, which calls no
// setter; reads no field that may be absent, but by `hasOwn`; hands options over without a
// prototype; and has lists, maps and sets that have nothing of the page's on their prototypes.

/** The page itself. */
export const page = window;

// A bound `call` costs thirty times a method's call, so nothing in a hot loop goes through one.
const uncurry = Function.prototype.bind.bind(Function.prototype.call) as <T, A extends unknown[], R>(
  method: (this: T, ...rest: A) => R,
) => (self: T, ...rest: A) => R;

export const { stringify, parse } = JSON;
export const { freeze, defineProperty, getPrototypeOf, keys } = Object;
export const { isArray } = Array;
export const { isView } = ArrayBuffer;
export const { Promise, CustomEvent, RangeError, TypeError, Uint8Array } = page as typeof globalThis & Window;
export const { round } = Math;
export const { apply } = Reflect;
const { Map, Set, WeakSet, TextEncoder, TextDecoder, PerformanceObserver } = page as typeof globalThis & Window;
const { setPrototypeOf, getOwnPropertyDescriptor } = Object;

export const setTimer = page.setTimeout.bind(page) as (run: () => void, ms: number) => number;
export const clearTimer = page.clearTimeout.bind(page);
export const setTicker = page.setInterval.bind(page) as (run: () => void, ms: number) => number;
export const clearTicker = page.clearInterval.bind(page);
export const microtask = page.queueMicrotask.bind(page);
export const random = crypto.getRandomValues.bind(crypto);
export const clock = performance.now.bind(performance);
export const report: (error: unknown) => void = page.reportError?.bind(page) ?? console.error.bind(console);
export const complain = console.error.bind(console);

/** `page.addEventListener`. */
export const listen = page.addEventListener.bind(page);
/** `page.dispatchEvent`, the engine's. */
export const dispatch = page.dispatchEvent.bind(page);
export const nativeDispatch = page.dispatchEvent;
export const addListener = uncurry(EventTarget.prototype.addEventListener);
export const removeListener = uncurry(EventTarget.prototype.removeEventListener);

export const hasOwn = uncurry(Object.prototype.hasOwnProperty) as (object: object, key: string) => boolean;
export const exec = uncurry(RegExp.prototype.exec);
/** What an object is to the engine: `[object Map]`. */
export const kindOf = uncurry(Object.prototype.toString) as (value: unknown) => string;
export const slice = uncurry(String.prototype.slice) as (text: string, from: number, to: number) => string;
export const codePointAt = uncurry(String.prototype.codePointAt) as (text: string, at: number) => number | undefined;
export const then = uncurry(Promise.prototype.then) as (
  promise: unknown,
  done: (value: unknown) => unknown,
  failed: (error: unknown) => unknown,
) => unknown;

/** How the engine reads a property that code of the page could redefine. */
export const getter = <T>(prototype: object, key: string): ((self: unknown) => T) => {
  const get = getOwnPropertyDescriptor(prototype, key)?.get;
  // Not to be found where this engine has it: read it as anyone does.
  return get ? (uncurry(get) as (self: unknown) => T) : (self) => (self as Record<string, T>)[key] as T;
};

const encoder = new TextEncoder();
const encode = uncurry(TextEncoder.prototype.encode);
const decoder = new TextDecoder();
const decode = uncurry(TextDecoder.prototype.decode);
export const byteLength = getter<number>(getPrototypeOf(Uint8Array.prototype) as object, "byteLength");

/** A text in UTF-8. */
export const utf8Of = (text: string): Uint8Array => encode(encoder, text);
/** The text that is this in UTF-8. */
export const textOf = (utf8: Uint8Array): string => decode(decoder, utf8);
/** The bytes of a text in UTF-8. */
export const bytesOf = (text: string): number => byteLength(utf8Of(text));

/** An object of options: what is absent is absent, whatever is on `Object.prototype`. */
export const bare = <T extends object>(options: T): T => setPrototypeOf(options, null) as T;

/** An array that has the engine's own behaviour alone: elements and a length. */
export interface List<T> {
  [at: number]: T;
  readonly length: number;
}

export const list = <T>(): List<T> => setPrototypeOf([], null) as List<T>;

/** Appends by plain assignment, which on a list finds no setter. */
export const append = <T>(to: List<T>, value: T): void => {
  to[to.length] = value;
};

// A class whose methods are its own and the engine's.
const sealed = <C extends new () => object>(Base: C, names: string[]): C => {
  const Sealed = class extends (Base as new () => object) {};
  for (const name of names) {
    const own = getOwnPropertyDescriptor(Base.prototype as object, name) as PropertyDescriptor;
    defineProperty(Sealed.prototype, name, own);
  }
  setPrototypeOf(Sealed.prototype, null);
  freeze(Sealed.prototype);
  return Sealed as unknown as C;
};

export interface OwnMap<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  has(key: K): boolean;
  delete(key: K): boolean;
  clear(): void;
  forEach(run: (value: V, key: K) => void): void;
  readonly size: number;
}

export interface OwnSet<T> {
  add(value: T): void;
  has(value: T): boolean;
  delete(value: T): boolean;
  forEach(run: (value: T) => void): void;
  readonly size: number;
}

const METHODS = ["has", "delete", "forEach", "size"];
export const OwnMap = sealed(Map, [...METHODS, "get", "set", "clear"]) as unknown as new <K, V>() => OwnMap<K, V>;
export const OwnSet = sealed(Set, [...METHODS, "add"]) as unknown as new <T>() => OwnSet<T>;
export const OwnWeakSet = sealed(WeakSet, ["has", "add"]) as unknown as new <T>() => Pick<OwnSet<T>, "has" | "add">;

/** An observer of the page's timeline. */
export interface Watch {
  /** Hands over what has not been yet. */
  readonly take: () => void;
  readonly stop: () => void;
}

/**
 * Watches entries of `type`, also those from before; null where the engine has none of it.
 *
 * WebKit hands over those from before while this still runs, so `run` is given what ends it.
 */
export const watch = <T extends PerformanceEntry>(
  type: string,
  run: (entry: T, stop: () => void) => void,
  durationThreshold?: number,
): Watch | null => {
  try {
    if (!PerformanceObserver.supportedEntryTypes.includes(type)) return null;
    const entriesOf = uncurry(PerformanceObserverEntryList.prototype.getEntries);
    const take = uncurry(PerformanceObserver.prototype.takeRecords);
    const stop = uncurry(PerformanceObserver.prototype.disconnect);
    const each = (entries: PerformanceEntryList) => {
      for (let at = 0; at < entries.length; at++) run(entries[at] as T, done);
    };
    const done = (): void => stop(observer);
    const observer = new PerformanceObserver((entries) => each(entriesOf(entries)));
    const options: PerformanceObserverInit & { durationThreshold?: number } = { type, buffered: true };
    if (durationThreshold !== undefined) options.durationThreshold = durationThreshold;
    observer.observe(options);
    return { take: () => each(take(observer)), stop: done };
  } catch {
    // An engine that says it has more than it has: there is nothing to see then.
    return null;
  }
};
