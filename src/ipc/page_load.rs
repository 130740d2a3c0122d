//! Whether a page is the first that was ready on its wire.

/// How a page's load is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageLoad {
    First,
    Again,
}

impl PageLoad {
    pub(super) const ALL: [Self; 2] = [Self::First, Self::Again];

    /// The value of `spanwire.page.load.type`.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Again => "again",
        }
    }

    /// The page is ready: how its load is counted. From here on it is [`Again`](Self::Again).
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Again)
    }
}
