//! Spanwire's way: the public API on both sides, all limits as they are by default.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use spanwire::ipc::{Call, Ipc};

use crate::arrivals::Arrivals;
use crate::main_thread::MainThread;
use crate::payload::{PAYLOAD, Payload};

pub(crate) const PAGE: &str = r#"<!doctype html><script>
  const data = PAYLOAD;
  const { emit, invoke, on } = window.spanwire;

  // As fast as the wire takes it: what is beyond its outbox would be dropped, so now and then it
  // waits for an answer, with more on its way meanwhile.
  const flood = async (count) => {
    const answers = [];
    for (let at = 1; at <= count; at++) {
      if (!emit("flood", data)) throw new Error("it was dropped");
      if (at % 2000 === 0) {
        answers.push(invoke("sync"));
        if (answers.length > 2) await answers.shift();
      }
    }
  };
  const trips = async (count) => {
    for (let at = 0; at < count; at++) await invoke("trip", data);
  };

  let expected = 0;
  let sum = 0;
  on("tick", (data) => {
    sum += data.x;
    // It comes behind the acknowledgement of what ran before.
    if (--expected === 0) emit("ticked", data);
  });
  on("ping", (data) => emit("pong", data));
  on("start", ({ what, count }) => {
    if (what === "ticks") expected = count;
    else if (what === "flood") flood(count);
    else trips(count);
  });
  emit("ready", data);
</script>"#;

pub(crate) fn wire(arrivals: &Arc<Arrivals>) -> Ipc {
    let ipc = Ipc::builder("ours")
        .allow_origin("bench://localhost")
        .build();
    for event in ["flood", "ticked", "ready"] {
        let arrivals = Arc::clone(arrivals);
        ipc.on(event, move |call: &Call<'_>| {
            let _: Payload<'_> = serde_json::from_str(call.json()).unwrap();
            arrivals.arrived();
        })
        .unwrap();
    }
    let arrived = Arc::clone(arrivals);
    ipc.on("trip", move |call: &Call<'_>| {
        let data: Payload<'_> = serde_json::from_str(call.json()).unwrap();
        arrived.arrived();
        serde_json::value::to_raw_value(&data)
    })
    .unwrap();
    ipc.on("sync", |_: &Call<'_>| Ok::<_, serde_json::Error>(()))
        .unwrap();
    let (arrived, sender) = (Arc::clone(arrivals), ipc.clone());
    ipc.on("pong", move |call: &Call<'_>| {
        let data: Payload<'_> = serde_json::from_str(call.json()).unwrap();
        if arrived.arrived() {
            sender.emit("ping", &data).unwrap();
        }
    })
    .unwrap();
    ipc
}

fn start(main_thread: &MainThread, what: &'static str, count: u64) {
    let start = format!(r#"{{"what":"{what}","count":{count}}}"#);
    let start = RawValue::from_string(start).unwrap();
    main_thread.ui(move |windows| windows.ipc.emit("start", &start).unwrap());
}

pub(crate) fn flood(main_thread: &MainThread, count: u64) {
    start(main_thread, "flood", count);
}

/// Emitted on the main thread, some at a time; the loop pumps in between.
pub(crate) fn ticks(main_thread: &MainThread, count: u64) {
    start(main_thread, "ticks", count);
    for emitted in (0..count).step_by(BURST as usize) {
        let burst = BURST.min(count - emitted);
        // The queue's bound: what does not fit would be refused.
        while main_thread.ipc.metrics().messages_open > 10_000 - burst {
            std::thread::sleep(Duration::from_micros(200));
        }
        main_thread.ui(move |windows| {
            for _ in 0..burst {
                windows.ipc.emit("tick", &PAYLOAD).unwrap();
            }
        });
    }
}

const BURST: u64 = 2_000;

pub(crate) fn trips(main_thread: &MainThread, count: u64) {
    start(main_thread, "trips", count);
}

/// The first ping; each pong sends the next.
pub(crate) fn pings(main_thread: &MainThread) {
    main_thread.ui(|windows| windows.ipc.emit("ping", &PAYLOAD).unwrap());
}
