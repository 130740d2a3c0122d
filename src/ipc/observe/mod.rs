//! Observes the messages that another message layer carries.
//!
//! [`Ipc`](super::Ipc) carries messages itself. Where a framework does (Tauri's commands, JSON-RPC
//! over a channel, a WebSocket), an [`Observer`] records what the framework carries: the same
//! metrics, spans, sampling, caps and [`IpcMetrics`](super::IpcMetrics), under the same names, so
//! the dashboards and alerts know them.
//!
//! Make one observer for each webview, and tell it what happens:
//!
//! - a message comes in: [`Observer::call`] or [`Observer::event`], `begin`, and at its end
//!   [`Handling::end`], or [`Handling::reply`] when you see what becomes of the reply;
//! - a message goes out: [`Observer::send`], then [`Delivery::sent`] and one of the ends of
//!   [`Delivery`];
//! - a stream of messages: [`Observer::channel`];
//! - the page loads, is there, or is gone: [`Observer::set_page_state`];
//! - the page has a [`PageScript`], which measures it: [`Observer::page_report`] takes what it says;
//! - you can have the UI thread called: [`Observer::on_wake`], which measures how late it is.
//!
//! Each of [`Handling`] and [`Delivery`] ends exactly once. One that is dropped ends as
//! [`Cancelled`](crate::semconv::ErrorType::Cancelled), or as
//! [`Panic`](crate::semconv::ErrorType::Panic) while its thread panics, so an early return or a
//! future that is dropped loses nothing.
//!
//! An observer works before telemetry is installed, and after it was shut down; it records what
//! there is a recorder or a tracer for. It calls back to wake the UI thread alone, and holds no lock
//! while it calls your code. Names come from outside: those that are no event's name, and those beyond the cap, share
//! the series `_OTHER`.
//!
//! ```
//! use spanwire::ipc::observe::Observer;
//! use spanwire::semconv::ErrorType;
//!
//! let observer = Observer::builder("main").build();
//!
//! // Where the framework has read a request, and before it runs the command:
//! let body = br#"{"path":"/notes/1"}"#;
//! let mut handling = observer.call("open_note").size(body.len()).begin();
//! let answer: Result<String, std::io::Error> = handling.in_scope(|| {
//!     // The command. Spans that it makes are children of the call's.
//!     Ok("a note".to_owned())
//! });
//!
//! // Where the framework has the answer, and where it hands it over:
//! let outcome = answer.as_ref().map(|_| ()).map_err(|_| ErrorType::HandlerError);
//! let reply = handling.reply(outcome, answer.map_or(0, |text| text.len()));
//! reply.handed_over();
//!
//! assert_eq!(observer.metrics().messages_received, 1);
//! assert_eq!(observer.metrics().messages_sent, 1);
//! ```

mod awaited;
mod builder;
mod channel;
mod delivery;
mod handling;
mod heartbeat;
mod inbound;
mod observer;
mod open_message;
mod outstanding;
mod page_call;
mod page_report;
mod page_script;
mod page_view;
mod shared;
mod wake;

pub use builder::ObserverBuilder;
pub use channel::Channel;
pub use delivery::Delivery;
pub use handling::Handling;
pub use inbound::Inbound;
pub use observer::Observer;
pub use page_report::PageReportError;
pub use page_script::PageScript;
pub use page_view::PageTimes;
pub use wake::Wake;
