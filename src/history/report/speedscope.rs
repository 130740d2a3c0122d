//! `profile.speedscope.json`: the CPU profile in the file format of speedscope.
//!
//! A "sampled" profile for each thread; a weight is a number of samples.
//! <https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources>

use std::io::{self, Write};

use serde_json::{Value, json};

use super::profile::{LEFT_OUT, Profile};

pub(super) fn write(profile: &Profile, name: &str, out: &mut dyn Write) -> io::Result<()> {
    // The frame after all functions stands for samples without a stack, so the sums are right.
    let left_out = profile.functions.len();
    let names = profile.functions.iter().map(String::as_str);
    let frames: Vec<Value> = names
        .chain([LEFT_OUT])
        .map(|name| json!({ "name": name }))
        .collect();
    let profiles: Vec<Value> = profile
        .threads
        .iter()
        .map(|thread| {
            let without = vec![left_out];
            let rest = (thread.left_out > 0).then_some((&without, thread.left_out));
            let stacks = thread
                .stacks
                .iter()
                .map(|(stack, samples)| (stack, *samples));
            let (stacks, weights): (Vec<_>, Vec<_>) = stacks.chain(rest).unzip();
            let end: u64 = weights.iter().sum();
            json!({
                "type": "sampled",
                "name": thread.name,
                // A weight is a number of samples. Their rate is not in the history.
                "unit": "none",
                "startValue": 0,
                "endValue": end,
                "samples": stacks,
                "weights": weights,
            })
        })
        .collect();
    let file = json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": format!("spanwire@{}", env!("CARGO_PKG_VERSION")),
        "name": name,
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
        "profiles": profiles,
    });
    writeln!(out, "{file}")
}
