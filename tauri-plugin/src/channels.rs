//! Channels: streams of messages that a command sends to the page.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, MutexGuard, PoisonError};

use serde_json::Value;
use spanwire::ipc::observe::Channel;
use tauri::ipc::{CallbackFn, InvokeBody, InvokeResponseBody};
use tauri::{Manager, Runtime, Webview};

use crate::plugin_state::PluginState;
use crate::tracked::Tracked;

/// What a channel is among the arguments of a command.
const PREFIX: &str = "__CHANNEL__:";

/// Channels of one page whose command is known; the messages of older ones share a name.
const CHANNELS_MAX: usize = 1_000;

/// What a channel is called whose command is not known.
const NAMELESS: &str = "channel";

/// The channels of one page.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    of: HashMap<u32, Channel>,
    oldest: VecDeque<u32>,
}

/// The page gives channels to a command: their messages are counted as `channel:{command}`.
pub(crate) fn opened(tracked: &Tracked, command: &str, body: &InvokeBody) {
    let InvokeBody::Json(Value::Object(arguments)) = body else {
        return;
    };
    let ids = arguments.values().filter_map(channel_id);
    for id in ids {
        let channel = tracked.observer.channel(&format!("channel:{command}"));
        lock(tracked).insert(id, channel);
    }
}

/// A message leaves for the page.
pub(crate) fn message<R: Runtime>(webview: &Webview<R>, id: CallbackFn, body: &InvokeResponseBody) {
    let plugin = webview.app_handle().try_state::<Arc<PluginState<R>>>();
    // A command may send on when its window is closed.
    let tracked = plugin.and_then(|plugin| plugin.known(webview.label()));
    let Some(tracked) = tracked else { return };
    let bytes = match body {
        InvokeResponseBody::Json(text) => text.len(),
        InvokeResponseBody::Raw(bytes) => bytes.len(),
    };
    let known = lock(&tracked).of.get(&id.0).cloned();
    let channel = known.unwrap_or_else(|| tracked.observer.channel(NAMELESS));
    channel.message(bytes);
}

fn channel_id(argument: &Value) -> Option<u32> {
    argument.as_str()?.strip_prefix(PREFIX)?.parse().ok()
}

fn lock(tracked: &Tracked) -> MutexGuard<'_, Channels> {
    // The map is sound after each step.
    tracked
        .channels
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

impl Channels {
    fn insert(&mut self, id: u32, channel: Channel) {
        if self.of.insert(id, channel).is_some() {
            return;
        }
        self.oldest.push_back(id);
        if self.oldest.len() > CHANNELS_MAX
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.of.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use spanwire::ipc::observe::Observer;

    use super::*;

    #[test]
    fn only_the_newest_channels_are_kept() {
        let observer = Observer::builder("channels").build();
        let mut channels = Channels::default();
        for id in 0..3_000 {
            channels.insert(id, observer.channel("channel:save"));
            channels.insert(id, observer.channel("channel:save"));
        }
        assert_eq!(channels.of.len(), CHANNELS_MAX);
        assert_eq!(channels.oldest.len(), CHANNELS_MAX);
        assert!(channels.of.contains_key(&2_999));
    }

    #[test]
    fn a_channel_is_known_by_its_text() {
        for (argument, id) in [
            (Value::from("__CHANNEL__:7"), Some(7)),
            (Value::from("__CHANNEL__:-7"), None),
            (Value::from("__CHANNEL__:"), None),
            (Value::from("7"), None),
            (Value::from(7), None),
        ] {
            assert_eq!(channel_id(&argument), id, "{argument}");
        }
    }
}
