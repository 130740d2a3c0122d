//! What the page script costs a page: its start, and a message in a tight loop.
//!
//! Run with `cargo run -p spanwire-demo --example page_cost` (under `xvfb-run -a` without a display).
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::borrow::Cow;

use spanwire::Ipc;
use spanwire::ipc::Call;
use tao::event::Event;
use tao::event_loop::{ControlFlow, EventLoopBuilder};
use tao::window::WindowBuilder;
use wry::WebViewBuilder;
use wry::http::Response;

#[derive(Debug)]
enum UserEvent {
    Pump,
    Done,
}

/// Many loads, since the page's clock steps 1 ms on some engines.
const PAGE: &str = r#"<!doctype html>Loading 200 times.<script>
    const starts = JSON.parse(sessionStorage.getItem("starts") ?? "[]");
    starts.push(took);
    sessionStorage.setItem("starts", JSON.stringify(starts));
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const loops = async () => {
        const times = [];
        const data = { asset: 7, name: "harbour_dawn", tags: ["a", "b"], note: "about a hundred bytes of JSON in all of it" };
        for (let round = 0; round < 20; round++) {
            const began = performance.now();
            // As many as the outbox takes.
            for (let n = 0; n < 10_000; n++) spanwire.emit("event", data);
            times.push((performance.now() - began) / 10_000 * 1e6);
            await pause(400);
        }
        return times;
    };
    addEventListener("load", async () => {
        // At any time within a step of the clock.
        await pause(10 * Math.random());
        if (starts.length < 200) location.reload();
        else await spanwire.invoke("done", { starts, emits: await loops() });
    });
</script>"#;

#[derive(serde::Deserialize)]
struct Costs {
    starts: Vec<f64>,
    emits: Vec<f64>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let event_loop = EventLoopBuilder::<UserEvent>::with_user_event().build();
    let window = WindowBuilder::new().build(&event_loop)?;
    let (pump, done) = (event_loop.create_proxy(), event_loop.create_proxy());

    let ipc = Ipc::builder("cost").build();
    ipc.on("event", |_: &Call| ())?;
    ipc.on(
        "done",
        move |call: &Call| -> Result<(), serde_json::Error> {
            let Costs { starts, emits } = call.data()?;
            println!("start of the script, ms: {}", quartiles(starts));
            println!("emit of 100 bytes, ns: {}", quartiles(emits));
            let _ = done.send_event(UserEvent::Done);
            Ok(())
        },
    )?;

    let builder = WebViewBuilder::new()
        .with_custom_protocol("cost".into(), |_, _| {
            Response::builder()
                .header("content-type", "text/html; charset=utf-8")
                .body(Cow::Borrowed(PAGE.as_bytes()))
                .expect("its header is valid")
        })
        .with_url("cost://localhost/")
        .with_initialization_script("window.began = performance.now();");
    let builder =
        spanwire::webview::attach(builder, &ipc, move || _ = pump.send_event(UserEvent::Pump))
            .with_initialization_script("window.took = performance.now() - window.began;");
    #[cfg(target_os = "linux")]
    let webview = {
        use tao::platform::unix::WindowExtUnix;
        use wry::WebViewBuilderExtUnix;
        let vbox = window.default_vbox().ok_or("the window has no box")?;
        builder.build_gtk(vbox)?
    };
    #[cfg(not(target_os = "linux"))]
    let webview = builder.build(&window)?;

    event_loop.run(move |event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump) => ipc.pump(&webview),
            Event::UserEvent(UserEvent::Done) => *control_flow = ControlFlow::Exit,
            _ => {}
        }
    })
}

fn quartiles(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |part: usize| values.get(values.len() * part / 4).copied().unwrap_or(0.0);
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    format!(
        "quarter {:.0}, half {:.0}, three quarters {:.0}, mean {mean:.2}",
        at(1),
        at(2),
        at(3)
    )
}
