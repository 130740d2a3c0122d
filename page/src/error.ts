// The error that every refusal and every failed call is.

import type { SpanwireErrorCode } from "./api.js";

// Taken before code of the page can replace it.
const { defineProperty } = Object;

// The script in the webview and the package in the app's bundle each have a class of their own;
// by this mark either knows the other's errors.
const MARK = Symbol.for("spanwire.error");

/** A call that failed, or something that cannot be sent. */
export class SpanwireError extends Error {
  /** Why. */
  declare readonly code: SpanwireErrorCode;

  constructor(name: string, message: string, code: SpanwireErrorCode) {
    super(message);
    // Without a prototype, or what code of the page has put on `Object.prototype` would count.
    const define = (key: PropertyKey, value: unknown, enumerable: boolean) =>
      defineProperty(this, key, { __proto__: null, value, enumerable } as PropertyDescriptor);
    define("name", name, false);
    define("code", code, true);
    define(MARK, true, false);
  }

  /** What it says, without its name: what a handler's error says is for the user to read. */
  override toString(): string {
    return this.message;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[MARK] === true;
  }
}

let newest: unknown;
let newestCode = "";

/** An error of the page's side itself. */
export const refusal = (code: SpanwireErrorCode, message: string): SpanwireError => {
  const error = new SpanwireError("SpanwireError", message, code);
  newest = error;
  newestCode = code;
  return error;
};

/** The code of the newest of them; "" of anything else, which is not looked at: it may be the page's. */
export const codeOf = (error: unknown): string => (error === newest ? newestCode : "");

/** Why the package can do nothing where there is no page script. */
export const MISSING =
  "this page does not run in a Spanwire webview: there is no window.spanwire " +
  "(Rust: spanwire::webview::attach; isAvailable() tells beforehand)";
