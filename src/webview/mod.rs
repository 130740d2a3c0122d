//! The wire through a [wry] webview: put it on a builder, pump what waits for the page.
//!
//! [`attach`] puts the page script and the receiver on a [`wry::WebViewBuilder`]. From then on
//! the page has `window.spanwire` with `invoke`, `emit`, `on`, `off`, `trace`, `record` and
//! `whenReady`, and what Rust emits waits in the [`Ipc`] until [`Ipc::pump`] hands it to the page.
//! A webview belongs to one thread, so `pump` is called where the event loop runs: `attach` takes
//! the closure that wakes that loop, from whichever thread a message comes.
//!
//! ```no_run
//! use spanwire::ipc::{Call, DataError, Ipc};
//!
//! # fn open(
//! #     window: &impl wry::raw_window_handle::HasWindowHandle,
//! #     wake_event_loop: impl Fn() + Send + Sync + 'static,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let ipc = Ipc::builder("main").build();
//! ipc.on("greet", |call: &Call<'_>| -> Result<String, DataError> {
//!     let name: String = call.data()?;
//!     Ok(format!("Hello {name}"))
//! })?;
//!
//! let builder = wry::WebViewBuilder::new().with_url("https://example.com");
//! // With tao or winit: move || _ = proxy.send_event(Wake)
//! let builder = spanwire::webview::attach(builder, &ipc, wake_event_loop);
//! let webview = builder.build(window)?; // `build_gtk` where Wayland shall work, too
//!
//! // In the event loop, on each `Wake`:
//! ipc.pump(&webview);
//! # Ok(())
//! # }
//! ```
//!
//! Whole apps are in `demo/examples`: `minimal` with tao, `winit`, `windows` with two of them, and
//! `app`, which is the one to copy. [`Page`] serves the page from within the app or from a dev
//! server.
//!
//! # What of the builder is taken
//!
//! The IPC handler, of which a builder has one: what is not Spanwire's goes to the handler given
//! to [`attach_with`], and setting another one on the builder later silently takes the wire
//! away. And one initialization script, of which a builder has any number. All the rest is the
//! app's: above all the page load handler, since the page itself says that it comes and goes.
//!
//! # Several windows
//!
//! One [`Ipc`] each, with a name for its kind (`"main"`, `"preview"`) and not for what is in it,
//! since names become attributes of metrics. The wake carries the window's id, so that the event
//! loop knows which one to pump.
//!
//! # A page that crashed
//!
//! Its messages end as `page_gone`, `spanwire.page.errors` counts it, and what still waits in the
//! queue goes to the page that the app loads next:
//!
//! ```no_run
//! # enum Ask { Reload }
//! # fn watch<E>(
//! #     ipc: &spanwire::Ipc,
//! #     webview: &wry::WebView,
//! #     proxy: impl Proxy<E> + Send + Sync + 'static,
//! # ) -> wry::Result<()> {
//! ipc.on_page_crash(move || _ = proxy.send_event(Ask::Reload));
//!
//! // In the event loop, on `Ask::Reload`. Count them: such a page may crash at its start.
//! webview.reload()?;
//! # Ok(())
//! # }
//! # trait Proxy<E> {
//! #     fn send_event(&self, ask: Ask) -> Result<(), E>;
//! # }
//! ```
//!
//! # Pages of others
//!
//! A link leads the main frame to another site's page, where the page script is too.
//! [`IpcBuilder::allow_origin`](crate::ipc::IpcBuilder::allow_origin) names the origins that messages are taken from;
//! without it that is the origin of the first page that was there. What comes from others is
//! refused, and `pump` hands nothing over while the webview is at such an origin or on its way
//! there: messages wait until the webview is back at an allowed origin.
//! A page given as text (`with_html`) has no origin to name: where it is the first, those that have
//! one are refused. An app that navigates to pages of its own should use [`Page::embedded`].
//!
//! # Pages that cannot send
//!
//! wry drops every message of a page at a `file:`, `data:` or `blob:` address, and of one whose
//! address has 65,535 bytes or more. That is reported when such a page is there: an error in the
//! log that says what to do, and `spanwire.page.errors` with `unsupported_address`.
//!
//! # Closing a window
//!
//! Call [`Ipc::close`], and drop the webview before its window: what is open is counted as dropped,
//! and from then on `emit` is an error. A wire that is not closed keeps what waits, up to its queue's
//! capacity, for a webview that may come: put it on the next builder. Dropping the last [`Ipc`]
//! closes the wire, too; the webview does not keep it open.
//!
//! # The end of the event loop
//!
//! `run` of tao's and winit's event loops ends the process or may do so, and what `main` holds is
//! not dropped then. The last spans are exported by
//! [`Telemetry::shutdown`](crate::Telemetry::shutdown) in `Event::LoopDestroyed` (tao) or in
//! `ApplicationHandler::exiting` (winit).
//!
//! # Platform-specific
//!
//! The page script runs in the main frame only. On Linux wry hands over messages of any frame
//! with the address of the main frame: what tells a frame's messages from the page's is the
//! nonce in the page script, which no frame sees.
//!
//! Linux alone tells of a page whose process crashed, and which document is there while another is
//! being loaded; this is listened to from the first [`Ipc::pump`] on. Elsewhere a page that crashed
//! looks like one that does not answer; see [`Ipc::on_page_crash`]. `docs/reference/platforms.md` says
//! what was verified where.

mod address;
mod attach;
mod dev_server;
mod embedded;
#[cfg(target_os = "linux")]
mod gtk;
mod page;
mod pump;
mod state;

#[cfg(doc)]
use crate::ipc::Ipc;

pub use address::origin_of;
pub use attach::{attach, attach_with};
pub use page::{Page, PageError};
