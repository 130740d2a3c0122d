// The labels by which findings name a culprit.

import { label } from "../semconv.js";

export const EVENT = label("spanwire.ipc.event");
export const WEBVIEW = label("spanwire.webview.name");
export const DIRECTION = label("spanwire.ipc.direction");
export const OUTCOME = label("spanwire.outcome");
export const ERROR = label("error.type");
export const QUEUE = label("spanwire.queue.name");
export const OPERATION = label("spanwire.operation.name");
export const LOAD = label("spanwire.page.load.type");

/** As a text has them. */
export const AN_EVENT = `{${EVENT}}`;
export const IN_A_WEBVIEW = `webview {${WEBVIEW}}`;
