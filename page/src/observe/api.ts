// What an adapter calls: the script of a page whose messages another layer carries, which tells that
// layer's transport what it measured.

import type { RecordOptions } from "../api.js";

export type { RecordOptions };

/** What the script is called with; the Rust side's `PageScript` writes it for its page. */
export interface ObserveConfig {
  /** What proves to the host that a report is this page's: `PageScript::nonce`. */
  readonly nonce: string;
  /**
   * Carries a report to the host, where `Observer::page_report` takes it. It is called at most a few
   * times in each interval, `leaving` when the page goes away: what it starts then must outlive the
   * page. What it throws is counted as lost, and so is a report whose promise rejects.
   *
   * Nothing that it calls is observed before it returns. What it does later should go around what the
   * adapter wrapped.
   */
  readonly send: (report: string, leaving: boolean) => unknown;
  /** The largest report, in bytes. Default: 262,144, what the host takes. */
  readonly bytes?: number | undefined;
  /** The most measurements in a report. Default: 250, what the host takes. */
  readonly messages?: number | undefined;
  /** How long measurements are collected, in milliseconds. Default: 500. */
  readonly intervalMs?: number | undefined;
  /** Whether performance marks and measures are recorded. Default: no. */
  readonly marks?: boolean | undefined;
}

/** How a call ended on the page. `cancelled` and `timeout`: the page gave it up. */
export type CallOutcome = "ok" | "failed" | "cancelled" | "timeout";

/** A call that the page makes. */
export interface ObservedCall {
  /**
   * The call leaves the page now. The result goes with it as text, for example in a header, to
   * `Inbound::page_call` on the host. It is empty for a call that is not observed.
   *
   * The first call within a span sends what was collected ahead of itself, so that the host knows the
   * span. A transport that does not keep this order leaves the call in a trace of its own.
   */
  readonly posted: () => string;
  /** The page's code gets the call's outcome now. Only the first time counts. */
  readonly settled: (outcome?: CallOutcome) => void;
}

/** A span of the page. Behind an `await` the page cannot know it, and these functions do. */
export interface PageSpan {
  /** Runs `fn` within this span: calls that it makes synchronously belong to it. */
  readonly run: <R>(fn: () => R) => R;
  /** Runs `fn` within a span of its own below this one. */
  readonly trace: Trace;
}

/** Runs `fn` within a span of the page and returns what it returns. */
export type Trace = <R>(name: string, fn: (span: PageSpan) => R) => R;

/**
 * The page as it is observed.
 *
 * Nothing here but `trace` and `record` throws on its own account, and these do for a name that is
 * none. Vitals and errors are collected without a call.
 */
export interface PageObserver {
  /** The page's code makes a call now. */
  readonly beginCall: () => ObservedCall;
  /**
   * The same around `run`, which makes the call: it ends as `run` does, or as the promise that it
   * returns. What is returned settles as that promise does.
   */
  readonly call: <R>(run: (call: ObservedCall) => R) => R;
  /** `fn`, whose time counts as the page's work on events of that name. */
  readonly listener: <F>(name: string, fn: F) => F;
  /**
   * Runs what a message from the host brings, and acknowledges the message by the number that the
   * host gave it (`Delivery::number`).
   */
  readonly delivered: <R>(number: number, run: () => R) => R;
  /** The same for a message that runs nothing, or whose running is not seen. */
  readonly acknowledge: (number: number) => void;
  readonly trace: Trace;
  /** Records a value that the page measured; the last of a turn holds. */
  readonly record: (name: string, value: number, options?: RecordOptions) => boolean;
  /** Sends what was collected, now. */
  readonly flush: () => void;
}

/** Starts observing the page; call it once for each document, before its own scripts. */
export type Observe = (config: ObserveConfig) => PageObserver;

/** What the package gives as `spanwire/observe`. */
export declare const observe: Observe;
