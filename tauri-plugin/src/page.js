// Runs in each page before its own scripts, with Spanwire's measuring script as `observe`.
//
// Tauri calls `fetch` for each command, so that is where calls are seen; where the app's builder allows
// it, `invoke` is wrapped too. Whatever is not a command is passed on as it is.
(observe, { spanwireIsGlobal }) => {
  const internals = window.__TAURI_INTERNALS__;
  const { fetch, Headers, Reflect, Object } = window;
  const { parse } = JSON;
  if (!internals || typeof fetch !== "function") {
    return;
  }
  const { set, delete: remove } = Headers.prototype;
  const place = internals.convertFileSrc("", "ipc");
  const addressOf = (command) => internals.convertFileSrc(command, "ipc");
  const reports = addressOf("plugin:spanwire|report");
  const listens = addressOf("plugin:event|listen");
  /** Carries a message of a channel, and is no call of the page's. */
  const carries = addressOf("plugin:__TAURI_CHANNEL__|fetch");

  const page = observe((text, leaving) => {
    const headers = { "Content-Type": "text/plain" };
    const init = { method: "POST", body: text, headers, keepalive: leaving };
    return Reflect.apply(fetch, window, [reports, init]).then((response) => {
      if (!response.ok) {
        throw new Error("the report was not taken");
      }
    });
  });

  /** The header that says when the page made a call. The plugin takes it out. */
  const CALL = "Spanwire-Call";

  /** The call that `invoke` began, for the request that it makes at once. */
  let invoked;

  /** Makes the request with what is said of its call. */
  const request = (self, input, init, call) => {
    const { headers } = init;
    // An empty text says nothing of the call.
    let said = "";
    try {
      said = call.posted();
      // `fetch` reads the list before it returns, so no copy is needed. This throws where it is no list
      // of the engine's, as Tauri's is.
      Reflect.apply(set, headers, [CALL, said]);
    } catch {
      return Reflect.apply(fetch, self, [input, withCall(init, said)]);
    }
    try {
      return Reflect.apply(fetch, self, [input, init]);
    } finally {
      // The list may be the page's own, which sends it elsewhere too.
      Reflect.apply(remove, headers, [CALL]);
    }
  };

  const withCall = (init, said) => {
    try {
      const headers = new Headers(init.headers);
      Reflect.apply(set, headers, [CALL, said]);
      return { ...init, headers };
    } catch {
      // `fetch` itself says what is wrong with the headers.
      return init;
    }
  };

  /** The page begins to listen: what its listener takes is measured. */
  const listening = (body) => {
    try {
      const { event, handler } = parse(body);
      const { callbacks } = internals;
      const listener = callbacks.get(handler);
      if (listener) {
        callbacks.set(handler, page.listener(event, listener));
      }
    } catch {
      // Another version of Tauri keeps them elsewhere.
    }
  };

  window.fetch = function (input, init) {
    const isCall = typeof input === "string" && input.startsWith(place) && init?.headers;
    if (!isCall || input === carries) {
      return Reflect.apply(fetch, this, arguments);
    }
    if (input === listens) {
      listening(init.body);
    }
    const send = (call) => request(this, input, init, call);
    const call = invoked;
    invoked = undefined;
    return call ? send(call) : page.call(send);
  };

  // A script of the builder's made it configurable; without that it is Tauri's alone.
  const { value: invoke, configurable } = Object.getOwnPropertyDescriptor(internals, "invoke") ?? {};
  if (configurable && typeof invoke === "function") {
    const observed = function () {
      return page.call((call) => {
        invoked = call;
        try {
          return Reflect.apply(invoke, this, arguments);
        } finally {
          invoked = undefined;
        }
      });
    };
    // As Tauri leaves it.
    Object.defineProperty(internals, "invoke", { value: observed, writable: false, configurable: false });
  }

  if (spanwireIsGlobal) {
    const { trace, record, flush } = page;
    Object.defineProperty(window, "spanwire", { value: Object.freeze({ trace, record, flush }) });
  }
};
