//! What an event's spans are called.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use opentelemetry::Value;

use crate::instrument::cardinality::{CappedNames, NameSource};

/// The names of the spans of one event.
///
/// They are made once where there is room, and kept for good: one that is made for each span costs
/// as much as all that a sampler does.
#[derive(Clone, Debug)]
pub(in crate::ipc) struct SpanNames {
    event: Arc<str>,
    kept: Option<Kept>,
}

/// By [`Verb`].
type Kept = [&'static str; 4];

/// What the span says of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ipc) enum Verb {
    /// A call, or the handlers at work: the event's name alone.
    Handle,
    Send,
    Reply,
    Process,
}

impl Verb {
    const ALL: [Self; 4] = [Self::Handle, Self::Send, Self::Reply, Self::Process];

    fn name(self, event: &str) -> String {
        let verb = match self {
            Self::Handle => "",
            Self::Send => "send ",
            Self::Reply => "reply ",
            Self::Process => "process ",
        };
        [verb, event].concat()
    }
}

/// Events are capped for each webview, and an app may make webviews without end: so those of the
/// process are, too.
static KEPT: LazyLock<CappedNames<Option<Kept>>> = LazyLock::new(|| CappedNames::new(|_| None));

impl SpanNames {
    pub(in crate::ipc) fn of(event: &Arc<str>) -> Self {
        let keep = |event: &Arc<str>| {
            // Leaked, so that a span's name costs no allocation. The cap on names bounds what is
            // leaked.
            let leak = |verb: Verb| -> &'static str { verb.name(event).leak() };
            Some(Verb::ALL.map(leak))
        };
        Self {
            event: Arc::clone(event),
            kept: *KEPT.get(event, NameSource::Registered, keep),
        }
    }

    /// The name of a span.
    pub(in crate::ipc) fn span(&self, verb: Verb) -> Cow<'static, str> {
        match &self.kept {
            Some(kept) => Cow::Borrowed(kept[verb as usize]),
            None => Cow::Owned(verb.name(&self.event)),
        }
    }

    /// The event, as the value of an attribute.
    pub(in crate::ipc) fn event(&self) -> Value {
        match &self.kept {
            // The event's name alone, so it serves as the attribute's value as well.
            Some(kept) => kept[Verb::Handle as usize].into(),
            None => Arc::clone(&self.event).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_whether_or_not_there_is_room_to_keep_them() {
        let mut kept = 0;
        for n in 0..1_000 {
            let event: Arc<str> = format!("event {n}").into();
            let names = SpanNames::of(&event);
            kept += usize::from(names.kept.is_some());
            let spans = Verb::ALL.map(|verb| names.span(verb).into_owned());
            let expected = ["", "send ", "reply ", "process "].map(|verb| format!("{verb}{event}"));
            assert_eq!(spans, expected);
            assert_eq!(names.event().as_str(), *event);
        }
        assert!((1..1_000).contains(&kept), "{kept}");
    }
}
