// Names that Prometheus itself, and its conventions, add: they are not Spanwire's, so they are not
// in `semconv.json`.

/** What Prometheus puts on every series of a target. */
export const JOB = "job";
export const INSTANCE = "instance";
export const TARGET: readonly string[] = [JOB, INSTANCE];

/** Series that Prometheus writes for each target that it scrapes. */
export const UP = "up";
export const SCRAPE_SECONDS = "scrape_duration_seconds";
export const SCRAPE_SAMPLES = "scrape_samples_scraped";
export const SCRAPE_NEW_SERIES = "scrape_series_added";

/** The series whose labels are the app's resource, and those of them that are used here. */
export const TARGET_INFO = "target_info";
export const SERVICE_NAME = "service_name";
export const SERVICE_VERSION = "service_version";
/** Of a Tauri app: by which way its plugin sees commands, and which Tauri it has. */
export const TAURI_WAY = "spanwire_tauri_way";
export const TAURI_VERSION = "spanwire_tauri_version";

/** The series that Prometheus writes for alerts. */
export const ALERTS = "ALERTS";

/** Each with the labels that it has beside the target's. */
export const SERVER_METRICS: ReadonlyMap<string, readonly string[]> = new Map([
  [UP, []],
  [SCRAPE_SECONDS, []],
  [SCRAPE_SAMPLES, []],
  [SCRAPE_NEW_SERIES, []],
  [TARGET_INFO, [SERVICE_NAME, SERVICE_VERSION, TAURI_WAY, TAURI_VERSION]],
  [ALERTS, ["alertname", "alertstate", "severity"]],
]);
