//! The wire through a [wry] webview: put it on a builder, pump what waits for the page.

mod address;
mod attach;
mod dev_server;
mod embedded;
#[cfg(target_os = "linux")]
mod gtk;
mod page;
mod pump;
mod watch;

pub use attach::{attach, attach_with};
pub use page::{Page, PageError, origin_of};
pub(crate) use watch::Watch;
