//! What each message of the benchmark carries.

use serde::{Deserialize, Serialize};

/// With its envelope about 100 bytes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    name: &'a str,
    frame: u64,
    visible: bool,
    x: f64,
}

pub(crate) const PAYLOAD: Payload<'static> = Payload {
    name: "scene_042",
    frame: 1_024,
    visible: true,
    x: 1.5,
};

/// The same for the page.
pub(crate) const PAYLOAD_JS: &str = r#"{ name: "scene_042", frame: 1024, visible: true, x: 1.5 }"#;
