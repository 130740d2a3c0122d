// Spans of an OpenTelemetry SDK in the page, on their way to the host, which has a collector.

import { unsendable } from "./calls.js";
import { BATCH_BYTES, TAKES_SPANS, TURN_SPANS_BYTES } from "./config.js";
import { refusal } from "./error.js";
import * as life from "./lifecycle.js";
import { jsonOf } from "./json.js";
import { COUNT_MAX, onTurn, send } from "./outbox.js";
import { bytesOf, TypeError } from "./primordials.js";

/** What is around a request. */
const MESSAGE_BYTES = 64;

/** Of the turn's requests. They cost no credit, and an engine queues posts without end. */
let turnBytes = 0;

onTurn(() => {
  turnBytes = 0;
});

export const exportSpans = (request: object, count: number): void => {
  // It becomes part of a batch as it is.
  if (!(typeof count === "number" && count >= 1 && count <= COUNT_MAX && count % 1 === 0)) {
    throw new TypeError("count is a number of spans");
  }
  if (life.isSilent()) throw unsendable();
  const about = `{"kind":"spans","count":${count}`;
  if (!TAKES_SPANS) {
    send(`${about}}`);
    throw refusal(
      "FORBIDDEN",
      "the app takes no spans from its page (Rust: Ipc::builder(..).page_spans(telemetry.page_spans()))",
    );
  }
  let why = "malformed";
  try {
    const json = jsonOf(request);
    const bytes = bytesOf(json) + MESSAGE_BYTES;
    if (bytes > BATCH_BYTES) {
      why = count > 1 ? "" : "too_large";
      throw refusal("TOO_LARGE", `the spans are larger than ${BATCH_BYTES} bytes`);
    }
    if (turnBytes + bytes > TURN_SPANS_BYTES) {
      why = "page_shed";
      throw refusal("OVER_CREDIT", "too many spans in one turn");
    }
    turnBytes += bytes;
    why = "";
    send(`${about},"data":${json}}`, bytes);
  } finally {
    if (why) send(`${about},"type":"${why}"}`);
  }
};
