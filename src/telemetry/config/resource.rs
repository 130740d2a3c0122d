//! Who sends: the attributes that every span, log record and metric carries.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

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
        let mut attributes = vec![KeyValue::new("service.name", self.service_name)];
        attributes.extend(instance_id().map(|id| KeyValue::new("service.instance.id", id)));
        attributes.extend(operating_system());
        attributes.extend(process());
        if self.host_name == HostName::Shown {
            attributes.extend(
                System::host_name()
                    .ok()
                    .map(|name| KeyValue::new("host.name", name)),
            );
        }
        let owned = |(key, value): (String, String)| KeyValue::new(Key::from(key), value);
        attributes.extend(self.environment_attributes.into_iter().map(owned));
        attributes.extend(
            self.environment_name
                .map(|name| KeyValue::new("service.name", name)),
        );
        attributes.extend(
            self.service_version
                .map(|version| KeyValue::new("service.version", version)),
        );
        attributes.extend(self.attributes.into_iter().map(owned));
        let sdk: Box<dyn ResourceDetector> = Box::new(TelemetryResourceDetector);
        Resource::builder_empty()
            .with_detector(sdk)
            .with_attributes(attributes)
            .build()
    }
}

fn operating_system() -> impl Iterator<Item = KeyValue> {
    let kind = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    [
        Some(KeyValue::new("os.type", kind)),
        System::name()
            .ok()
            .map(|name| KeyValue::new("os.name", name)),
        System::os_version()
            .ok()
            .map(|version| KeyValue::new("os.version", version)),
        System::long_os_version()
            .ok()
            .map(|text| KeyValue::new("os.description", text)),
    ]
    .into_iter()
    .flatten()
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
        creation_time().map(|time| KeyValue::new("process.creation.time", time)),
    ]
    .into_iter()
    .flatten()
}

/// When the process began, to the second; with its id it names the process for good.
fn creation_time() -> Option<String> {
    let pid = sysinfo::get_current_pid().ok()?;
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        true,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    Some(iso_8601(system.process(pid)?.start_time()))
}

/// The time so many seconds after the beginning of 1970, in UTC, by ISO 8601.
fn iso_8601(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Counted from a first of March, so that the leap day is the last day of a year. See "civil from
    // days" on <https://howardhinnant.github.io/date_algorithms.html>.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A random UUID (version 4); none when the system has no randomness, rather than one that others
/// have too.
fn instance_id() -> Option<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).ok()?;
    let random = u128::from_be_bytes(bytes);
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
    fn times_are_written_by_iso_8601() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (68_256_000, "1972-03-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_796_000_461, "2026-11-30T01:01:01Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(iso_8601(seconds), text);
        }
    }

    #[test]
    fn the_process_has_the_time_at_which_it_began() {
        let resource = Identity::default().resource();
        let created = get(&resource, "process.creation.time").unwrap();
        let (_, now) = crate::clock::Clock::system().now_and_wall();
        let now = now.duration_since(std::time::SystemTime::UNIX_EPOCH);
        let now = now.unwrap().as_secs();
        // Tests take less than a day, and texts of this form are ordered as their times are.
        assert!(created > iso_8601(now - 86_400), "{created}");
        // The start is told to the second, rounded.
        assert!(created <= iso_8601(now + 1), "{created}");
    }

    #[test]
    fn the_host_is_named_only_on_request() {
        let resource = Identity {
            host_name: HostName::Shown,
            ..Identity::default()
        }
        .resource();
        assert_eq!(get(&resource, "host.name"), System::host_name().ok());
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
