//! One webview as the plugin follows it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use spanwire::ipc::observe::{Observer, PageScript};
use tauri::ipc::InvokeBody;

use crate::channels::{self, Channels};
use crate::page::Page;
use crate::settings::Settings;
use crate::subscriptions::Subscriptions;

/// One webview: what records its messages, and what is known of its page.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) observer: Observer,
    pub(crate) page: Page,
    /// The events that its page listens to.
    pub(crate) subscriptions: Mutex<Subscriptions>,
    /// The channels that its page gave to commands.
    channels: Mutex<Channels>,
}

/// What a channel is called whose command is not known.
const NAMELESS_CHANNEL: &str = "channel";

impl Tracked {
    pub(crate) fn new(label: &str, settings: &Settings, page_script: &PageScript) -> Self {
        // Tauri notifies the plugin of an event, and does not tell who sent it.
        let mut builder = Observer::builder(label)
            .page_script(page_script)
            .without_call_sites();
        if let Some(budget) = settings.main_thread_budget {
            builder = builder.main_thread_budget(budget);
        }
        if let Some(events) = settings.event_spans_per_second_max {
            builder = builder.event_spans_per_second_max(events);
        }
        Self {
            observer: builder.build(),
            page: Page::default(),
            subscriptions: Mutex::default(),
            channels: Mutex::default(),
        }
    }

    /// The page gives channels to a command: their messages are counted as `channel:{command}`.
    pub(crate) fn channels_opened(&self, command: &str, body: &InvokeBody) {
        for id in channels::ids(body) {
            let channel = self.observer.channel(&format!("channel:{command}"));
            self.channels().insert(id, channel);
        }
    }

    /// A message leaves for the page.
    pub(crate) fn channel_message(&self, id: u32, bytes: usize) {
        // A statement of its own: the guard ends here, and no lock is held when the recorder is
        // called.
        let known = self.channels().get(id);
        let channel = known.unwrap_or_else(|| self.observer.channel(NAMELESS_CHANNEL));
        channel.message(bytes);
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        // The map is sound after each step.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
