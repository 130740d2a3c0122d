// The adapter between pywebview's bridge and the observing script, which calls it once for each
// document. What it leaves on `window` is not enumerable, and holds no secret.
(observe) => {
  const REPORT = "_spanwire_report";
  const { defineProperty, freeze } = Object;
  const { stringify } = JSON;
  // WebKit has it before any code of the page; elsewhere pywebview's own object comes later.
  const bridge = window.webkit?.messageHandlers?.jsBridge;
  const post = bridge && bridge.postMessage.bind(bridge);
  let late;
  let waiting = [];
  const send = (report) => {
    // Put together by hand: a `toJSON` of the page must not see the report.
    if (post) post(`{"funcName":"${REPORT}","id":"","params":${stringify(report)}}`);
    else if (late) late(REPORT, report, "");
    else if (waiting.length < 16) waiting.push(report);
    else throw new Error("pywebview is not there yet");
  };
  const page = observe(send);
  const hooked = new WeakSet();
  const hook = (pywebview) => {
    const check = pywebview?._checkValue;
    const callback = pywebview?._jsApiCallback;
    if (typeof check !== "function" || typeof callback !== "function" || hooked.has(pywebview)) return;
    hooked.add(pywebview);
    late = callback.bind(pywebview);
    for (const report of waiting) send(report);
    waiting = [];
    const open = new Map();
    // pywebview calls it where the page's code calls a function, and then the one below.
    pywebview._checkValue = function (name, resolve, reject, id) {
      const call = page.beginCall();
      open.set(id, call);
      const settle = (outcome, done) => (value) => {
        call.settled(outcome);
        done(value);
      };
      return check.call(this, name, settle("ok", resolve), settle("failed", reject), id);
    };
    pywebview._jsApiCallback = function (name, params, id) {
      const call = open.get(id);
      open.delete(id);
      const posted = call?.posted();
      // The host takes it off the id again, which pywebview answers to.
      return callback.call(this, name, params, posted ? `${id}|${posted}` : id);
    };
  };
  defineProperty(window, "_spanwirePywebview", { value: hook, configurable: true });
  if (!("spanwire" in window)) {
    const { trace, record, flush } = page;
    defineProperty(window, "spanwire", { value: freeze({ trace, record, flush }), configurable: true });
  }
}
