//! How something ended that was measured elsewhere.

use std::any::type_name;
use std::borrow::Cow;

use crate::instrument::cardinality::short_type_name;
use crate::semconv::OTHER;

/// How an operation ended that the app measured itself; see
/// [`Operation::record`](super::Operation::record).
///
/// `true` and `Ok` are a success, `false` is a failure of which nothing is known, and `Err` is a
/// failure of the error's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It went well.
    Success,
    /// It failed.
    Failure {
        /// The `error.type`. It is an attribute of metrics: give it few values.
        error_type: Cow<'a, str>,
    },
}

impl<'a> Outcome<'a> {
    /// A failure with this `error.type`.
    #[must_use]
    pub fn failed(error_type: &'a str) -> Self {
        Self::Failure {
            error_type: Cow::Borrowed(error_type),
        }
    }
}

impl From<bool> for Outcome<'_> {
    fn from(success: bool) -> Self {
        if success {
            Self::Success
        } else {
            Self::Failure {
                // A failure needs some `error.type`: without one it would count as a success.
                error_type: Cow::Borrowed(OTHER),
            }
        }
    }
}

impl<T, E> From<&Result<T, E>> for Outcome<'_> {
    fn from(result: &Result<T, E>) -> Self {
        match result {
            Ok(_) => Self::Success,
            Err(_) => Self::Failure {
                // By the type alone: `&Result` asks for no `Error`, and the text stays with the
                // app.
                error_type: Cow::Owned(short_type_name(type_name::<E>())),
            },
        }
    }
}
