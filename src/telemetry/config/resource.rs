//! Who sends: the attributes that every span, log record and metric carries.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};

#[cfg(feature = "system")]
use super::host;

/// What the app and its environment say about themselves.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// The app's own name for itself, which the environment may replace.
    pub(crate) service_name: String,
    pub(crate) service_version: Option<String>,
    /// The builder's attributes: they beat everything.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) environment_name: Option<String>,
    pub(crate) environment_attributes: Vec<(String, String)>,
    pub(crate) host_name: HostName,
}

/// A host's name may tell who sits at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HostName {
    #[default]
    Hidden,
    Shown,
}

impl Identity {
    /// Later attributes replace earlier ones: defaults, environment, builder.
    pub(crate) fn resource(self) -> Resource {
        // `Resource` keeps the last value of a key, so the order of the lines below is the order of
        // precedence.
        let mut attributes = vec![KeyValue::new("service.name", self.service_name)];
        // Another one at each start, so that two processes of the app never write into one series.
        attributes.extend(instance_id().map(|id| KeyValue::new("service.instance.id", id)));
        attributes.push(KeyValue::new("os.type", operating_system()));
        #[cfg(feature = "system")]
        attributes.extend(host::attributes());
        attributes.extend(process());
        if self.host_name == HostName::Shown {
            #[cfg(feature = "system")]
            attributes.extend(host::name().map(|name| KeyValue::new("host.name", name)));
        }
        let owned = |(key, value): (String, String)| KeyValue::new(Key::from(key), value);
        attributes.extend(self.environment_attributes.into_iter().map(owned));
        // `OTEL_SERVICE_NAME` beats `service.name` in `OTEL_RESOURCE_ATTRIBUTES`, as the
        // specification has it.
        attributes.extend(
            self.environment_name
                .map(|name| KeyValue::new("service.name", name)),
        );
        attributes.extend(
            self.service_version
                .map(|version| KeyValue::new("service.version", version)),
        );
        attributes.extend(self.attributes.into_iter().map(owned));
        // `Resource::builder` would add the SDK's detectors, which read the process environment
        // past the app's `environment`. This one gives `telemetry.sdk.*` alone.
        let sdk: Box<dyn ResourceDetector> = Box::new(TelemetryResourceDetector);
        Resource::builder_empty()
            .with_detector(sdk)
            .with_attributes(attributes)
            .build()
    }
}

fn operating_system() -> &'static str {
    match std::env::consts::OS {
        // The semantic conventions have their own name for it.
        "macos" => "darwin",
        other => other,
    }
}

/// Without the command line and the path, which may tell more than the app's name.
fn process() -> impl Iterator<Item = KeyValue> {
    let executable = std::env::current_exe().ok();
    let name = executable.as_deref().and_then(|path| path.file_name());
    [
        Some(KeyValue::new("process.pid", i64::from(std::process::id()))),
        name.map(|name| {
            KeyValue::new(
                "process.executable.name",
                name.to_string_lossy().into_owned(),
            )
        }),
        Some(KeyValue::new("process.runtime.name", "rustc")),
    ]
    .into_iter()
    .flatten()
}

/// A random UUID (version 4); none when the system has no randomness, rather than one that others
/// have too.
fn instance_id() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    let random = u128::from_be_bytes(bytes);
    // RFC 9562, with bits counted from the lowest: 76 to 79 hold the version, 62 and 63 the
    // variant.
    let id = random & !(0xf << 76) & !(0b11 << 62) | (0x4 << 76) | (0b10 << 62);
    let hex = format!("{id:032x}");
    let mut parts = [8, 4, 4, 4, 12].iter().scan(0, |start, len| {
        let part = hex.get(*start..*start + len);
        *start += len;
        part
    });
    Some(std::array::from_fn::<_, 5, _>(|_| parts.next().unwrap_or_default()).join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(resource: &Resource, key: &'static str) -> Option<String> {
        let value = resource.get(&Key::from_static_str(key))?;
        Some(value.as_str().into_owned())
    }

    #[test]
    fn the_builder_beats_the_environment_beats_the_default() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let resource = Identity {
            service_name: "app".into(),
            environment_attributes: vec![
                pair("service.name", "from attributes"),
                pair("service.version", "1"),
                pair("team", "a"),
                pair("zone", "x"),
            ],
            service_version: Some("2".into()),
            attributes: vec![pair("zone", "y")],
            ..Identity::default()
        }
        .resource();
        assert_eq!(get(&resource, "service.name").unwrap(), "from attributes");
        assert_eq!(get(&resource, "service.version").unwrap(), "2");
        assert_eq!(get(&resource, "team").unwrap(), "a");
        assert_eq!(get(&resource, "zone").unwrap(), "y");
        assert_eq!(get(&resource, "telemetry.sdk.language").unwrap(), "rust");
        assert_eq!(get(&resource, "os.type").unwrap(), std::env::consts::OS);
        assert!(get(&resource, "process.pid").is_some());
        assert_eq!(get(&resource, "host.name"), None);
    }

    #[test]
    #[cfg(feature = "system")]
    fn the_host_is_named_only_on_request() {
        let resource = Identity {
            host_name: HostName::Shown,
            ..Identity::default()
        }
        .resource();
        assert_eq!(get(&resource, "host.name"), host::name());
    }

    #[test]
    fn instance_ids_are_random_version_4_uuids() {
        let (a, b) = (instance_id().unwrap(), instance_id().unwrap());
        assert_ne!(a, b);
        let parts: Vec<_> = a.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(a.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&a.as_bytes()[19]));
    }
}
