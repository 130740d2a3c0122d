// Runs in each page before its own scripts. Tauri calls `fetch` for each command; this adds the
// page's time, so that the call's span begins where the page called. Everything else is passed on
// as it is.
const fetch = window.fetch;
const place = window.__TAURI_INTERNALS__?.convertFileSrc("", "ipc");

function stamped(init) {
  try {
    const headers = new Headers(init.headers);
    headers.set("Spanwire-Page-Time", String(performance.now()));
    return { ...init, headers };
  } catch {
    // `fetch` itself says what is wrong with the headers.
    return init;
  }
}

if (typeof fetch === "function" && place) {
  window.fetch = function (input, init) {
    const isCall = typeof input === "string" && input.startsWith(place) && init?.headers;
    return Reflect.apply(fetch, this, isCall ? [input, stamped(init)] : arguments);
  };
}
