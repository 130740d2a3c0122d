// The functions of the page's end, within a span for good.

import type { InvokeOptions, Span } from "./api.js";
import { invoke } from "./calls.js";
import { emit } from "./events.js";
import { freeze } from "./primordials.js";
import { ofNow, traceIn } from "./spans.js";

export const bound = (span: number): Span =>
  freeze({
    invoke: ((event: string, data?: unknown, options?: InvokeOptions) =>
      invoke(event, data, options, ofNow(span))) as Span["invoke"],
    emit: ((event: string, data?: unknown) => emit(event, data, ofNow(span))) as Span["emit"],
    trace: <R>(name: string, fn: (span: Span) => R) => traceIn(span, name, fn, bound),
  });
