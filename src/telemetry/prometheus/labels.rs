//! An app's labels as Prometheus has them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use metrics::{Key, Label};

use super::names::{is_label_name, label_name};

/// Names and values as they stand between braces, sorted by name: equal labels are equal texts.
pub(super) fn label_text<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let texts: Vec<String> = translated(pairs)
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escape_quoted(value)))
        .collect();
    texts.join(",")
}

/// `key` with its labels as Prometheus has them, so that series which become one are one already.
pub(super) fn translated_key(key: &Key) -> Cow<'_, Key> {
    let stays = |label: &Label| is_label_name(label.key()) && !label.value().is_empty();
    // Most labels need no change, and this runs at each registration of a gauge.
    if key.labels().all(stays) {
        return Cow::Borrowed(key);
    }
    // In the order of their names, and with the last value of a label that comes twice.
    let labels: BTreeMap<&str, &str> = key
        .labels()
        .map(|label| (label.key(), label.value()))
        .collect();
    let labels: Vec<Label> = translated(labels.into_iter())
        .into_iter()
        .map(|(name, value)| Label::new(name, value))
        .collect();
    Cow::Owned(Key::from_parts(key.name().to_owned(), labels))
}

/// Names that become the same share one label with all their values, in the order in which they
/// come: as OpenTelemetry asks, that of the original names. To Prometheus a label with an empty
/// value is none.
fn translated<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in pairs {
        labels
            .entry(label_name(name))
            .and_modify(|values| {
                // As OpenTelemetry's specification says for names that collide.
                values.push(';');
                values.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    // Empty values go after the merge, since an empty value may have been joined to another.
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// A text that stands in quotes, or that OpenMetrics treats as if it did.
pub(super) fn escape_quoted(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            // These three are all that the formats escape.
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pairs: &[(&str, &str)]) -> String {
        label_text(pairs.iter().copied())
    }

    #[test]
    fn label_values_keep_every_character() {
        assert_eq!(
            text(&[
                ("path", "\\\\server\\c$"),
                ("says", "\"hi\"\n"),
                ("ünï", "ü")
            ]),
            r#"_n_="ü",path="\\\\server\\c$",says="\"hi\"\n""#
        );
    }

    #[test]
    fn labels_that_become_the_same_are_joined_in_the_order_of_their_names() {
        assert_eq!(
            text(&[("a.b", "1"), ("a_b", "2"), ("le", "3")]),
            r#"a_b="1;2",le_="3""#
        );
        let key = Key::from(("m", &[("a_b", "2"), ("a.b", "0"), ("a.b", "1")]));
        let key = translated_key(&key);
        let labels: Vec<_> = key.labels().map(|l| (l.key(), l.value())).collect();
        assert_eq!(labels, [("a_b", "1;2")]);
    }

    #[test]
    fn equal_labels_are_equal_texts() {
        // The original names have another order than what becomes of them.
        assert_eq!(
            text(&[("a.z", "1"), ("a_b", "2")]),
            text(&[("a_b", "2"), ("a_z", "1")])
        );
        assert_eq!(text(&[("a", ""), ("b", "1")]), text(&[("b", "1")]));
    }

    #[test]
    fn a_key_that_prometheus_takes_as_it_is_stays() {
        let key = Key::from(("m", &[("b", "1"), ("a", "2")]));
        assert!(matches!(translated_key(&key), Cow::Borrowed(_)));
    }
}
