//! The two directions of the wire.

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ipc) enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    /// The value of `spanwire.ipc.direction`.
    pub(in crate::ipc) const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}
