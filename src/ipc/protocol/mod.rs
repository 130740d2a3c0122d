//! What crosses the wire, in both directions, as `docs/wire.md` describes it.
//!
//! `envelope` reads the first bytes of a text, `message` the messages in it, and `script` writes
//! what goes to the page. `limits` bounds all of them.

pub(super) mod envelope;
pub(super) mod limits;
pub(super) mod message;
pub(super) mod script;
