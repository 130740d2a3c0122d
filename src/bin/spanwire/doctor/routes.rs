//! By how many ways an app's metrics come into Prometheus: sums over both would count twice.

use std::collections::{BTreeMap, BTreeSet};

use super::prometheus::Series;

/// An app, and the jobs and instances under which it is seen.
pub(super) type Routes = BTreeMap<String, BTreeSet<(String, String)>>;

/// The id of the app of which a series of `target_info` is.
///
/// A scrape brings the app's own id as `service_instance_id`. Over OTLP, Prometheus makes it the
/// `instance`; by way of the Collector's Prometheus exporter it becomes `exported_instance`.
pub(super) fn id(series: &Series) -> Option<&str> {
    ["service_instance_id", "exported_instance", "instance"]
        .into_iter()
        .filter_map(|name| series.labels.get(name))
        .map(String::as_str)
        .find(|value| !value.is_empty())
}

/// The apps that come in more than once, from the series of `target_info`.
pub(super) fn doubled(target_info: &[Series]) -> Routes {
    let mut ways = Routes::new();
    for series in target_info {
        let label = |name: &str| series.labels.get(name).cloned().unwrap_or_default();
        // An app without an id cannot be told from another one.
        let Some(id) = id(series) else { continue };
        let way = (label("job"), label("instance"));
        // A set: the same way twice, as after a change of another label, is one.
        ways.entry(id.to_owned()).or_default().insert(way);
    }
    ways.retain(|_, ways| ways.len() > 1);
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(labels: &[(&str, &str)]) -> Series {
        let labels = labels.iter();
        Series {
            labels: labels
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            value: 1.0,
        }
    }

    #[test]
    fn an_app_that_is_scraped_and_sends_is_doubled() {
        let scraped = [
            ("job", "spanwire"),
            ("instance", "127.0.0.1:9464"),
            ("service_instance_id", "id-1"),
        ];
        let other = [
            ("job", "spanwire"),
            ("instance", "127.0.0.1:9465"),
            ("service_instance_id", "id-2"),
        ];
        let sent = [("job", "paint-tool"), ("instance", "id-1")];
        let exported = [
            ("job", "collector"),
            ("instance", "127.0.0.1:8889"),
            ("exported_instance", "id-2"),
        ];
        assert!(doubled(&[series(&scraped), series(&other)]).is_empty());
        let ways = doubled(&[series(&scraped), series(&other), series(&sent)]);
        assert_eq!(ways.keys().collect::<Vec<_>>(), ["id-1"]);
        assert_eq!(doubled(&[series(&other), series(&exported)]).len(), 1);
        // Two targets with one app behind them.
        let again = [scraped[0], ("instance", "localhost:9464"), scraped[2]];
        assert_eq!(doubled(&[series(&scraped), series(&again)]).len(), 1);
    }
}
