//! What Tauri's commands and answers mean.

use serde_json::Value;
use spanwire::semconv::ErrorType;
use tauri::ipc::{InvokeBody, InvokeResponse};

/// An event that the page emits, which Tauri carries as a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Emitted {
    pub(crate) event: String,
    pub(crate) payload_bytes: usize,
}

/// The event that this command emits, if it does.
pub(crate) fn emitted_event(command: &str, body: &InvokeBody) -> Option<Emitted> {
    if command != "plugin:event|emit" && command != "plugin:event|emit_to" {
        return None;
    }
    let InvokeBody::Json(arguments) = body else {
        return None;
    };
    let event = arguments.get("event")?.as_str()?.to_owned();
    // The request's body has the event's name and target in it too. Its length is not the
    // payload's.
    let payload_bytes = arguments.get("payload").map_or(0, json_bytes);
    Some(Emitted {
        event,
        payload_bytes,
    })
}

fn json_bytes(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        value => value.to_string().len(),
    }
}

/// How a command ended, by Tauri's answer.
///
/// Tauri itself rejects what it does not know, or does not allow, with a text of its own. A command
/// that rejects with the same text counts the same.
pub(crate) fn outcome(command: &str, answer: &InvokeResponse) -> Result<(), ErrorType> {
    let InvokeResponse::Err(error) = answer else {
        return Ok(());
    };
    // Tauri's own rejections are texts, so any other value is the command's.
    let Some(text) = error.0.as_str() else {
        return Err(ErrorType::HandlerError);
    };
    // A plugin's command is called by what stands behind `|` when it is not found.
    let name = command.rsplit('|').next().unwrap_or(command);
    let is = |text: &str, name: &str, rest: &str| {
        text.strip_prefix("Command ")
            .and_then(|text| text.strip_prefix(name))
            .is_some_and(|text| text == rest)
    };
    if is(text, name, " not found") || is(text, command, " not found") {
        Err(ErrorType::UnknownEvent)
    } else if is_refusal(text, command) {
        Err(ErrorType::Forbidden)
    } else {
        Err(ErrorType::HandlerError)
    }
}

/// Whether Tauri refused the command: a release says one sentence, a debug build tells why.
fn is_refusal(text: &str, command: &str) -> bool {
    // Tauri writes `fs.read_file` for `plugin:fs|read_file` in what a debug build says.
    let dotted = command
        .strip_prefix("plugin:")
        .map(|command| command.replace('|', "."));
    let names = [Some(command), dotted.as_deref()];
    let after_name = |text: &str| {
        names
            .into_iter()
            .flatten()
            .find_map(|name| text.strip_prefix(name).map(str::to_owned))
    };
    let after_command = text.strip_prefix("Command ").and_then(after_name);
    if after_command.is_some_and(|rest| rest == " not allowed by ACL") {
        return true;
    }
    after_name(text).is_some_and(|rest| REFUSALS.iter().any(|refusal| rest.starts_with(refusal)))
}

// How Tauri's `ipc/authority.rs` goes on behind the command's name. Tauri has no error code for it.
const REFUSALS: [&str; 3] = [
    " explicitly denied on ",
    " not allowed on ",
    " not allowed. ",
];

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tauri::ipc::{InvokeError, InvokeResponseBody};

    use super::*;

    fn rejected(command: &str, with: Value) -> Result<(), ErrorType> {
        outcome(command, &InvokeResponse::Err(InvokeError(with)))
    }

    #[test]
    fn an_answer_is_ok_whatever_it_says() {
        let text = "\"Command save not found\"".to_owned();
        let answer = InvokeResponse::Ok(InvokeResponseBody::Json(text));
        assert_eq!(outcome("save", &answer), Ok(()));
    }

    #[test]
    fn tauris_own_rejections_are_told_from_a_commands() {
        for (command, text, error) in [
            ("save", "Command save not found", ErrorType::UnknownEvent),
            (
                "plugin:fs|read",
                "Command read not found",
                ErrorType::UnknownEvent,
            ),
            ("save", "Command open not found", ErrorType::HandlerError),
            (
                "plugin:fs|read",
                "Command plugin:fs|read not allowed by ACL",
                ErrorType::Forbidden,
            ),
            (
                "plugin:fs|read",
                "fs.read not allowed. Permissions associated",
                ErrorType::Forbidden,
            ),
            (
                "save",
                "save explicitly denied on origin local",
                ErrorType::Forbidden,
            ),
            ("save", "the disk is full", ErrorType::HandlerError),
        ] {
            assert_eq!(
                rejected(command, json!(text)),
                Err(error),
                "{command}: {text}"
            );
        }
        assert_eq!(
            rejected("save", json!({ "code": 1 })),
            Err(ErrorType::HandlerError)
        );
    }

    #[test]
    fn an_emitted_event_is_known_by_its_own_name() {
        let body = InvokeBody::Json(json!({ "event": "saved", "payload": { "id": 7 } }));
        let emitted = emitted_event("plugin:event|emit", &body).unwrap();
        assert_eq!(emitted.event, "saved");
        assert_eq!(emitted.payload_bytes, r#"{"id":7}"#.len());
        assert_eq!(emitted_event("plugin:event|listen", &body), None);
        assert_eq!(
            emitted_event("plugin:event|emit", &InvokeBody::Raw(vec![1])),
            None
        );
    }
}
