//! The codes with which the wire says what went wrong, and the `error.type` of each.

use crate::semconv::ErrorType;

/// Each `error.type` that has a code. A panic has that of an error: its text is not for the page.
const CODES: [(ErrorType, &str); 11] = [
    (ErrorType::HandlerError, HANDLER_ERROR),
    (ErrorType::Panic, HANDLER_ERROR),
    (ErrorType::UnknownEvent, "UNKNOWN_EVENT"),
    (ErrorType::InvalidName, "INVALID_NAME"),
    (ErrorType::TooLarge, "TOO_LARGE"),
    (ErrorType::OverCredit, "OVER_CREDIT"),
    (ErrorType::Cancelled, "CANCELLED"),
    (ErrorType::HandlerDropped, "CANCELLED"),
    (ErrorType::Timeout, "TIMEOUT"),
    (ErrorType::ForbiddenOrigin, "FORBIDDEN"),
    (ErrorType::Shutdown, "BACKEND_GONE"),
];

const HANDLER_ERROR: &str = "HANDLER_ERROR";

/// The code of an error, as the page reads it.
pub(in crate::ipc) fn code_of(error: ErrorType) -> &'static str {
    CODES
        .iter()
        .find(|(known, _)| *known == error)
        .map_or(HANDLER_ERROR, |(_, code)| code)
}

/// Why a page withdraws a call, by the code that it sends; `None` for one that it must not send.
pub(super) fn error_of_cancel(code: &str) -> Option<ErrorType> {
    [ErrorType::Cancelled, ErrorType::Timeout]
        .into_iter()
        .find(|error| code_of(*error) == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_description_of_the_wire() {
        let described = include_str!("../../../docs/reference/wire.md");
        for (_, code) in CODES {
            assert!(described.contains(&format!("`{code}`")), "{code}");
        }
    }

    #[test]
    fn a_page_withdraws_a_call_with_two_codes_alone() {
        assert_eq!(error_of_cancel("CANCELLED"), Some(ErrorType::Cancelled));
        assert_eq!(error_of_cancel("TIMEOUT"), Some(ErrorType::Timeout));
        assert_eq!(error_of_cancel("TOO_LARGE"), None);
    }
}
