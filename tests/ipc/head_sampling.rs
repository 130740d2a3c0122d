//! When the sampler says no to a message, that holds for all that the message leads to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};
use serde_json::json;
use spanwire::ipc::{Call, Ipc};
use spanwire::testing::Capture;

use spanwire_testkit::stamped_page::{StampedPage, builder, runtime, turn};

/// Says no to everything, and counts how often it was asked.
#[derive(Clone, Debug, Default)]
struct No(Arc<AtomicUsize>);

impl ShouldSample for No {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        self.0.fetch_add(1, Ordering::Relaxed);
        SamplingResult {
            decision: SamplingDecision::Drop,
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

/// How often the sampler is asked for what `scenario` does with a page that is there.
fn asked(scenario: impl FnOnce(&Ipc, &mut StampedPage)) -> usize {
    let no = No::default();
    let capture = Capture::with_sampler(no.clone());
    let runtime = runtime();
    let asked = capture.run(|| {
        let ipc = builder(&capture).runtime(runtime.handle().clone()).build();
        let sender = ipc.clone();
        ipc.on("save", move |_: &Call| {
            let _span = tracing::info_span!("app's own").entered();
            sender.emit("saved", &1).unwrap();
        })
        .unwrap();
        let sender = ipc.clone();
        ipc.on_async("render", move |_| {
            let sender = sender.clone();
            async move {
                tokio::task::yield_now().await;
                let _span = tracing::info_span!("app's own").entered();
                sender.emit("rendered", &1).unwrap();
            }
        })
        .unwrap();
        let mut page = StampedPage::load(&capture, &ipc);
        let before = no.0.load(Ordering::Relaxed);
        scenario(&ipc, &mut page);
        turn(&runtime);
        page.pump(&ipc);
        no.0.load(Ordering::Relaxed) - before
    });
    assert_eq!(capture.spans(), "");
    asked
}

#[test]
fn the_sampler_is_asked_once_for_a_call_and_its_spans() {
    let sync = asked(|ipc, page| {
        page.call(ipc, "save", None);
    });
    assert_eq!(sync, 1);
    let background = asked(|ipc, page| {
        page.call(ipc, "render", None);
    });
    assert_eq!(background, 1);
}

#[test]
fn the_sampler_is_asked_once_for_an_event_and_its_spans() {
    for name in ["save", "render"] {
        let asked = asked(|ipc, page| {
            let (id, at) = (page.page.take_id(), page.now());
            page.send(
                ipc,
                &[json!({"kind": "event", "id": id, "event": name, "at": at})],
            );
        });
        assert_eq!(asked, 1, "{name}");
    }
}

#[test]
fn the_sampler_is_asked_once_for_a_page_span_and_its_children() {
    let asked = asked(|ipc, page| {
        let at = page.now();
        page.send(
            ipc,
            &[json!({"kind": "open", "span": 1, "name": "click", "at": at})],
        );
        page.call(ipc, "save", Some(1));
        let at = page.now();
        page.send(ipc, &[json!({"kind": "close", "span": 1, "at": at})]);
        page.call(ipc, "save", Some(1));
    });
    assert_eq!(asked, 1);
}

#[test]
fn an_unsampled_call_gives_the_app_an_unsampled_context() {
    let capture = Capture::with_sampler(No::default());
    capture.run(|| {
        let ipc = builder(&capture).build();
        ipc.on("save", |_: &Call| {
            let here = Context::current();
            let span = here.span().span_context().clone();
            assert!(span.is_valid() && !span.is_sampled());
        })
        .unwrap();
        let mut page = StampedPage::load(&capture, &ipc);
        page.call(&ipc, "save", None);
        page.pump(&ipc);
        assert_eq!(ipc.metrics().messages_failed, 0);
    });
}
