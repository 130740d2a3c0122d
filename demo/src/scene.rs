//! The places, and the light, that the library has pictures of.

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scene {
    /// Sharp mountains.
    Peaks,
    /// Soft hills.
    Hills,
    /// Flat tops and steep walls.
    Mesas,
    /// Open water up to the horizon.
    Water,
    /// Houses with lit windows.
    City,
}

/// The times of day and the weather that the library has pictures of.
pub(crate) const LIGHTS: [&str; 6] = ["dawn", "noon", "dusk", "night", "fog", "storm"];
