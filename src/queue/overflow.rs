//! What becomes of a message that a full queue has no room for.

/// What a push does when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// Refuses the new message and gives it back.
    #[default]
    DropNewest,
    /// Gives up the oldest message for the new one; the pusher gets the old one back.
    DropOldest,
    /// Waits until there is room or the queue is closed. Not for a thread that runs a UI.
    Block,
}
