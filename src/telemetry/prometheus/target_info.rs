//! The resource as the labels of one metric.
//!
//! A query joins it where it needs to know who sent a series; as labels of every series it would
//! only make each of them longer.

use opentelemetry_sdk::Resource;

use super::text::pairs;

/// `target_info` with HELP and TYPE; nothing for an empty resource.
pub(super) fn render(resource: &Resource) -> String {
    if resource.is_empty() {
        return String::new();
    }
    let mut attributes: Vec<(&str, String)> = resource
        .iter()
        .map(|(key, value)| (key.as_str(), value.to_string()))
        .collect();
    // A resource has no order of its own, and the text should not change from run to run.
    attributes.sort_unstable();
    let labels = pairs(
        attributes
            .iter()
            .map(|(name, value)| (*name, value.as_str())),
    );
    format!(
        "# HELP target_info Target metadata.\n# TYPE target_info gauge\ntarget_info{{{labels}}} 1\n"
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
            render(&resource),
            "# HELP target_info Target metadata.\n\
             # TYPE target_info gauge\n\
             target_info{os_description=\"a\\\\b\\nc\",\
             process_command_args=\"[\\\"-x\\\",\\\"y\\\"]\",process_pid=\"7\",\
             service_name=\"paint \\\"tool\\\";also\"} 1\n"
        );
    }

    #[test]
    fn an_empty_resource_is_not_told() {
        assert_eq!(render(&Resource::builder_empty().build()), "");
    }
}
