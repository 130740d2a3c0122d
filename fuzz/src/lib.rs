//! What the fuzz targets share.

pub mod exposition;
pub mod page;
pub mod recorder;
pub mod spans;
