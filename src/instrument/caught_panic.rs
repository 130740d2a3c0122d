//! Panics that must not cross into the app or end a thread, caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; a panic of it ends here.
///
/// What `work` shares with the app is the app's to keep sound, as it is with a poisoned lock.
pub(crate) fn catch_panic<R>(work: impl FnOnce() -> R) -> Result<R, CaughtPanic> {
    catch_unwind(AssertUnwindSafe(work)).map_err(CaughtPanic::new)
}

/// What a panic left. Its payload is the app's, and may panic once more when it is dropped.
pub(crate) struct CaughtPanic(Option<Box<dyn Any + Send>>);

impl CaughtPanic {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        Self(Some(payload))
    }

    /// The panic's text, when it has one.
    pub(crate) fn text(&self) -> Option<&str> {
        panic_text(self.0.as_deref()?)
    }
}

/// The text of a panic's payload, when it is one.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> Option<&str> {
    // `panic!` with a plain text has a `&str`, with arguments a `String`; `panic_any` has anything.
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

impl Drop for CaughtPanic {
    fn drop(&mut self) {
        let payload = self.0.take();
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // That one may do the same, and so on. It is leaked, once for each such panic.
            std::mem::forget(another);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new(Bomb));
        }
    }

    #[test]
    fn a_payload_that_panics_when_dropped_panics_no_further() {
        let caught = catch_panic(|| std::panic::resume_unwind(Box::new(Bomb)));
        assert!(caught.is_err_and(|panic| panic.text().is_none()));
    }

    #[test]
    fn the_text_of_a_panic_is_kept() {
        for payload in [
            Box::new("no") as Box<dyn Any + Send>,
            Box::new("no".to_owned()),
        ] {
            let caught = catch_panic(|| std::panic::resume_unwind(payload));
            assert!(caught.is_err_and(|panic| panic.text() == Some("no")));
        }
    }
}
