//! What a message is sent or handled in.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt};

use crate::instrument::suppression;

/// The trace around a message, if any.
#[derive(Clone, Debug)]
pub(in crate::ipc) enum Around {
    /// None: a span of it begins one.
    Nothing,
    /// A span of it is a child of the one in there.
    Within(Context),
    /// It was decided that nothing here has spans.
    Untraced,
}

/// The trace around a handler that is yet to run.
#[derive(Debug)]
pub(in crate::ipc) enum Ahead {
    Traced(Around),
    /// It has to run in this context, for nothing in it to have spans.
    Untraced(Context),
}

impl Around {
    /// What goes on here.
    pub(in crate::ipc) fn here() -> Self {
        Context::map_current(|context| {
            if suppression::is_marked(context) || context.is_telemetry_suppressed() {
                Self::Untraced
            } else if context.has_active_span() {
                Self::Within(context.clone())
            } else {
                Self::Nothing
            }
        })
    }

    /// The parent of a span that is made there.
    pub(in crate::ipc) fn context(&self) -> Option<&Context> {
        match self {
            Self::Nothing | Self::Untraced => None,
            Self::Within(context) => Some(context),
        }
    }
}

impl Ahead {
    /// Nothing has spans, below one that is not sampled.
    pub(in crate::ipc) fn untraced(span: SpanContext) -> Self {
        Self::Untraced(suppression::below(span))
    }
}
