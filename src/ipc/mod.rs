//! The message layer between a page and the host; it knows no webview.
//!
//! [`Ipc`] is one wire. Texts from the page go into [`Ipc::receive`], scripts for the page come out
//! of [`Ipc::next_script`], and in between every message is checked, traced, timed and counted.
//! The `webview` module does both for wry; a transport of your own does it in two lines.
//!
//! Each message ends exactly once: delivered, failed or dropped, with a reason from
//! [`ErrorType`](crate::semconv::ErrorType). What crosses the wire is written down in
//! `docs/reference/wire.md`.
//!
//! ```
//! use spanwire::ipc::{Call, DataError, Ipc};
//!
//! let ipc = Ipc::builder("main").build();
//! ipc.on("greet", |call: &Call| -> Result<String, DataError> {
//!     let name: String = call.data()?;
//!     Ok(format!("hello {name}"))
//! })?;
//!
//! // What the page script would send, and what it would be sent.
//! ipc.page_ready("p1")?;
//! let batch = format!(
//!     r#"{{"spanwire":1,"nonce":"{}","page":"p1","messages":[
//!         {{"kind":"call","id":1,"event":"greet","data":"page"}}]}}"#,
//!     ipc.nonce(),
//! );
//! let _ = ipc.receive(&batch, None);
//! let script = ipc.next_script().expect("there is a reply");
//! assert!(script.text().contains(r#""data":"hello page""#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acknowledgement;
#[cfg(feature = "wry")]
mod adapter;
mod async_call;
mod builder;
mod bytes;
mod call;
mod call_series;
mod caller;
mod close_notices;
mod control;
mod data_error;
mod delivery;
mod dispatch;
mod emit;
mod event_sending;
mod handler_outcome;
mod handler_slot;
mod handling;
mod inbound;
mod inline_task;
mod last_vitals;
mod listeners;
mod liveness;
mod main_thread;
mod nonce;
pub mod observe;
mod open_call;
mod origins;
mod outbound;
mod outbox;
mod page;
mod page_clock;
mod page_life;
mod page_load;
mod page_record;
mod page_snapshot;
mod page_state;
mod protocol;
mod recorder;
mod reply;
mod responder;
mod runtime_settings;
mod series;
mod spans;
mod stats;
mod waker;
#[cfg(feature = "system")]
mod weak;
mod wire;
mod withdrawal;

pub use builder::{IpcBuilder, PageEvents, PageMarks, PageTraces};
pub use bytes::Bytes;
pub use call::{Call, HandlerResult};
pub use data_error::DataError;
pub use emit::{EmitError, EmitErrorReason};
pub use inbound::{Disposition, IpcMessage, Received};
pub use listeners::{ListenerId, RegisterError};
pub use page_state::PageState;
pub use protocol::limits::Limits;
pub use protocol::script::Script;
pub use responder::{RespondError, Responder};
pub use stats::{IpcMetrics, IpcMetricsDelta};
#[cfg(feature = "system")]
pub(crate) use weak::WeakIpc;
pub use wire::{Ipc, PageReadyError};

#[cfg(fuzzing)]
pub(crate) use spans::traceparent::parse_traceparent;

pub use crate::instrument::event_name::{NameError, check_event_name};
pub use crate::instrument::page_spans::{PageSpanRequest, PageSpanSink, PageSpansRefused};
