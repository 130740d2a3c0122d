//! Which errors an operation can record.

use std::any::type_name;
use std::error::Error;
use std::ops::DerefMut;

/// An error that [`Monitor::run`](super::Monitor::run) can record: every [`Error`], and what boxes
/// one: `Box<dyn Error>` with or without `Send` and `Sync`, `anyhow::Error`, `eyre::Report`.
///
/// `Kind` tells the two apart and is always inferred. There is nothing to implement.
///
/// What is no error does not compile:
///
/// ```compile_fail,E0277
/// # use spanwire::timer::monitor;
/// let _ = monitor("read_level").run(|| Err::<(), String>("no such level".to_owned()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an error that an operation can record",
    label = "the error that the work returns is neither a `std::error::Error` nor a box of one",
    note = "`Monitor::time` measures work whatever it returns; `ScopedTimer::fail_as` ends an \
            operation with an error type and a text"
)]
pub trait OperationError<Kind: ?Sized = ()> {
    /// The name of the error's type; that of a trait where the type is not known.
    #[doc(hidden)]
    fn type_name(&self) -> &'static str;

    /// The error itself.
    #[doc(hidden)]
    fn as_error(&self) -> &(dyn Error + '_);
}

impl<E: Error> OperationError for E {
    fn type_name(&self) -> &'static str {
        type_name::<E>()
    }

    fn as_error(&self) -> &(dyn Error + '_) {
        self
    }
}

/// `DerefMut`, since `Arc<dyn Error>` and `&dyn Error` are errors themselves: by `Deref` they would
/// be of two kinds, and none could be inferred.
macro_rules! boxes {
    ($error:ty) => {
        impl<E: DerefMut<Target = $error>> OperationError<$error> for E {
            fn type_name(&self) -> &'static str {
                // The type in the box is not known any more, so `error.type` is `_OTHER` unless the
                // app names it.
                type_name::<$error>()
            }

            fn as_error(&self) -> &(dyn Error + '_) {
                &**self
            }
        }
    };
}

boxes!(dyn Error);
boxes!(dyn Error + Send);
boxes!(dyn Error + Send + Sync);
