//! Why a page was loaded.

use super::protocol::inbound_message::Navigation;

/// How a page's load is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageLoad {
    /// The first that was ready on its wire.
    First,
    Reload,
    Navigate,
    BackForward,
    /// The one before had gone: its process ended, or it was turned away.
    Recovery,
    /// Another one, and nothing says why.
    Again,
}

impl PageLoad {
    pub(super) const ALL: [Self; 6] = [
        Self::First,
        Self::Reload,
        Self::Navigate,
        Self::BackForward,
        Self::Recovery,
        Self::Again,
    ];

    /// The value of `spanwire.page.load.type`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Reload => "reload",
            Self::Navigate => "navigate",
            Self::BackForward => "back_forward",
            Self::Recovery => "recovery",
            Self::Again => "again",
        }
    }

    /// The page is ready: how its load is counted. From here on it is [`Again`](Self::Again).
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Again)
    }

    /// The same with what is known of a page that is not the first: whether the one before had gone,
    /// and what the page says of itself.
    pub(super) fn because(self, was_gone: bool, navigation: Option<Navigation>) -> Self {
        match (self, navigation) {
            // Ahead of the engine's word: after a crash an app reloads or navigates, and both are
            // recovery.
            (Self::Again, _) if was_gone => Self::Recovery,
            (Self::Again, Some(Navigation::Navigate)) => Self::Navigate,
            (Self::Again, Some(Navigation::Reload)) => Self::Reload,
            (Self::Again, Some(Navigation::BackForward)) => Self::BackForward,
            // The first page of a wire stays `First`, whatever the engine calls its load.
            (load, _) => load,
        }
    }
}
