//! What a message is sent or handled in.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

use crate::untraced;

/// The trace around a message, if any.
#[derive(Clone, Debug)]
pub(super) enum Around {
    /// None: a span of it begins one.
    Nothing,
    /// A span of it is a child of the one in there.
    Within(Context),
    /// It was decided that nothing here has spans.
    Untraced(Context),
}

impl Around {
    /// What goes on here.
    pub(super) fn here() -> Self {
        Context::map_current(|context| {
            if untraced::is_marked(context) || context.is_telemetry_suppressed() {
                Self::Untraced(context.clone())
            } else if context.has_active_span() {
                Self::Within(context.clone())
            } else {
                Self::Nothing
            }
        })
    }

    /// A place where nothing has spans, below one that is not sampled.
    pub(super) fn untraced(span: SpanContext) -> Self {
        Self::Untraced(untraced::below(span))
    }

    /// The parent of a span that is made in any case.
    pub(super) fn context(&self) -> Option<&Context> {
        match self {
            Self::Nothing => None,
            Self::Within(context) | Self::Untraced(context) => Some(context),
        }
    }
}
