//! How a page gave a call up.

use crate::clock::Stamp;
use crate::semconv::ErrorType;

/// The page gave a call up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Withdrawal {
    pub(super) at: Stamp,
    pub(super) error: ErrorType,
}
