//! Channels: streams of messages that a command sends to the page.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;
use spanwire::ipc::observe::Channel;
use tauri::ipc::InvokeBody;

/// What a channel is among the arguments of a command.
const PREFIX: &str = "__CHANNEL__:";

/// Channels of one page whose command is known; the messages of older ones share a name.
const CHANNELS_MAX: usize = 1_000;

/// The channels of one page.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    // Tauri does not say when a channel ends, so entries leave by age alone.
    of: HashMap<u32, Channel>,
    oldest: VecDeque<u32>,
}

/// The channels that the page gives to a command.
pub(crate) fn ids(body: &InvokeBody) -> impl Iterator<Item = u32> {
    let arguments = match body {
        InvokeBody::Json(Value::Object(arguments)) => Some(arguments),
        _ => None,
    };
    let arguments = arguments
        .into_iter()
        .flat_map(|arguments| arguments.values());
    // Only top-level arguments are read. A channel within another argument is counted all the same,
    // under the name for channels whose command is not known.
    arguments.filter_map(channel_id)
}

fn channel_id(argument: &Value) -> Option<u32> {
    argument.as_str()?.strip_prefix(PREFIX)?.parse().ok()
}

impl Channels {
    /// The channel with this id, if its command is known.
    pub(crate) fn get(&self, id: u32) -> Option<Channel> {
        self.of.get(&id).cloned()
    }

    pub(crate) fn insert(&mut self, id: u32, channel: Channel) {
        // An id that comes again keeps its place: a second entry in `oldest` would remove it early.
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
