// What the pages of the scenarios do. Each ends with a report, which the test compares with what came
// out of the plugin.
const internals = () => window.__TAURI_INTERNALS__;
const invoke = (command, args, options) => internals().invoke(command, args, options);

/** Calls, and says how it went. */
async function outcome(command, args, options) {
  try {
    return { ok: await invoke(command, args, options) };
  } catch (error) {
    return { error };
  }
}

const listen = (event, handler, target = { kind: "Any" }) =>
  invoke("plugin:event|listen", { event, target, handler: internals().transformCallback(handler) });

const until = async (condition) => {
  while (!condition()) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

const scenarios = {
  /** Calls of every kind, mixed. */
  async mixed(mixed = 981) {
    const counts = {};
    const count = (name, how) => {
      counts[name] ??= { ok: 0, failed: 0, open: 0 };
      counts[name][how] += 1;
    };
    const kinds = [
      ["sync_ok", { value: 1 }],
      ["async_ok", { value: 2 }],
      ["sync_fail"],
      ["async_fail"],
      ["not_there", { value: 3 }],
      ["raw_bytes", new Uint8Array([1, 2, 3, 250])],
      ["plugin:app|version"],
      ["plugin:app|name"],
      ["plugin:event|emit", { event: "saved", payload: { id: 7 } }],
    ];
    const calls = [];
    for (let n = 0; n < mixed; n += 1) {
      const [command, args] = kinds[n % kinds.length];
      calls.push(outcome(command, args).then((how) => count(command, "ok" in how ? "ok" : "failed")));
      if (calls.length % 50 === 0) {
        await Promise.all(calls);
      }
    }
    for (let n = 0; n < 7; n += 1) {
      calls.push(outcome("sync_slow").then(() => count("sync_slow", "ok")));
      calls.push(outcome("async_slow").then(() => count("async_slow", "ok")));
    }
    await Promise.all(calls);
    for (let n = 0; n < 5; n += 1) {
      // Tauri never settles it.
      void invoke("async_panic");
      count("async_panic", "open");
    }
    const bytes = await invoke("raw_bytes", new Uint8Array([9, 8, 7]));
    count("raw_bytes", "ok");
    return { counts, bytes: [...new Uint8Array(bytes)] };
  },

  /** Fewer of them: each goes to another frame and back first. */
  async mixed_isolated() {
    return scenarios.mixed(90);
  },

  /** Commands that no capability allows, or that are not there. */
  async without_permission() {
    return {
      allowed: await outcome("plugin:app|version"),
      without_permission: await outcome("plugin:app|name"),
      unknown: await outcome("not_there"),
      unknown_plugin: await outcome("plugin:not_there|command"),
    };
  },

  /** A call by a script that does not know the invoke key. */
  async forged_key() {
    return {
      forged_key: await forgedFetch("sync_ok", { "Tauri-Invoke-Key": "forged" }),
      true_key: await outcome("sync_ok", { value: 1 }),
    };
  },

  /** Requests on the scheme that are none. */
  async malformed() {
    return { requests: await requests(), local: await outcome("sync_ok", { value: 1 }) };
  },

  /** More names than there is room for. */
  async names() {
    for (let n = 0; n < 10_000; n += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, at) => outcome(`name_${n + at}`)));
    }
    return { done: true };
  },

  /** Events both ways, a channel, and a second window. */
  async events() {
    let everywhere = 0;
    let here = 0;
    let streamed = 0;
    await listen("progress", () => (everywhere += 1));
    await listen("progress", () => {});
    await listen("only-main", () => (here += 1), { kind: "WebviewWindow", label: "main" });
    const id = await listen("dropped", () => {});
    await invoke("plugin:event|unlisten", { event: "dropped", eventId: id });
    await invoke("emit_events", { event: "progress", times: 20 });
    await invoke("emit_events", { event: "only-main", times: 3, to: "main" });
    await invoke("emit_events", { event: "only-main", times: 4, to: "elsewhere" });
    await invoke("emit_events", { event: "dropped", times: 5 });
    await invoke("emit_events", { event: "unheard", times: 6 });
    const channel = new window.__TAURI__.core.Channel();
    channel.onmessage = () => (streamed += 1);
    await invoke("stream", { channel, messages: 10 });
    // What the builder gives the page, if it does.
    await window.spanwire?.trace("click", () => invoke("sync_ok", { value: 9 }));
    let second = 0;
    await listen("second-loaded", () => (second += 1));
    await invoke("open_window", { label: "second" });
    await until(() => everywhere === 20 && here === 3 && streamed === 10 && second === 1);
    await invoke("close_window", { label: "second" });
    return { everywhere, here, streamed };
  },

  /** Two calls that are open when the page is loaded anew. */
  async reloaded() {
    if (!sessionStorage.getItem("loaded")) {
      sessionStorage.setItem("loaded", "once");
      void invoke("held");
      void invoke("held");
      await invoke("sync_ok", { value: 1 });
      location.reload();
      return undefined;
    }
    await invoke("release", { calls: 2 });
    for (let n = 0; n < 5; n += 1) {
      // Behind those on Tauri's runtime.
      await invoke("async_slow");
    }
    return { loaded: 2 };
  },

  /** A command that panics on the main thread. */
  async sync_panic() {
    await invoke("sync_ok", { value: 1 });
    await invoke("sync_panic");
    return { survived: true };
  },

  /** A page that may not fetch from the scheme, so Tauri posts messages instead. */
  async posted() {
    return {
      first: await outcome("sync_ok", { value: 4 }),
      fails: await outcome("sync_fail"),
      unknown: await outcome("not_there"),
    };
  },

  /** A page of another origin. */
  async remote() {
    return { call: await outcome("plugin:app|version"), own: await outcome("sync_ok", { value: 5 }) };
  },

  /** The person is asked, and says yes. */
  async consent() {
    const before = await outcome("plugin:spanwire|consent");
    await invoke("sync_ok", { value: 1 });
    const answer = await outcome("plugin:spanwire|set_consent", { granted: true });
    await invoke("async_ok", { value: 2 });
    return { before, answer };
  },

  /** The person saves a report, and the page would like to say where to. */
  async report() {
    await invoke("sync_ok", { value: 1 });
    const saved = await outcome("plugin:spanwire|save_report", { path: "/tmp/elsewhere.zip" });
    const again = await outcome("plugin:spanwire|save_report");
    return { saved, again };
  },

  /** Two reports at once: the first answer is of the one that is refused, since the other is held. */
  async two_reports() {
    await invoke("sync_ok", { value: 1 });
    const both = [outcome("plugin:spanwire|save_report"), outcome("plugin:spanwire|save_report")];
    const refused = await Promise.race(both);
    await invoke("release", { calls: 1 });
    const saved = (await Promise.all(both)).filter((answer) => answer.ok);
    await invoke("release", { calls: 1 });
    return { refused, saved, later: await outcome("plugin:spanwire|save_report") };
  },

  /** The person says no, later. */
  async revoked() {
    const before = await outcome("plugin:spanwire|consent");
    const answer = await outcome("plugin:spanwire|set_consent", { granted: false });
    await invoke("async_ok", { value: 2 });
    return { before, answer };
  },

  /** The page of a second window. */
  async second() {
    await new Promise((resolve) => addEventListener("load", resolve));
    // After the webview was notified, too.
    setTimeout(() => invoke("plugin:event|emit", { event: "second-loaded" }), 0);
    return undefined;
  },

  /** A page whose process ends by itself; the app reports. */
  async crashed() {
    await invoke("sync_ok", { value: 1 });
    await invoke("crash_page");
    return undefined;
  },

  /** An async command with a span of its own. */
  async async_span() {
    return { call: await outcome("async_span"), within: await outcome("async_span_within") };
  },

  /** Nothing but a call. */
  async one() {
    return { call: await outcome("sync_ok", { value: 6 }) };
  },
};

const HEADERS = {
  "Content-Type": "application/json",
  "Tauri-Callback": "1",
  "Tauri-Error": "2",
  "Tauri-Invoke-Key": "none",
};

const place = (command) => internals().convertFileSrc(command, "ipc");

/** A call past Tauri's script: whether it is answered within a while. */
async function forgedFetch(command, headers) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 300);
  try {
    const init = { method: "POST", body: "{}", headers: { ...HEADERS, ...headers }, signal: stop.signal };
    const response = await fetch(place(command), init);
    return { status: response.status, text: await response.text() };
  } catch (error) {
    return { never: error.name };
  } finally {
    clearTimeout(timer);
  }
}

/** Requests that are malformed in every way, and what comes back. */
async function requests() {
  const answers = {};
  const ask = async (name, init, path = "sync_ok") => {
    try {
      const response = await fetch(place(path), init);
      const headers = ["content-type", "tauri-response", "access-control-allow-origin"];
      const seen = headers.map((header) => [header, response.headers.get(header)]);
      answers[name] = [response.status, await response.text(), Object.fromEntries(seen)];
    } catch (error) {
      answers[name] = ["failed", error.name];
    }
  };
  const post = (headers, body = "{}") => ({ method: "POST", body, headers });
  const without = (name) => Object.fromEntries(Object.entries(HEADERS).filter(([key]) => key !== name));
  await ask("get", { method: "GET" });
  await ask("put", { method: "PUT", body: "x" });
  await ask("options", { method: "OPTIONS" });
  for (const name of ["Tauri-Callback", "Tauri-Error", "Tauri-Invoke-Key"]) {
    await ask(`no ${name}`, post(without(name)));
  }
  await ask("callback is a word", post({ ...HEADERS, "Tauri-Callback": "one" }));
  await ask("error is negative", post({ ...HEADERS, "Tauri-Error": "-1" }));
  await ask("content type is no type", post({ ...HEADERS, "Content-Type": "nonsense" }));
  await ask("content type is text", post({ ...HEADERS, "Content-Type": "text/plain" }));
  await ask("content type has a charset", post({ ...HEADERS, "Content-Type": "application/json; charset=utf-8" }));
  await ask("body is no JSON", post(HEADERS, "{"));
  await ask("body is deep", post(HEADERS, "[".repeat(1000)));
  // Sent twice, and the page's own afterwards as before.
  const own = new Headers({ ...HEADERS, "Tauri-Callback": "one" });
  await ask("headers are a list", post(own));
  await ask("headers are a list again", post(own));
  answers["the list afterwards"] = [...own.keys()];
  await ask("command is empty", post(without("Tauri-Callback")), "");
  return answers;
}

/** A page of another origin may have no Tauri at all. */
async function main() {
  if (!window.SCENARIO || window.top !== window) {
    return;
  }
  let report;
  try {
    report = await scenarios[window.SCENARIO]();
  } catch (error) {
    report = { thrown: String(error) };
  }
  if (report === undefined) {
    return;
  }
  // Until the plugin's script has reported what the page took: it reports each half second.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  if (location.protocol === "http:" && location.hostname === "127.0.0.1") {
    // A page of another origin reports to its own server, whatever Tauri allows it.
    const body = JSON.stringify(report).replaceAll(location.origin, "ORIGIN");
    await fetch("/report", { method: "POST", body });
    return;
  }
  await invoke("finish", { report });
}

addEventListener("DOMContentLoaded", main);
