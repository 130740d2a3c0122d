//! What variables accept, as warnings say it.

// `docs/reference/environment.md` repeats these texts, and `tests/environment.rs` compares them.
pub(in crate::telemetry) const SPOOL_DIR: &str =
    "a folder that this user owns and no other may write, or that can be made";
pub(in crate::telemetry) const HISTORY: &str =
    "the path of a file that is a history of Spanwire's, or can be made";
pub(super) const PROFILE: &str = "a whole number of samples a second from 1 to 1000, or 0 for off";
pub(super) const BSP_BATCH: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
pub(super) const BLRP_BATCH: &str = "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE";
pub(super) const SAMPLER: &str = "always_on, always_off, traceidratio, parentbased_always_on, \
    parentbased_always_off or parentbased_traceidratio";
pub(super) const CONSENT: &str = "granted, ask or denied";
pub(super) const BOOL: &str = "true or false";
/// Of a general endpoint.
pub(in crate::telemetry) const BASE_URL: &str = "a URL like http://localhost:4318, without query";
pub(super) const TRACES_URL: &str = "a URL like http://localhost:4318/v1/traces";
pub(super) const METRICS_URL: &str = "a URL like http://localhost:4318/v1/metrics";
pub(super) const LOGS_URL: &str = "a URL like http://localhost:4318/v1/logs";
pub(super) const MILLIS: &str = "a whole number of milliseconds from 1 to 4294967295";
pub(super) const MILLIS_FROM_0: &str = "a whole number of milliseconds from 0 to 4294967295";
pub(super) const SECONDS: &str = "a whole number of seconds from 1 to 4294967295";
pub(super) const COUNT: &str = "a whole number from 1 to 1000000";
pub(super) const LIMIT: &str = "a whole number from 0 to 4294967295";
pub(super) const SLOW_FACTOR: &str = "0 for off, or a whole number from 2 to 1000";
pub(super) const LENGTH: &str = "a whole number of characters";
pub(super) const RATIO: &str = "a number from 0.0 to 1.0";
pub(super) const PAIRS: &str = "key=value pairs separated by commas, special characters as %20";
pub(super) const HEADERS: &str =
    "key=value pairs that HTTP allows, separated by commas, special characters as %20";
pub(super) const PROXY: &str = "an HTTP proxy like http://proxy:3128";
pub(super) const EXEMPT: &str =
    "hosts, .domains, networks like 10.0.0.0/8 and * separated by commas";
pub(super) const EXPORTER: &str = "otlp or none";
pub(super) const COMPRESSION: &str = "gzip or none";
pub(super) const PROTOCOL: &str = "http/protobuf alone";
pub(super) const PEM: &str = "the path of a readable PEM file with certificates";
pub(super) const KEY: &str = "the path of a readable PEM file with a private key";
