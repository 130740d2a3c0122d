//! How an operation failed: a type for metrics, the rest for its log record.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock};

use opentelemetry::KeyValue;

use super::error::OperationError;
use super::text::{cut, cut_front};
use crate::instrument::cardinality::{CappedNames, NameSource, short_type_name};
use crate::instrument::caught_panic::{catch_panic, panic_text};
use crate::semconv::{self, ErrorType, OTHER};

const MESSAGE_MAX: usize = 4 * 1024;
const BACKTRACE_MAX: usize = 16 * 1024;
/// A chain of sources may be a ring.
const SOURCES_MAX: usize = 32;

/// How an operation failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The value of `error.type`: one of few.
    pub(super) error_type: Arc<str>,
    /// The whole name of the error's type.
    pub(super) exception_type: String,
    /// The error and its sources; empty when unknown.
    pub(super) message: String,
    pub(super) backtrace: Option<String>,
}

impl Failure {
    /// From an error, named by its type unless the caller gives a name.
    pub(super) fn of<Kind: ?Sized, E>(error: &E, given: Option<&'static str>) -> Self
    where
        E: OperationError<Kind>,
    {
        Self::of_type(error.as_error(), error.type_name(), given)
    }

    /// The same for an error whose type has the name `full`.
    pub(super) fn of_type<E: Error + ?Sized>(
        error: &E,
        full: &'static str,
        given: Option<&'static str>,
    ) -> Self {
        // Each text by itself: a source that panics when it is printed loses its own text alone.
        let mut message = format_caught(|message| write!(message, "{error}"));
        let mut source = error.source();
        for _ in 0..SOURCES_MAX {
            let Some(error) = source else { break };
            // Printing is the app's code, so texts that would be cut anyway are not made.
            if message.len() >= MESSAGE_MAX {
                break;
            }
            let text = format_caught(|message| write!(message, "{error}"));
            let _ = write!(message, ": {text}");
            source = error.source();
        }
        Self {
            error_type: capped(given.map_or_else(|| short_type_name(full), str::to_owned)),
            // One name for all boxes: the full one has the bounds `Send` and `Sync`, which say
            // nothing of the error.
            exception_type: if full.starts_with("dyn ") {
                "dyn Error".to_owned()
            } else {
                full.to_owned()
            },
            message: cut(&message, MESSAGE_MAX).to_owned(),
            backtrace: backtrace(),
        }
    }

    /// From a name and a text that the caller gives.
    pub(super) fn named(error_type: &'static str, message: impl fmt::Display) -> Self {
        Self {
            error_type: capped(error_type.to_owned()),
            exception_type: error_type.to_owned(),
            // `Bounded` cuts it, so a text of any length takes no more memory than is kept.
            message: format_caught(|text| write!(text, "{message}")),
            backtrace: backtrace(),
        }
    }

    /// From an exception of another language, described by what embeds it.
    pub(super) fn foreign(error_type: &str, message: &str, stacktrace: Option<&str>) -> Self {
        Self {
            error_type: capped(error_type.to_owned()),
            exception_type: error_type.to_owned(),
            message: cut(message, MESSAGE_MAX).to_owned(),
            // The end of a stack says where it failed; what is longer loses its begin.
            backtrace: stacktrace.map(|stack| cut_front(stack, BACKTRACE_MAX).to_owned()),
        }
    }

    /// What a span's event says of it.
    pub(super) fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![KeyValue::new(
            semconv::EXCEPTION_TYPE,
            self.exception_type.clone(),
        )];
        if !self.message.is_empty() {
            attributes.push(KeyValue::new(
                semconv::EXCEPTION_MESSAGE,
                self.message.clone(),
            ));
        }
        if let Some(backtrace) = &self.backtrace {
            attributes.push(KeyValue::new(
                semconv::EXCEPTION_STACKTRACE,
                backtrace.clone(),
            ));
        }
        attributes
    }

    /// From a type alone: the error is not here any more, so there is neither text nor stack.
    pub(super) fn recorded(error_type: &str) -> Self {
        // To Prometheus an empty label is none, and the failure would count as a success.
        let error_type = if error_type.is_empty() {
            OTHER
        } else {
            error_type
        };
        Self {
            error_type: capped(error_type.to_owned()),
            exception_type: cut(error_type, NAME_MAX).to_owned(),
            message: String::new(),
            backtrace: None,
        }
    }

    /// From a panic that was caught.
    ///
    /// There is no backtrace: the stack is unwound by now, and the panic hook has printed it.
    pub(super) fn panic(payload: &(dyn Any + Send)) -> Self {
        let message = panic_text(payload).unwrap_or_default();
        Self {
            message: cut(message, MESSAGE_MAX).to_owned(),
            backtrace: None,
            ..Self::panicking()
        }
    }

    /// From a panic that is unwinding the stack right now.
    pub(super) fn panicking() -> Self {
        Self {
            // This type bypasses `capped`: it has its place whatever types the app has.
            error_type: Arc::from(ErrorType::Panic.as_str()),
            exception_type: ErrorType::Panic.as_str().to_owned(),
            message: String::new(),
            // The frames that panicked are unwound by now. Those of the timer and its callers are
            // still there.
            backtrace: backtrace(),
        }
    }
}

/// What `write` writes, cut. An error that panics while it is printed must not take the app along.
fn format_caught(write: impl FnOnce(&mut Bounded) -> fmt::Result) -> String {
    let mut text = Bounded(String::new());
    // What was printed before the panic is given up too: it may be half of something.
    if catch_panic(|| write(&mut text)).is_err() {
        return "(the error panicked when it was printed)".to_owned();
    }
    text.0
}

/// A text that stops to grow at its limit.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = MESSAGE_MAX.saturating_sub(self.0.len());
        self.0.push_str(cut(more, room));
        // An error ends the printing of an endless text.
        if more.len() > room {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

/// The stack, when `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for it.
fn backtrace() -> Option<String> {
    // It reads the variables once in the process, and without them takes no stack.
    let backtrace = Backtrace::capture();
    (backtrace.status() == BacktraceStatus::Captured)
        .then(|| cut(&backtrace.to_string(), BACKTRACE_MAX).to_owned())
}

/// The same name while there is room for it, or `_OTHER`.
fn capped(name: String) -> Arc<str> {
    static NAMES: LazyLock<CappedNames<Arc<str>>> = LazyLock::new(|| CappedNames::new(Arc::clone));
    // `External`, so that 50 are the bound: error types multiply with the operations' names in the
    // series.
    Arc::clone(&NAMES.get(cut(&name, NAME_MAX), NameSource::External, Arc::clone))
}

/// Longer names are cut.
const NAME_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Hostile;

    impl fmt::Display for Hostile {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no text for you");
        }
    }

    impl Error for Hostile {}

    #[test]
    fn an_error_that_panics_when_printed_is_still_a_failure() {
        let failure = Failure::of(&Hostile, None);
        assert_eq!(&*failure.error_type, "Hostile");
        assert_eq!(failure.message, "(the error panicked when it was printed)");
    }

    /// Its own source, and with no end of text.
    #[derive(Debug)]
    struct Endless;

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("more ")?;
            }
        }
    }

    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Endless)
        }
    }

    #[test]
    fn an_endless_error_is_cut() {
        assert_eq!(Failure::of(&Endless, None).message.len(), MESSAGE_MAX);
    }

    #[test]
    fn a_ring_of_sources_ends() {
        #[derive(Debug)]
        struct Ring;
        impl fmt::Display for Ring {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("o")
            }
        }
        impl Error for Ring {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&Ring)
            }
        }
        let message = Failure::of(&Ring, None).message;
        assert_eq!(message.matches('o').count(), 1 + SOURCES_MAX);
    }
}
