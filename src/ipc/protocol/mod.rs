//! What crosses the wire, in both directions, as `docs/reference/wire.md` describes it.

/// The codes of errors, and the `error.type` of each.
pub(super) mod code;
/// The two directions.
pub(super) mod direction;
/// How a text from the page begins: what is read before its sender has proved who it is.
pub(super) mod envelope;
/// The messages from the page.
pub(super) mod inbound_message;
/// Bounds on what crosses.
pub(super) mod limits;
mod message_fields;
/// The list of messages in a batch.
pub(super) mod message_list;
/// What goes to the page.
pub(super) mod script;
