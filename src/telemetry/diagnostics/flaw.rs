//! Why a setting cannot be used.

use std::borrow::Cow;

/// Why a text cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The text itself shows it, and may be quoted since such a text is no secret.
    Shown,
    /// This, in words, since the text may hold a secret.
    Said(Cow<'static, str>),
}

impl Flaw {
    pub(crate) fn said(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Said(what.into())
    }
}
