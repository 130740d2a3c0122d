// The way out of the page: what lies under `window.ipc`, since code of the page could put itself
// between the two and would then read the nonce.

import { page } from "./primordials.js";

interface Port {
  postMessage(text: string): void;
}

// WebKit; WebView2; Android, whose `window.ipc` is the engine's own.
const hosts = page as unknown as {
  webkit?: { messageHandlers?: { ipc?: Port } };
  chrome?: { webview?: Port };
  ipc?: Port;
};
const webkit = hosts.webkit?.messageHandlers?.ipc;
const port = webkit ?? hosts.chrome?.webview ?? hosts.ipc;

/** Whether there is a host at all. */
export const hasHost = port !== undefined;

export const post = port?.postMessage.bind(port) as (text: string) => void;

const { protocol } = page.location;

/** Why no message of this page can reach the host; empty when nothing is known against it. */
export const unheard =
  webkit && (protocol === "file:" || protocol === "data:")
    ? `the webview drops all messages of a ${protocol} page: ` +
      "serve it by a custom protocol, with_html, or http"
    : "";
