//! One webview as the plugin follows it.

use std::sync::Mutex;

use spanwire::ipc::observe::{Observer, PageScript};

use crate::channels::Channels;
use crate::events::Subscriptions;
use crate::page::Page;
use crate::settings::Settings;

/// One webview: what records its messages, and what is known of its page.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) observer: Observer,
    pub(crate) page: Page,
    /// The events that its page listens to.
    pub(crate) subscriptions: Mutex<Subscriptions>,
    /// The channels that its page gave to commands.
    pub(crate) channels: Mutex<Channels>,
}

impl Tracked {
    pub(crate) fn new(label: &str, settings: &Settings, page_script: &PageScript) -> Self {
        let mut builder = Observer::builder(label).page_script(page_script);
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
}
