//! From spans that have arrived to the exemplars of the series that they were measured in.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::Label;
use opentelemetry_sdk::trace::SpanData;

use super::exemplar::Exemplar;
use super::recorder::{Buckets, State};
use crate::telemetry::export::on_exported::OnExported;
use crate::telemetry::metrics::span_series::{SpanSeries, span_series};

/// A recorder's exemplars, to be filled by whoever exports spans.
///
/// An exemplar is an offer to look at a trace, so it is made from a span that the collector has
/// taken, and not when the value is recorded: what was dropped, lost or not sampled is never
/// offered, and recording costs what it did before.
#[derive(Clone, Debug)]
pub(crate) struct Exemplars(Arc<State>);

impl Exemplars {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self(state)
    }

    /// What the spans would be exemplars of.
    fn candidates(&self, spans: &[SpanData]) -> Candidates {
        let mut candidates = Vec::new();
        for span in spans {
            // A clock that shows a time before 1970 was never set.
            let Some(millis) = millis(span.end_time) else {
                continue;
            };
            for series in span_series(span) {
                if let Some(buckets) = self.buckets(&series) {
                    let exemplar = Exemplar {
                        trace: span.span_context.trace_id(),
                        span: span.span_context.span_id(),
                        value: series.value_s,
                        millis,
                    };
                    // The series itself and not its name: the span is redacted and cut before the
                    // collector answers.
                    candidates.push((buckets, exemplar));
                }
            }
        }
        Candidates(candidates)
    }

    /// The series, if it exists: an exemplar is no reason for a new one.
    fn buckets(&self, series: &SpanSeries<'_>) -> Option<Arc<Buckets>> {
        let family = self.0.histograms.existing(series.metric.name)?;
        let label = |(name, value): &(&'static str, &str)| Label::new(*name, (*value).to_owned());
        // In the order of names, as `span_series` has sorted them, since `existing` compares the
        // list.
        let labels: Vec<Label> = series.labels.iter().map(label).collect();
        family.existing(&labels)
    }
}

impl OnExported for Exemplars {
    fn before(&self, spans: &[SpanData]) -> Box<dyn FnOnce(SystemTime)> {
        // Now, while the span has the values that its series has for labels.
        let candidates = self.candidates(spans);
        Box::new(move |now| candidates.keep(now))
    }
}

/// Exemplars of spans that are on their way.
#[derive(Debug)]
#[must_use = "they are kept only by `keep`"]
struct Candidates(Vec<(Arc<Buckets>, Exemplar)>);

impl Candidates {
    /// The spans have arrived.
    fn keep(self, now: SystemTime) {
        let Some(now) = millis(now) else { return };
        for (buckets, exemplar) in self.0 {
            buckets.keep(exemplar, now);
        }
    }
}

fn millis(time: SystemTime) -> Option<u64> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semconv::WIRE_BOUNDS_S;
    use metrics::HistogramFn as _;
    use opentelemetry::trace::{SpanId, TraceId};

    fn exemplar(id: u64, value: f64, millis: u64) -> Exemplar {
        Exemplar {
            trace: TraceId::from(u128::from(id)),
            span: SpanId::from(id),
            value,
            millis,
        }
    }

    /// The ids by bucket.
    fn kept(buckets: &Buckets) -> Vec<(usize, u64)> {
        let all = buckets.exemplars().into_iter().enumerate();
        let id = |exemplar: Exemplar| u64::from_be_bytes(exemplar.span.to_bytes());
        all.filter_map(|(bucket, kept)| Some((bucket, id(kept?))))
            .collect()
    }

    const NOW: u64 = 10_000;

    // As docs/reference/telemetry.md says.
    const _: () = assert!(size_of::<Option<Exemplar>>() <= 64);

    #[test]
    fn each_bucket_that_has_counted_keeps_one() {
        let buckets = Buckets::new(WIRE_BOUNDS_S);
        assert!(kept(&buckets).is_empty() && buckets.exemplars().is_empty());
        for value in [0.000_05, 0.000_06, 0.25, 7.0, -1.0] {
            buckets.record(value);
        }
        // At a bound, above it, above all, below all, in an empty one, and no number.
        for (id, value) in [(1, 0.000_05), (2, 0.000_1), (3, 0.25), (4, 1.01)] {
            buckets.keep(exemplar(id, value, 1), NOW);
        }
        for (id, value) in [(5, 0.3), (6, f64::NAN), (7, f64::INFINITY)] {
            buckets.keep(exemplar(id, value, 2), NOW);
        }
        assert_eq!(kept(&buckets), [(0, 1), (1, 2), (11, 3), (13, 4)]);
        buckets.keep(exemplar(8, -0.5, 3), NOW);
        assert_eq!(kept(&buckets)[0], (0, 8));
    }

    #[test]
    fn only_a_newer_one_takes_the_place() {
        let buckets = Buckets::new(WIRE_BOUNDS_S);
        buckets.record(0.5);
        for (id, millis, expected) in [(1, 5, 1), (2, 5, 1), (3, 4, 1), (4, 6, 4)] {
            buckets.keep(exemplar(id, 0.5, millis), NOW);
            assert_eq!(kept(&buckets), [(12, expected)]);
        }
    }

    #[test]
    fn one_from_the_future_is_not_kept_and_gives_way_once_the_clock_was_set_back() {
        let buckets = Buckets::new(WIRE_BOUNDS_S);
        buckets.record(0.5);
        buckets.keep(exemplar(1, 0.5, NOW + 1), NOW);
        assert!(kept(&buckets).is_empty());
        buckets.keep(exemplar(2, 0.5, NOW), NOW);
        let earlier = NOW / 2;
        buckets.keep(exemplar(3, 0.5, earlier), earlier);
        assert_eq!(kept(&buckets), [(12, 3)]);
    }
}
