//! What the builder and the environment ask for, and what follows from it.

pub(super) mod accepted;
mod apply;
pub(super) mod builder;
pub(super) mod consent;
pub(super) mod env;
mod former;
#[cfg(feature = "system")]
mod host;
pub(super) mod options;
#[cfg(feature = "otlp")]
pub(super) mod otlp;
#[cfg(feature = "otlp")]
mod otlp_builder;
#[cfg(feature = "otlp")]
mod otlp_destinations;
pub(super) mod output;
mod overrides;
pub(super) mod parse;
pub(super) mod resolved;
pub(super) mod resource;
pub(super) mod routing;
pub(super) mod settings;
pub(super) mod warning;
