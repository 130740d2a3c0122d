//! A command's span, for what an async command does: Tauri polls it outside of the span.
//!
//! The plugin's way through Tauri's `ipc` scheme gives each call a number, which Tauri hands on with
//! the request's headers. The argument looks up its span by that number.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tauri::Runtime;
use tauri::http::{HeaderMap, HeaderName, HeaderValue};
use tauri::ipc::{CommandArg, CommandItem, InvokeError};
use tracing::{Instrument, Span};

const NUMBER: HeaderName = HeaderName::from_static("spanwire-command");

/// The span of the command that has it as an argument.
///
/// Tauri polls an async command outside of every span, so a span that the command makes begins a
/// trace of its own. Within [`run`](Self::run) it is a child of the command's:
///
/// ```
/// use tauri_plugin_spanwire::CommandSpan;
///
/// #[tauri::command]
/// async fn export(span: CommandSpan, path: String) -> Result<(), String> {
///     span.run(async move {
///         let image = tracing::info_span!("render").in_scope(|| path);
///         drop(image);
///         Ok(())
///     })
///     .await
/// }
/// # fn main() {}
/// ```
///
/// The page gives no value for it. Where the plugin does not see commands through Tauri's `ipc`
/// scheme, and for a call that is not sampled, it is a span that records nothing.
///
/// With the feature `async-spans` each call costs a header and an entry in a table, whether its
/// command takes the argument or not.
#[derive(Clone, Debug)]
pub struct CommandSpan(Span);

impl CommandSpan {
    /// Runs `work` within the command's span, on whatever thread it is polled.
    pub fn run<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        work.instrument(self.0.clone())
    }

    /// The span, for other ways to enter it: a thread of the command's own, or a task.
    pub fn span(&self) -> &Span {
        &self.0
    }
}

impl<'de, R: Runtime> CommandArg<'de, R> for CommandSpan {
    fn from_command(command: CommandItem<'de, R>) -> Result<Self, InvokeError> {
        let number = command.message.headers().get(NUMBER);
        let span = number
            .and_then(|number| number.to_str().ok()?.parse().ok())
            .and_then(|number: u64| open().get(&number).cloned());
        Ok(Self(span.unwrap_or_else(Span::none)))
    }
}

/// The calls that run, by number.
fn open() -> MutexGuard<'static, HashMap<u64, Span>> {
    // It needs no bound of its own: an entry lives as long as the responder that Tauri keeps for
    // its call.
    static OPEN: LazyLock<Mutex<HashMap<u64, Span>>> = LazyLock::new(Mutex::default);
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that runs, until it is dropped.
#[derive(Debug)]
pub(crate) struct Numbered(u64);

impl Numbered {
    /// Gives the call whose span is entered a number, in place of one that the page may have set.
    pub(crate) fn of_current(headers: &mut HeaderMap) -> Option<Self> {
        // The removal comes first: a number from the page must not survive, even for a call without
        // a span.
        headers.remove(NUMBER);
        let span = Span::current();
        if span.is_disabled() {
            return None;
        }
        let number = next_number();
        headers.insert(NUMBER, HeaderValue::from(number));
        open().insert(number, span);
        Some(Self(number))
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        let span = open().remove(&self.0);
        // Its end may call a subscriber, which is not to hold up other calls.
        drop(span);
    }
}

/// A number that no page can guess: it could have its spans in another's trace by it, where the
/// plugin sees only some of the commands.
fn next_number() -> u64 {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    // Relaxed: only that each call gets another value counts.
    static CALLS: AtomicU64 = AtomicU64::new(0);
    KEY.hash_one(CALLS.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use spanwire::testing::Capture;

    use super::*;

    #[test]
    fn call_without_a_span_has_no_number_and_a_page_cannot_give_it_one() {
        let mut headers = HeaderMap::new();
        headers.insert(NUMBER, HeaderValue::from(7));
        assert!(Numbered::of_current(&mut headers).is_none());
        assert!(headers.is_empty());
    }

    #[test]
    fn number_is_forgotten_when_its_call_has_ended() {
        Capture::new().run(|| {
            let mut headers = HeaderMap::new();
            let span = tracing::info_span!("command").entered();
            let call = Numbered::of_current(&mut headers).unwrap();
            drop(span);
            let number: u64 = headers[NUMBER].to_str().unwrap().parse().unwrap();
            assert!(open().contains_key(&number));
            drop(call);
            assert!(!open().contains_key(&number));
        });
    }
}
