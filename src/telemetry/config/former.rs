//! Variables of the systems whose jobs Spanwire took over.

use super::warning::Warning;

/// The old name, and the variable that does its job. Their units are the same.
const FORMER: &[(&str, &str)] = &[
    ("SLOW_REQUEST_THRESHOLD_MS", "SPANWIRE_SLOW_THRESHOLD_MS"),
    ("SAMPLING_WINDOW_SECONDS", "SPANWIRE_WINDOW_SECONDS"),
    ("ERROR_RATE_THRESHOLD", "SPANWIRE_ERROR_RATE_THRESHOLD"),
    ("PERFORMANCE_ENABLED", "SPANWIRE_ENABLED"),
    (
        "PERFORMANCE_PROFILE_INTERVAL",
        "SPANWIRE_SYSTEM_INTERVAL_MS",
    ),
    ("PERFORMANCE_RETENTION", "SPANWIRE_RETENTION_SECONDS"),
];

/// Those that are set where what replaces them is not.
pub(super) fn warnings(get: &dyn Fn(&str) -> Option<String>) -> impl Iterator<Item = Warning> {
    let is_set = |name: &str| get(name).is_some_and(|value| !value.trim().is_empty());
    FORMER
        .iter()
        // Where both are set, another system reads the old one, and no hint is needed.
        .filter(move |(former, replacement)| is_set(former) && !is_set(replacement))
        .map(|&(variable, replacement)| Warning::FormerVariable {
            variable,
            replacement,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::VARIABLES;

    #[test]
    fn what_replaces_a_former_variable_is_read() {
        for (former, replacement) in FORMER {
            let is_read = |name: &str| VARIABLES.iter().any(|variable| variable.name == name);
            assert!(is_read(replacement), "{replacement}");
            assert!(!is_read(former), "{former}");
        }
    }
}
