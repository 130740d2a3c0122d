//! The state that a page is in, for the app and the metrics.

use std::fmt;

/// The state that a wire's page is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PageState {
    /// No page has said yet that it is there, or another is being loaded.
    Loading,
    /// A page is there and messages go to it.
    Ready,
    /// A page is there, and has not shown any sign of life for
    /// [`Limits::unresponsive_after`](super::Limits::unresponsive_after) since something was sent
    /// to it. It may be busy, in a debugger, or crashed where nothing reports that. Nothing is sent
    /// again for it; the first sign of life makes it [`Ready`](Self::Ready).
    Unresponsive,
    /// The page is gone: its process ended, or it was rejected.
    Gone,
    /// The wire was closed.
    Closed,
}

impl PageState {
    /// The states that the gauge tells apart. A closed wire has a page that is gone.
    pub(super) const GAUGED: [Self; 4] =
        [Self::Loading, Self::Ready, Self::Unresponsive, Self::Gone];

    /// Its name: `loading`, `ready`, `unresponsive`, `gone` or `closed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready => "ready",
            Self::Unresponsive => "unresponsive",
            Self::Gone => "gone",
            Self::Closed => "closed",
        }
    }

    /// The state as the gauge has it.
    pub(super) const fn gauged(self) -> Self {
        match self {
            Self::Closed => Self::Gone,
            state => state,
        }
    }
}

impl fmt::Display for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the page and the transport said of the page, whether or not it shows signs of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PagePhase {
    Loading,
    Ready,
    Gone,
    Closed,
}
