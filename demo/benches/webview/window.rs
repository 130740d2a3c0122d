//! The event loop with two windows in it: one for the raw way, one for ours.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread;

use tao::event::Event;
use tao::event_loop::{ControlFlow, EventLoop, EventLoopBuilder};
use tao::platform::run_return::EventLoopExtRunReturn;
use tao::platform::unix::WindowExtUnix;
use tao::window::{Window, WindowBuilder};
use wry::http::Response;
use wry::{WebViewBuilder, WebViewBuilderExtUnix};

use crate::arrivals::Arrivals;
use crate::main_thread::{MainThread, UserEvent, Windows};
use crate::{ours, payload, raw, usage};

/// Runs `bench` beside an event loop, until it ends.
pub(crate) fn run<R: Send + 'static>(bench: impl FnOnce(MainThread) -> R + Send + 'static) -> R {
    let mut event_loop: EventLoop<UserEvent> = EventLoopBuilder::with_user_event().build();
    let arrivals = Arc::new(Arrivals::default());
    let ready = arrivals.expect(2);

    let raw = Rc::new(OnceCell::new());
    let (window, builder) = window(&event_loop, raw::PAGE);
    let builder = raw::attach(builder, &raw, &arrivals);
    let webview = builder.build_gtk(window.default_vbox().unwrap()).unwrap();
    assert!(raw.set(webview).is_ok(), "it was not there before");
    let raw_window = window;

    let ipc = ours::wire(&arrivals);
    let (window, builder) = self::window(&event_loop, ours::PAGE);
    let proxy = event_loop.create_proxy();
    let builder =
        spanwire::webview::attach(builder, &ipc, move || _ = proxy.send_event(UserEvent::Pump));
    let windows = Windows {
        raw,
        ours: builder.build_gtk(window.default_vbox().unwrap()).unwrap(),
        ipc: ipc.clone(),
        _windows: [raw_window, window],
    };

    let proxy = event_loop.create_proxy();
    let result = Arc::new(Mutex::new(None));
    let told = Arc::clone(&result);
    thread::spawn(move || {
        ready.recv().expect("both pages load");
        // The older process is the older window's.
        let pages = usage::web_processes().try_into().expect("two pages");
        let main_thread = MainThread {
            proxy: proxy.clone(),
            arrivals,
            ipc,
            pages,
        };
        *told.lock().unwrap() = Some(bench(main_thread));
        let _ = proxy.send_event(UserEvent::End);
    });

    event_loop.run_return(|event, _, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump) => windows.ipc.pump(&windows.ours),
            Event::UserEvent(UserEvent::Do(work)) => work(&windows),
            Event::UserEvent(UserEvent::End) => *control_flow = ControlFlow::Exit,
            _ => {}
        }
    });
    result
        .lock()
        .unwrap()
        .take()
        .expect("the bench did not panic")
}

fn window(
    event_loop: &EventLoop<UserEvent>,
    page: &'static str,
) -> (Window, WebViewBuilder<'static>) {
    let window = WindowBuilder::new().build(event_loop).unwrap();
    let builder = WebViewBuilder::new()
        .with_custom_protocol("bench".into(), move |_, _| {
            let page = page.replace("PAYLOAD", payload::PAYLOAD_JS);
            Response::builder()
                .header("content-type", "text/html; charset=utf-8")
                .body(page.into_bytes().into())
                .unwrap()
        })
        .with_url("bench://localhost/");
    (window, builder)
}
