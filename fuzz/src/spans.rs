//! A tracer provider that looks at each span and keeps none.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};

pub static PROVIDER: LazyLock<SdkTracerProvider> = LazyLock::new(|| {
    SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_span_processor(Checks)
        .build()
});

#[derive(Debug)]
struct Checks;

impl SpanProcessor for Checks {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        assert!(span.span_context.is_valid(), "{span:?}");
        assert!(span.start_time <= span.end_time, "{span:?}");
        // An event's name, and a word of ours before it.
        assert!(span.name.len() <= 144, "{span:?}");
        assert!(span.attributes.len() <= 32, "{span:?}");
        for attribute in &span.attributes {
            assert!(attribute.value.as_str().len() <= 256, "{span:?}");
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
