//! The resource as the labels of one metric.
//!
//! A query joins it where it needs to know who sent a series; as labels of every series it would
//! only make each of them longer.

use opentelemetry_sdk::Resource;

use super::labels::label_text;

/// The labels between their braces; empty for an empty resource.
pub(super) fn labels(resource: &Resource) -> String {
    let mut attributes: Vec<(&str, String)> = resource
        .iter()
        .map(|(key, value)| (key.as_str(), value.to_string()))
        .collect();
    // A resource has no order of its own, and the text should not change from run to run.
    attributes.sort_unstable();
    label_text(
        attributes
            .iter()
            .map(|(name, value)| (*name, value.as_str())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::{Array, KeyValue, Value};

    #[test]
    fn attributes_become_sanitised_escaped_labels_in_order() {
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", "paint \"tool\""),
                KeyValue::new("process.pid", 7),
                KeyValue::new("os.description", "a\\b\nc"),
                KeyValue::new("service_name", "also"),
                KeyValue::new(
                    "process.command_args",
                    Value::Array(Array::String(vec!["-x".into(), "y".into()])),
                ),
            ])
            .build();
        assert_eq!(
            labels(&resource),
            r#"os_description="a\\b\nc",process_command_args="[\"-x\",\"y\"]",process_pid="7",service_name="paint \"tool\";also""#
        );
    }

    #[test]
    fn an_empty_resource_is_not_told() {
        assert_eq!(labels(&Resource::builder_empty().build()), "");
    }
}
