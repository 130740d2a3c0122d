//! How captured values read in a snapshot.

use opentelemetry::logs::AnyValue;

/// A word as it is; anything else in quotes and on one line.
pub(super) fn word(value: &str) -> String {
    let plain = !value.is_empty()
        && value
            .chars()
            .all(|c| !c.is_whitespace() && !c.is_control() && !"\"'={}".contains(c));
    if plain {
        value.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// A number without the noise of its binary form: sums of seconds are rounded to nanoseconds.
pub(super) fn number(value: f64) -> String {
    // 0.1 + 0.2 would otherwise be 0.30000000000000004 in a snapshot.
    let fixed = format!("{value:.9}");
    fixed.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) fn any(value: &AnyValue) -> String {
    match value {
        AnyValue::Int(value) => value.to_string(),
        AnyValue::Double(value) => number(*value),
        AnyValue::Boolean(value) => value.to_string(),
        AnyValue::String(value) => word(value.as_str()),
        other => format!("{other:?}"),
    }
}

/// ` key=value` for each pair, in alphabetical order.
pub(super) fn pairs(mut pairs: Vec<(String, String)>) -> String {
    // The order in which code sets attributes is no part of what it emits.
    pairs.sort();
    pairs
        .into_iter()
        .map(|(key, value)| format!(" {key}={value}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_would_write_them() {
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(number(1_200.0), "1200");
        assert_eq!(number(0.0), "0");
        assert_eq!(number(-1.5), "-1.5");
    }

    #[test]
    fn text_that_could_be_misread_is_quoted() {
        assert_eq!(word("load_scene"), "load_scene");
        assert_eq!(word("half way"), "\"half way\"");
        assert_eq!(word("a\nb"), "\"a\\nb\"");
        assert_eq!(word(""), "\"\"");
    }
}
