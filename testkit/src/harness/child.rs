//! The child: the event loop on the main thread, the scenario beside it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use spanwire::telemetry::{Sampler, Telemetry};
use tao::event::Event;
use tao::event_loop::{ControlFlow, EventLoop, EventLoopBuilder, EventLoopProxy};
use tao::platform::run_return::EventLoopExtRunReturn;

use super::test_app::TestApp;
use super::ui::{Ui, UserEvent};
use super::{Scenario, parent};
use crate::receiver::Receiver;

pub(super) fn run(scenario: &Scenario) -> ExitCode {
    // What a person has in the environment is no part of a scenario.
    let receiver = scenario.is_traced.then(Receiver::start);
    let mut telemetry = Telemetry::builder("harness")
        .environment(|name| (name == "OTEL_BSP_SCHEDULE_DELAY").then(|| "50".to_owned()))
        .prometheus_port(0)
        .without_system()
        .strict();
    if let Some(receiver) = &receiver {
        telemetry = telemetry
            .otlp_endpoint(receiver.url())
            .sampler(Sampler::ParentBasedAlwaysOn);
    }
    let telemetry = telemetry.install().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let mut event_loop: EventLoop<UserEvent> = EventLoopBuilder::with_user_event().build();
    let (lines, said) = mpsc::sync_channel(100_000);
    let mut ui = Ui::new(event_loop.create_proxy(), lines);
    let app = TestApp::new(
        event_loop.create_proxy(),
        said,
        runtime.handle().clone(),
        telemetry.prometheus_addr().unwrap(),
        receiver,
        parent::now() + scenario.limit,
    );
    watch(scenario);
    let outcome = start(scenario, app, event_loop.create_proxy());

    event_loop.run_return(|event, target, control_flow| {
        *control_flow = ControlFlow::Wait;
        match event {
            Event::UserEvent(UserEvent::Pump(window)) => ui.pump(window),
            Event::UserEvent(UserEvent::Do(work)) => work(&mut ui, target),
            Event::UserEvent(UserEvent::End) => *control_flow = ControlFlow::Exit,
            _ => {}
        }
    });
    let outcome = outcome.lock().unwrap().take();
    match outcome {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(panic)) => {
            println!("FAILED: {}", text(&*panic));
            ExitCode::FAILURE
        }
        None => {
            println!("FAILED: the event loop ended by itself");
            ExitCode::FAILURE
        }
    }
}

type Outcome = Arc<Mutex<Option<thread::Result<()>>>>;

fn start(scenario: &Scenario, app: TestApp, proxy: EventLoopProxy<UserEvent>) -> Outcome {
    let run = scenario.run;
    let outcome = Outcome::default();
    let told = Arc::clone(&outcome);
    thread::Builder::new()
        .name("scenario".into())
        .spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(|| run(&app)));
            if result.is_err() {
                app.dump();
            }
            *told.lock().unwrap() = Some(result);
            let _ = proxy.send_event(UserEvent::End);
        })
        .unwrap();
    outcome
}

/// Ends the process when the scenario, or the event loop under it, hangs.
fn watch(scenario: &Scenario) {
    let Scenario { name, limit, .. } = *scenario;
    thread::spawn(move || {
        // The scenario's own limit comes first, and says what it waited for.
        thread::sleep(limit + parent::BETWEEN);
        println!("FAILED: {name} hangs; the event loop may not answer");
        std::process::exit(1);
    });
}

fn text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a text")
}
