//! Pages and frames that mean harm: what they do is refused and counted, or harms them alone; and
//! no text, whatever is in it, becomes a script.

#![allow(clippy::unwrap_used, reason = "a scenario may panic")]

use std::collections::BTreeSet;
use std::fmt;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use spanwire::ipc::{Call, EmitErrorReason, Ipc, check_event_name};
use spanwire_testkit::counters::count_events;
use spanwire_testkit::harness::{self, Page, Scenario, TestApp, register_echo};

fn main() -> ExitCode {
    harness::main(
        env!("CARGO_TARGET_TMPDIR"),
        &[
            Scenario::new("frames_are_refused_and_counted", frames),
            Scenario::new("a_page_that_replaced_its_builtins_still_works", replaced),
            Scenario::new("a_page_that_broke_its_builtins_harms_itself_alone", broken),
            Scenario::new("texts_arrive_as_they_were_sent", texts),
            Scenario::new("event_names_are_valid_or_refused", names),
            Scenario::new(
                "a_page_with_the_nonce_cannot_break_the_ledger",
                with_the_nonce,
            ),
            Scenario::new("a_page_of_another_origin_is_refused", another_origin),
        ],
    )
}

fn open(app: &TestApp, page: Page) -> Ipc {
    let ipc = app.wire("main").build();
    register_echo(&ipc);
    ipc.on("echo.raw", |call: &Call<'_>| call.data::<Box<RawValue>>())
        .unwrap();
    app.open("main", &ipc, page);
    ipc
}

/// The page can still call and be told, and nothing of what it got became a script.
fn lives(app: &TestApp, ipc: &Ipc) {
    app.run(
        "main",
        "spanwire.on('alive', (data) => say('alive', data));
         spanwire.invoke('echo', 'still').then((answer) => say('answer', answer))",
    );
    assert_eq!(app.said("main", "answer"), "still");
    ipc.emit("alive", "still").unwrap();
    assert_eq!(app.said("main", "alive"), "still");
    app.settled(ipc);
    assert_eq!(app.js("main", "typeof canary"), "undefined");
}

/// What each frame posts, with every nonce that it can think of: 7 texts for each of 5.
const FORGERIES: &str = r#"<!doctype html><script>
  const port = window.webkit.messageHandlers.ipc;
  for (const nonce of ["", "0".repeat(32), "f".repeat(31), "\\u0000", "undefined"]) {
    for (const page of ["forged", "0"]) {
      const post = (messages) =>
        port.postMessage(JSON.stringify({ spanwire: 1, nonce, page, messages }));
      post([{ kind: "ready" }]);
      post([{ kind: "event", id: 1e9, event: "forged" }, { kind: "call", id: 1e9 + 1, event: "forged" }]);
      post([{ kind: "ack", ids: [[1, 9007199254740991]] }]);
    }
    port.postMessage(JSON.stringify({ spanwire: 1, nonce, page: "forged", messages: [
      { kind: "shed", count: 4294967295 }, { kind: "leave" }, { kind: "error", type: "uncaught" },
    ] }));
  }
  let peeked;
  try {
    peeked = typeof parent.spanwire;
  } catch (error) {
    peeked = error.name;
  }
  parent.postMessage([typeof spanwire, typeof __spanwire__, peeked], "*");
</script>"#;

fn frames(app: &TestApp) {
    let ipc = open(
        app,
        Page::new(
            r#"
              const frames = [];
              window.addEventListener("message", ({ data }) =>
                frames.push(data) === 2 && say("frames", frames.sort()));
              const frame = (setUp) => {
                const frame = document.createElement("iframe");
                setUp(frame);
                document.body.append(frame);
              };
              const show = async () => {
                const forgeries = await (await fetch("forgeries")).text();
                frame((frame) => (frame.src = "evil://localhost/frame"));
                frame((frame) => {
                  frame.sandbox = "allow-scripts";
                  frame.srcdoc = forgeries;
                });
              };
              window.ticks = 0;
              spanwire.on("tick", () => ticks++);
              spanwire.on("show", show);
              say("up");
            "#,
        )
        .with_file("evil://localhost/frame", FORGERIES)
        .with_file("app://localhost/forgeries", FORGERIES),
    );
    let forged = count_events(&ipc, "forged");
    app.said("main", "up");
    ipc.emit("show", &()).unwrap();
    let seen = app.said("main", "frames");
    assert_eq!(
        seen,
        json!([
            ["undefined", "undefined", "SecurityError"],
            ["undefined", "undefined", "SecurityError"]
        ])
    );
    for at in 0..100 {
        ipc.emit("tick", &at).unwrap();
    }
    app.until("all of it came", || {
        app.ledger(&ipc).inbound("", "forbidden") == 70
    });
    let ledger = app.settled(&ipc);
    assert_eq!(ledger.inbound("", ""), 70, "nothing else: {ledger:?}");
    assert_eq!(forged.load(Ordering::SeqCst), 0);
    ledger.accounts_for(101);
    assert_eq!(ledger.outbound("", "ok"), 101, "{ledger:?}");
    assert_eq!(ledger.page_errors.len(), 0, "{ledger:?}");
    assert_eq!(app.js("main", "ticks"), 100);
    lives(app, &ipc);
}

/// Replaces what a script may use; each replacement looks at what it is given, and passes it on.
const REPLACING: &str = r#"
  window.overheard = [];
  const hear = overheard.push.bind(overheard);
  const { apply, construct, defineProperty, getPrototypeOf } = Reflect;
  const isObject = (value) => typeof value === "object" && value !== null;
  const spy = (owner, name) => {
    const original = owner[name];
    defineProperty(owner, name, {
      configurable: true,
      writable: true,
      value: function (...values) {
        overheard[overheard.length] = values;
        overheard[overheard.length] = this;
        return new.target ? construct(original, values) : apply(original, this, values);
      },
    });
    if (original.prototype) owner[name].prototype = original.prototype;
    for (const of of ["resolve", "reject", "all"]) {
      if (original === Promise) owner[name][of] = original[of].bind(original);
    }
  };
  for (const [owner, names] of [
    [JSON, ["stringify", "parse"]],
    [Array.prototype, ["push", "filter", "slice", "join", "map", "concat"]],
    [String.prototype, ["charCodeAt", "slice"]],
    [RegExp.prototype, ["exec", "test"]],
    [Map.prototype, ["get", "set", "has", "delete", "forEach"]],
    [Set.prototype, ["add", "has", "delete", "forEach"]],
    [Object, ["freeze", "defineProperty", "keys", "entries"]],
    [Number.prototype, ["toString"]],
    [EventTarget.prototype, ["addEventListener", "dispatchEvent"]],
    [window, ["Promise", "Map", "Set", "CustomEvent", "TextEncoder", "queueMicrotask", "setTimeout"]],
    [crypto, ["getRandomValues"]],
    [getPrototypeOf(webkit.messageHandlers.ipc), ["postMessage"]],
    [Promise.prototype, ["then"]],
    [Function.prototype, ["call", "apply", "bind"]],
  ]) {
    for (const name of names) spy(owner, name);
  }
  // Setters that lie in wait for the script's own objects.
  for (const name of ["nonce", "text", "kind", "id", "messages", "resolve", "timer", "toJSON"]) {
    defineProperty(Object.prototype, name, {
      configurable: true,
      get: () => undefined,
      set(value) {
        overheard[overheard.length] = value;
        defineProperty(this, name, { value, configurable: true, enumerable: true, writable: true });
      },
    });
  }
"#;

fn replaced(app: &TestApp) {
    let ipc = open(app, Page::new("say('up')").with_last(REPLACING));
    let noted = count_events(&ipc, "noted");
    app.said("main", "up");
    app.run(
        "main",
        r#"
          window.ticks = [];
          spanwire.on("tick", (at) => (ticks[ticks.length] = at));
          (async () => {
            let same = 0;
            for (let at = 0; at < 200; at++) {
              const data = { at, "</script>": ["\u2028", "\0", "\ud800"] };
              const back = await spanwire.invoke("echo.raw", data);
              same += back.at === at && back["</script>"][2] === "\ud800";
              spanwire.emit("noted", at);
            }
            say("same", same);
          })();
        "#,
    );
    for at in 0..200 {
        ipc.emit("tick", &at).unwrap();
    }
    assert_eq!(app.said("main", "same"), 200);
    app.until("all events came", || noted.load(Ordering::SeqCst) == 200);
    let in_order: Vec<u64> = (0..200).collect();
    assert_eq!(app.js("main", "ticks"), json!(in_order));
    let ledger = app.settled(&ipc);
    ledger.accounts_for(400);
    assert_eq!(ledger.outbound("", "ok"), 400, "{ledger:?}");
    assert_eq!(ledger.inbound("", "ok"), 400, "{ledger:?}");

    let heard = overheard(app);
    assert!(heard.len() > 100, "it hears: {}", heard.len());
    assert!(!heard.contains(ipc.nonce()), "the nonce is a secret");
    assert!(!heard.contains("\"page\""), "so is the page's id");
    lives(app, &ipc);
}

/// All that a spying page got hold of, as a text.
fn overheard(app: &TestApp) -> String {
    let text = app.js(
        "main",
        r#"{
          const seen = new WeakSet();
          const texts = [];
          const look = (value, depth) => {
            if (typeof value === "string") texts[texts.length] = value;
            if (typeof value === "function") texts[texts.length] = `${value}`;
            if (typeof value !== "object" || value === null || value === window) return;
            if (seen.has(value) || depth > 6) return;
            seen.add(value);
            for (const name of Reflect.ownKeys(value)) {
              texts[texts.length] = String(name);
              try { look(value[name], depth + 1); } catch {}
            }
          };
          const until = overheard.length;
          for (let at = 0; at < until; at++) look(overheard[at], 0);
          let all = "";
          for (let at = 0; at < texts.length; at++) all += texts[at] + "\n";
          all
        }"#,
    );
    text.as_str().unwrap().to_owned()
}

/// Breaks what a script may use; nothing works on this page any more.
const BREAKING: &str = r#"
  window.breaks = true;
  JSON.stringify = () => '"}]});canary=1;//';
  JSON.parse = () => { throw new Error("broken"); };
  window.Promise = function () { throw new Error("broken"); };
  Promise.prototype = {};
  Array.prototype.push = () => { throw new Error("broken"); };
  Array.prototype[Symbol.iterator] = () => { throw new Error("broken"); };
  Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => 0;
  Map.prototype.get = Map.prototype.set = () => { throw new Error("broken"); };
  Set.prototype.add = Set.prototype.has = () => { throw new Error("broken"); };
  RegExp.prototype.exec = () => [];
  String.prototype.charCodeAt = () => 34;
  Number.prototype.toString = () => "</script>";
  window.queueMicrotask = window.setTimeout = () => 0;
  for (const name of ["text", "id", "0", "1"]) {
    Object.defineProperty(Object.prototype, name, {
      get: () => "\"}]});canary=1;//",
      set: () => { throw new Error("broken"); },
    });
  }
"#;

fn broken(app: &TestApp) {
    let ipc = open(
        app,
        Page::new(
            r#"
              if (sessionStorage.getItem("broken") !== null) {
                say("up again");
              } else {
                sessionStorage.setItem("broken", "yes");
                const { say } = window;
                say("up");
              }
            "#,
        ),
    );
    let noted = count_events(&ipc, "noted");
    app.said("main", "up");
    app.run("main", BREAKING);
    app.run(
        "main",
        r#"
          for (let at = 0; at < 200; at++) {
            try { spanwire.emit("noted", at); } catch {}
            try { spanwire.invoke("echo", at); } catch {}
            try { spanwire.emit("a');canary=1;//", at); } catch {}
            try { spanwire.on("tick", () => {}); } catch {}
          }
          window.ipc.postMessage('say ["tried", null]');
        "#,
    );
    app.said("main", "tried");
    for at in 0..200 {
        ipc.emit("tick", &at).unwrap();
    }
    std::thread::sleep(Duration::from_millis(200));
    // Whatever arrived is in the books once; what the page cannot say it ran stays open.
    let ledger = app.ledger(&ipc);
    let replies = ledger.outbound("echo", "");
    assert!(ledger.inbound("noted", "ok") <= 200, "{ledger:?}");
    assert_eq!(ledger.inbound("noted", "ok"), noted.load(Ordering::SeqCst));
    assert!(ledger.ended() + ledger.metrics.messages_open >= 200 + replies);
    app.ui(|ui| ui.webview("main").reload().unwrap());
    app.said("main", "up again");
    let ledger = app.settled(&ipc);
    let emitted = ledger.outbound("tick", "ok") + ledger.outbound("tick", "page_gone");
    assert_eq!(emitted, 200, "{ledger:?}");
    lives(app, &ipc);
}

/// Texts that would be a script, or the end of one, were they not written as what they are.
const HOSTILE_TEXTS: [&str; 12] = [
    "'\"`\\",
    "\"});canary=1;//",
    "');canary=1;//",
    "${canary=1}",
    "`${canary=1}`",
    "</script><script>canary=1</script>",
    "<!--<script>canary=1",
    "]]>*/canary=1/*",
    "\u{2028}canary=1\u{2029}//",
    "\0canary=1\0",
    "\u{feff}\u{202e}\u{fffd}\u{ffff}\u{1f600}\u{10ffff}",
    "\r\n\t\u{8}\u{c}\u{b}\u{1b}\u{7f}\u{85}",
];

/// JSON that no Rust text can be: halves of surrogate pairs.
const HALVES: [(&str, &[u16]); 4] = [
    (r#""\ud800""#, &[0xd800]),
    (r#""\udfff\ud800""#, &[0xdfff, 0xd800]),
    (
        r#""a\udc00canary=1""#,
        &[97, 0xdc00, 99, 97, 110, 97, 114, 121, 61, 49],
    ),
    (r#""\ud83d\ude00\ud83d""#, &[0xd83d, 0xde00, 0xd83d]),
];

#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn texts(app: &TestApp) {
    let ipc = open(
        app,
        Page::new(
            r#"
              const units = (text) => Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
              // Each as a value and as a key; told as numbers, which nothing can mangle.
              spanwire.on("text", ({ at, text, ...keys }) =>
                spanwire.emit("seen", { at, units: units(text), keys: Object.keys(keys).map(units) }));
              spanwire.on("send", async ({ at, units }) => {
                const text = String.fromCharCode(...units);
                const back = await spanwire.invoke("echo.raw", { [text]: text });
                const same = Object.keys(back).length === 1 && back[text] === text;
                spanwire.emit("sent", text);
                const error = await outcome(spanwire.invoke("fail", text));
                say("sent", { at, same, message: error.message && units_of(error.message), code: error.code });
              });
              const units_of = units;
              say("up");
            "#,
        ),
    );
    ipc.on("fail", |call: &Call<'_>| {
        Err::<(), _>(Failure(call.data::<String>().unwrap_or_default()))
    })
    .unwrap();
    let sent = count_events(&ipc, "sent");
    let (told, seen) = std::sync::mpsc::sync_channel(100);
    ipc.on("seen", move |call: &Call<'_>| {
        told.send(call.data::<Value>().unwrap()).unwrap();
    })
    .unwrap();
    app.said("main", "up");

    // A key that would set the prototype, were it written as a literal.
    let written = HOSTILE_TEXTS.into_iter().chain(["__proto__"]).map(|text| {
        let units: Vec<u16> = text.encode_utf16().collect();
        (serde_json::to_string(text).unwrap(), units)
    });
    let halves = HALVES.map(|(json, units)| (json.to_owned(), units.to_vec()));
    let all: Vec<(String, Vec<u16>)> = written.chain(halves).collect();
    for (at, (text, units)) in all.iter().enumerate() {
        let payload = format!(r#"{{"at":{at},"text":{text},{text}:1}}"#);
        ipc.emit("text", &RawValue::from_string(payload).unwrap())
            .unwrap();
        let seen = seen.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(seen, json!({ "at": at, "units": units, "keys": [units] }));

        ipc.emit("send", &json!({ "at": at, "units": units }))
            .unwrap();
        let back = app.said("main", "sent");
        // Half of a pair, which is no text in Rust, is read as U+FFFD.
        let text = String::from_utf16_lossy(units);
        let message: Vec<u16> = text.encode_utf16().collect();
        let message = if message.is_empty() {
            json!("")
        } else {
            json!(message)
        };
        assert_eq!(
            back,
            json!({ "at": at, "same": true, "message": message, "code": "HANDLER_ERROR" })
        );
    }
    let ledger = app.settled(&ipc);
    let count = all.len() as u64;
    assert_eq!(ledger.inbound("sent", "ok"), count, "{ledger:?}");
    assert_eq!(sent.load(Ordering::SeqCst), count);
    assert_eq!(ledger.inbound("fail", "handler_error"), count, "{ledger:?}");
    ledger.accounts_for(4 * count);
    assert_eq!(ledger.outbound("", "ok"), 4 * count, "{ledger:?}");
    lives(app, &ipc);
}

/// Names that are allowed, and that mean something to an engine or to an object.
const AWKWARD_NAMES: [&str; 18] = [
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "then",
    "__spanwire__",
    "error",
    "unhandledrejection",
    "pagehide",
    "pageshow",
    "beforeunload",
    "DOMContentLoaded",
    "load",
    "message",
    "visibilitychange",
    "//",
    "-",
    "0",
];

fn names(app: &TestApp) {
    let ipc = open(
        app,
        Page::new(
            r#"
              window.heard = [];
              window.refused = [];
              spanwire.on("awkward", (names) => {
                for (const name of names) {
                  spanwire.on(name, (data) => heard.push(name, data));
                  spanwire.emit(name, name);
                  spanwire.invoke(name, name).then((answer) => answer !== name && say("page error", name));
                }
              });
              spanwire.on("bad", (names) => {
                for (const name of names) {
                  for (const use of ["emit", "on"]) {
                    try {
                      spanwire[use](name, () => {});
                      refused.push(`${name} was taken by ${use}`);
                    } catch (error) {
                      if (error.code !== "INVALID_NAME") refused.push(`${error}`);
                    }
                  }
                }
                say("refused", refused);
              });
              say("up");
            "#,
        ),
    );
    app.said("main", "up");
    let called = Arc::new(AtomicU64::new(0));
    let table: Value = serde_json::from_str(include_str!("../../tests/event_names.json")).unwrap();
    let of_table = table["accepted"].as_array().unwrap().iter();
    let (taken, hostile): (Vec<&str>, Vec<&str>) = HOSTILE_TEXTS
        .iter()
        .partition(|text| check_event_name(text).is_ok());
    assert!(taken.len() >= 8, "{taken:?}");
    let all: BTreeSet<&str> = AWKWARD_NAMES
        .into_iter()
        .chain(taken)
        .chain(of_table.filter_map(Value::as_str))
        .collect();
    for name in all.iter().copied() {
        let called = Arc::clone(&called);
        ipc.on(name, move |call: &Call<'_>| {
            called.fetch_add(1, Ordering::SeqCst);
            call.data::<Value>()
        })
        .unwrap();
    }
    ipc.emit("awkward", &all).unwrap();
    let twice = 2 * all.len() as u64;
    app.until("each came as an event and as a call", || {
        called.load(Ordering::SeqCst) == twice
    });
    for name in all.iter().copied() {
        ipc.emit(name, name).unwrap();
    }
    app.settled(&ipc);
    let expected: Vec<&str> = all.iter().flat_map(|name| [*name, *name]).collect();
    assert_eq!(app.js("main", "heard"), json!(expected));
    assert_eq!(app.js("main", "typeof canary"), "undefined");

    let long = "x".repeat(129);
    let mut bad = hostile;
    bad.extend(["", " ", "a ", "a\n", "a\u{200b}", &long]);
    for name in &bad {
        let refused = ipc.emit(name, &1).unwrap_err();
        assert!(
            matches!(refused.reason, EmitErrorReason::InvalidName(_)),
            "{refused}"
        );
        ipc.on(name, |_: &Call<'_>| ()).unwrap_err();
    }
    ipc.emit("bad", &bad).unwrap();
    assert_eq!(app.said("main", "refused"), json!([]));
    let ledger = app.settled(&ipc);
    let refused = bad.len() as u64;
    assert_eq!(
        ledger.outbound("_OTHER", "invalid_name"),
        refused,
        "{ledger:?}"
    );
    assert_eq!(ledger.inbound("", "ok"), twice, "{ledger:?}");
    // The page script refused them, and said so.
    assert_eq!(ledger.inbound("", "invalid_name"), refused, "{ledger:?}");
    assert_eq!(ledger.inbound("", ""), twice + refused, "{ledger:?}");
    // Two greetings, each awkward name as an event and as a reply, and the refused.
    ledger.accounts_for(2 + twice + refused);
    // Made-up events of the names that a page's life and errors have are not taken for those.
    assert_eq!(ledger.page_errors.len(), 0, "{ledger:?}");
    lives(app, &ipc);
}

fn with_the_nonce(app: &TestApp) {
    let ipc = open(
        app,
        Page::new(
            r#"
              window.mine = (page, messages) => (window.webkit.messageHandlers.ipc.postMessage(
                JSON.stringify({ spanwire: 1, nonce: window.nonce, page, messages })));
              say("up");
            "#,
        ),
    );
    let forged = count_events(&ipc, "forged");
    app.said("main", "up");
    let nonce = ipc.nonce();
    // It takes the page script's place: from here on that one's messages are stale.
    app.run(
        "main",
        &format!(
            "window.nonce = '{nonce}'; mine('evil', [{{ kind: 'ready' }}]); say('took over');"
        ),
    );
    app.said("main", "took over");
    for at in 0..100 {
        ipc.emit("tick", &at).unwrap();
    }
    app.ui(|ui| ui.pump("main"));
    app.settled_but(&ipc, 100);

    // Of messages that never were, and of a range with nothing in it.
    app.run("main", "mine('evil', [{ kind: 'ack', ids: [[1e9, 1e9 + 5], [9, 3]], failed: [1e9] }]); say('acked')");
    app.said("main", "acked");
    let ledger = app.settled_but(&ipc, 100);
    assert_eq!(ledger.page_errors("unknown_ack"), 2, "{ledger:?}");
    // Of all that ever was: the page lies about itself alone, and each message ends once.
    for _ in 0..3 {
        app.run("main", "mine('evil', [{ kind: 'ack', ids: [[1, 9007199254740991], [1, 9007199254740991]] }]); say('acked')");
        app.said("main", "acked");
    }
    let ledger = app.settled(&ipc);
    ledger.accounts_for(100);
    assert_eq!(ledger.outbound("tick", "ok"), 100, "{ledger:?}");
    assert_eq!(ledger.page_errors("unknown_ack"), 2 + 6, "{ledger:?}");

    // Twice as many as it has credits for, and none that ever comes twice.
    app.run(
        "main",
        r#"
          for (let id = 1; id <= 1000; id++) mine("evil", [{ kind: "event", id, event: "forged" }]);
          for (let id = 1; id <= 1000; id++) mine("evil", [{ kind: "event", id, event: "forged" }]);
          let id = 2000;
          for (const event of ["a\n');canary=1;//", "", "\u2028", "\0", "\ud800", "x".repeat(129)]) {
            mine("evil", [{ kind: "call", id: id++, event, data: "\ud800" }]);
          }
          mine("evil", [{ kind: "event" }, { kind: "nonsense" }, 7, null, { kind: "ack", ids: "all" }]);
          mine("an id that is none", [{ kind: "ready" }]);
          window.webkit.messageHandlers.ipc.postMessage(`{"spanwire":1,"nonce":"${nonce}","page":"evil","messages":[`);
          window.webkit.messageHandlers.ipc.postMessage('{"spanwire":' + "[".repeat(100000));
          window.webkit.messageHandlers.ipc.postMessage(
            `{"spanwire":1,"nonce":"${nonce}","page":"evil","messages":` + "[".repeat(100000) + "}");
          window.webkit.messageHandlers.ipc.postMessage('{"spanwire":1,"' + "x".repeat(2 << 20));
          say("posted");
        "#,
    );
    app.said("main", "posted");
    // Refusals of names are replies, which it acknowledges or not. Half a surrogate pair is no name
    // but no text at all.
    let ledger = app.settled_but(&ipc, 5);
    assert_eq!(forged.load(Ordering::SeqCst), 1_000);
    assert_eq!(ledger.inbound("forged", "ok"), 1_000, "{ledger:?}");
    assert_eq!(ledger.inbound("forged", "duplicate"), 1_000, "{ledger:?}");
    assert_eq!(ledger.inbound("_OTHER", "too_deep"), 1, "{ledger:?}");
    assert_eq!(ledger.inbound("_OTHER", "too_large"), 1, "{ledger:?}");
    assert_eq!(ledger.inbound("_OTHER", "invalid_name"), 5, "{ledger:?}");
    assert_eq!(ledger.inbound("_OTHER", "malformed"), 9, "{ledger:?}");
    assert_eq!(app.js("main", "typeof canary"), "undefined");

    app.ui(|ui| ui.webview("main").reload().unwrap());
    app.said("main", "up");
    lives(app, &ipc);
}

/// The page of another origin gets the page script, as every main frame does, and tries to use it.
const TRAP: &str = r#"<!doctype html><script>
  const say = (what, value = null) => window.ipc.postMessage(`say ${JSON.stringify([what, value])}`);
  const heard = [];
  if (window.spanwire) {
    spanwire.on("secret", (data) => heard.push(data));
    spanwire.emit("forged", 1);
    spanwire.invoke("forged", 1).catch(() => {});
  }
  window.addEventListener("secret", ({ detail }) => heard.push(detail));
  window.webkit.messageHandlers.ipc.postMessage(JSON.stringify(
    { spanwire: 1, nonce: "0".repeat(32), page: "evil", messages: [{ kind: "ready" }] }));
  say("trap");
  window.report = () => say("heard", heard);
</script>"#;

fn another_origin(app: &TestApp) {
    let ipc = open(
        app,
        Page::new(
            r#"
              window.heard = [];
              spanwire.on("secret", (data) => heard.push(data));
              say("up");
            "#,
        )
        .with_file("evil://localhost/trap", TRAP),
    );
    let forged = count_events(&ipc, "forged");
    app.said("main", "up");
    let before = app.settled(&ipc);
    assert_eq!(before.inbound("", ""), 0, "{before:?}");
    app.run("main", "location.href = 'evil://localhost/trap'");
    app.said("main", "trap");
    for at in 0..100 {
        ipc.emit("secret", &at).unwrap();
    }
    app.ui(|ui| ui.pump("main"));
    std::thread::sleep(Duration::from_millis(300));
    app.run("main", "report()");
    assert_eq!(
        app.said("main", "heard"),
        json!([]),
        "nothing goes to another origin"
    );
    let ledger = app.ledger(&ipc);
    assert!(ledger.inbound("", "forbidden_origin") >= 2, "{ledger:?}");
    assert_eq!(
        ledger.inbound("", ""),
        ledger.inbound("", "forbidden_origin"),
        "nothing else: {ledger:?}"
    );
    assert_eq!(forged.load(Ordering::SeqCst), 0);

    app.run("main", "location.href = 'app://localhost/'");
    app.said("main", "up");
    let ledger = app.settled(&ipc);
    // Refused for the page that was there, or kept for the one that may have them.
    let refused = ledger.outbound("secret", "forbidden_origin");
    let delivered = ledger.outbound("secret", "ok");
    assert_eq!(refused + delivered, 100, "{ledger:?}");
    assert_eq!(app.js("main", "heard.length"), delivered);
    ledger.accounts_for(100);
    app.note(&format!(
        "{} texts of the other origin were refused; of 100 events {refused} were, too",
        ledger.inbound("", "forbidden_origin")
    ));
    lives(app, &ipc);
}
