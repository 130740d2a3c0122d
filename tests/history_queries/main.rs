//! Questions to history files: what is found, counted and compared, and what cannot be opened.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod care;
mod compare;
mod fixture;
mod open;
mod records;
mod stats;
