// A page whose messages another layer carries: the built `observe.js` in a context of its own.

import { readFileSync } from "node:fs";
import { FakePage, NONCE, turn } from "./fake_page.mjs";

const SCRIPT = readFileSync(new URL("../observe.js", import.meta.url), "utf8");

export class ObservedPage extends FakePage {
  inject() {
    const { config: { send = "webkit.messageHandlers.ipc.postMessage.bind(webkit.messageHandlers.ipc)", ...rest } } = this;
    const config = JSON.stringify({ nonce: NONCE, ...rest, credits: undefined, depth: undefined, compat: undefined, spans: undefined });
    this.observed = this.run(`(${SCRIPT})({...${config}, send: ${send}})`);
  }

  /** What the page says until the interval is over: messages without the batches around them. */
  async told() {
    await turn();
    this.expire();
    return this.sent();
  }

  async toldOf(kind) {
    return (await this.told()).filter((message) => message.kind === kind);
  }
}
