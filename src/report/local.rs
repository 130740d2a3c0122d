//! The client of this process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::advice::{self, Advice, Recommendation, UxImprovement};
use super::client::{ClientFuture, PerformanceClient};
use super::config::PerformanceConfig;
use super::error::{
    ApplyOptimizationError, CreateSnapshotError, GenerateReportError, GetMetricError,
    GetMetricsError, GetOptimizationsError, RecordMetricError, StartProfilingError,
    StopProfilingError,
};
use super::facts::{CountsBefore, Facts, OperationFacts, VitalFact, WireFacts};
use super::id::new_id;
use super::metric::Metric;
use super::optimization::{self, Optimization, OptimizationInfo};
use super::performance_report::{PerformanceReport, ReportSummary};
use super::sampling::{SystemLook, cpu_percent, memory_bytes};
use super::snapshot::Snapshot;
use super::store::Store;
use super::ticker::Ticker;
use crate::clock::{Clock, Stamp};
use crate::instrument::caught_panic::catch_panic;
use crate::ipc::WeakIpc;
use crate::semconv::EVENT_CONFIGURATION_WARNING;
use crate::timer::{Kind, TotalsReader};

/// A client of this process, as the environment says; see
/// [`PerformanceConfig::from_env`]. Its hints are logged.
#[must_use]
pub fn create_performance_client() -> LocalPerformanceClient {
    create_performance_client_with_config(PerformanceConfig::from_env())
}

/// A client of this process with that configuration. The environment is not read.
#[must_use]
pub fn create_performance_client_with_config(config: PerformanceConfig) -> LocalPerformanceClient {
    for hint in config.hints() {
        tracing::warn!(name: EVENT_CONFIGURATION_WARNING, "{hint}");
    }
    LocalPerformanceClient(Arc::new(Inner::new(config)))
}

/// The client of this process; made by [`create_performance_client`].
///
/// Clones are handles to one client. A session ends with the last of them.
#[derive(Clone)]
pub struct LocalPerformanceClient(Arc<Inner>);

struct Inner {
    config: PerformanceConfig,
    clock: Clock,
    /// What had been counted when the client was made.
    born: CountsBefore,
    advice: Vec<Arc<dyn Advice>>,
    totals: TotalsReader,
    look: Mutex<SystemLook>,
    // Each part has its own lock, and none is held while code of the app runs. Where two are held,
    // `session` is taken before `store`.
    store: Mutex<Store>,
    session: Mutex<Option<Session>>,
    optimizations: Mutex<Optimizations>,
}

struct Session {
    since: Stamp,
    before: CountsBefore,
    ticker: Ticker,
}

#[derive(Default)]
struct Optimizations {
    /// Those that were ever offered, since they know how to undo what they did.
    known: BTreeMap<String, Arc<dyn Optimization>>,
    applied: BTreeSet<String>,
    /// Undone by the app, so not applied by itself again.
    undone: BTreeSet<String>,
}

impl Inner {
    fn new(config: PerformanceConfig) -> Self {
        // The clock in force when the client is made, so that a test's clock stays with it on other
        // threads.
        let clock = Clock::current();
        let totals = TotalsReader::new();
        let mut advice = advice::built_in();
        advice.extend(config.advice.iter().cloned());
        Self {
            // What was counted before this moment is in no report of this client.
            born: counts(clock.now(), &totals, &config.wires),
            clock,
            advice,
            totals,
            look: Mutex::new(SystemLook::start()),
            store: Mutex::new(Store::new(config.retention)),
            session: Mutex::new(None),
            optimizations: Mutex::default(),
            config,
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    fn record(&self, metric: Metric) -> Result<(), RecordMetricError> {
        metric.check()?;
        // The recorder gets it also where the client keeps none.
        metric.publish();
        if self.config.metrics {
            self.store().add_metric(metric, self.clock.now());
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Snapshot, CreateSnapshotError> {
        // The app's sources run without a lock.
        let given = self.given_metrics();
        let look = lock(&self.look).take();
        let look = look.ok_or(CreateSnapshotError::NotSampled)?;
        let (now, timestamp) = self.clock.now_and_wall();
        // The look above may take some milliseconds, so it is done before this lock.
        let mut store = self.store();
        let mut metrics = store.last_metrics(now);
        metrics.extend(given);
        let snapshot = Snapshot {
            id: new_id(),
            timestamp,
            metrics,
            memory_usage: memory_bytes(&look),
            cpu_usage: cpu_percent(&look),
        };
        store.add_snapshot(snapshot.clone(), now);
        // The wires have locks of their own, which are not taken within this one.
        drop(store);
        let counts = self.counts(now);
        self.store().add_counts(counts);
        if self.config.auto_optimize && self.config.optimizations {
            self.optimize();
        }
        Ok(snapshot)
    }

    /// What the app's sources have. It is handed on to the recorder, too.
    fn given_metrics(&self) -> Vec<Metric> {
        if !self.config.metrics {
            return Vec::new();
        }
        let sources = self.config.sources.iter();
        let mut given: Vec<Metric> = sources
            .flat_map(|source| catch_panic(|| source.collect()).unwrap_or_default())
            .filter(|metric| metric.check().is_ok())
            // Snapshots are kept by the hundred, so one source may not fill them without a bound.
            .take(GIVEN_MAX)
            .collect();
        given.iter_mut().for_each(|metric| metric.publish());
        given
    }

    fn counts(&self, now: Stamp) -> CountsBefore {
        counts(now, &self.totals, &self.config.wires)
    }

    /// What had been counted at that time, or closest to it.
    fn counts_near(&self, at: Stamp) -> CountsBefore {
        let store = self.store();
        let near = store.counts_near(at);
        let distance = |of: &CountsBefore| of.at.since(at).max(at.since(of.at));
        // The client's own beginning is as good a point as a snapshot, and may be closer.
        let near = near.filter(|near| distance(near) < distance(&self.born));
        near.unwrap_or(&self.born).clone()
    }

    /// What is known of the time since then; `before` is what had been counted when it began.
    fn facts(&self, since: Stamp, before: &CountsBefore) -> Facts {
        let known_for = self.clock.now().since(self.born.at);
        let (mut wires, mut vitals) = (Vec::new(), Vec::new());
        // Strong handles only within this loop: the app may drop its webview at any time.
        for ipc in self.config.wires.iter().filter_map(WeakIpc::upgrade) {
            wires.push(WireFacts::of(&ipc, known_for, before));
            vitals.extend(
                ipc.last_vitals()
                    .into_iter()
                    .map(|(name, seconds)| VitalFact {
                        webview: ipc.name().to_owned(),
                        name,
                        seconds,
                    }),
            );
        }
        let operations = self.totals.totals(Kind::Operation);
        let operations = operations.since(before.operations);
        Facts {
            snapshots: self.store().snapshots_since(since),
            operations: OperationFacts {
                count: operations.count,
                failed: operations.failed,
                duration: operations.duration,
            },
            wires,
            vitals,
        }
    }

    /// Everything since the client was made.
    fn all_facts(&self) -> Facts {
        self.facts(Stamp::NONE, &self.born)
    }

    fn report(
        &self,
        name: &str,
        since: Stamp,
        before: &CountsBefore,
        duration: Duration,
    ) -> Result<PerformanceReport, CreateSnapshotError> {
        // A report has a state of now, also where no session takes snapshots.
        self.snapshot()?;
        let facts = self.facts(since, before);
        let counted_over = self.clock.now().since(before.at);
        let rules = self.advice.iter();
        let mut recommendations: Vec<Recommendation> = rules
            // A rule is the app's code: one that panics says nothing, and the others still do.
            .flat_map(|rule| catch_panic(|| rule.assess(&facts)).unwrap_or_default())
            .collect();
        recommendations.sort_by_key(|of| std::cmp::Reverse(of.severity));
        let optimizations = if self.config.optimizations {
            self.offered(&facts)
        } else {
            Vec::new()
        };
        Ok(PerformanceReport {
            id: new_id(),
            name: name.to_owned(),
            duration,
            summary: ReportSummary::of(&facts, counted_over, self.store().dropped()),
            optimizations,
            recommendations,
            snapshots: facts.snapshots,
        })
    }

    /// Applies what something speaks for, as far as nothing is lost by it.
    fn optimize(&self) {
        let facts = self.all_facts();
        for offered in self.offered(&facts) {
            let undone = lock(&self.optimizations).undone.contains(&offered.id);
            if offered.evidence.is_some() && offered.is_lossless && !undone {
                // What cannot be applied now may be at the next snapshot.
                let _ = self.apply(&offered.id);
            }
        }
    }

    /// All that can be optimised now.
    fn available(&self) -> Vec<Arc<dyn Optimization>> {
        let mut found = self.config.own_optimizations.clone();
        #[cfg(feature = "otlp")]
        found.extend(
            self.config
                .sampling_rate
                .as_ref()
                .map(optimization::of_sampling),
        );
        found.extend(optimization::of_wires(&self.config.wires));
        let known = lock(&self.optimizations).known.clone();
        // The app's code runs on a copy of the list, not under the lock.
        let (gone, mut all): (Vec<_>, Vec<_>) = known.into_iter().partition(|(_, of)| {
            // One that cannot even say so is gone.
            catch_panic(|| of.is_gone()).unwrap_or(true)
        });
        for of in found {
            let id = catch_panic(|| of.id().to_owned());
            if let Ok(id) = id
                // The known one wins: it remembers which value to put back.
                && !all.iter().any(|(known, _)| *known == id)
            {
                all.push((id, of));
            }
        }
        let mut optimizations = lock(&self.optimizations);
        for (id, _) in gone {
            optimizations.known.remove(&id);
            optimizations.applied.remove(&id);
            optimizations.undone.remove(&id);
        }
        for (id, of) in &all {
            // Another thread may have been here: the first one knows what it changed.
            let known = optimizations.known.entry(id.clone());
            known.or_insert_with(|| Arc::clone(of));
        }
        optimizations.known.values().cloned().collect()
    }

    fn offered(&self, facts: &Facts) -> Vec<OptimizationInfo> {
        let all = self.available();
        let applied = lock(&self.optimizations).applied.clone();
        let describe = |of: Arc<dyn Optimization>| OptimizationInfo {
            id: of.id().to_owned(),
            title: of.title().to_owned(),
            setting: of.setting(),
            evidence: of.evidence(facts),
            is_lossless: of.is_lossless(),
            is_applied: applied.contains(of.id()),
        };
        all.into_iter()
            .filter_map(|of| catch_panic(|| describe(of)).ok())
            .collect()
    }

    fn find(&self, id: &str) -> Result<Arc<dyn Optimization>, ApplyOptimizationError> {
        if !self.config.optimizations {
            return Err(ApplyOptimizationError::Off);
        }
        // An id may be of a wire's event that was emitted since the last call.
        self.available();
        let known = lock(&self.optimizations).known.get(id).cloned();
        known.ok_or(ApplyOptimizationError::NotFound)
    }

    fn apply(&self, id: &str) -> Result<bool, ApplyOptimizationError> {
        let found = self.find(id)?;
        // Noted before it is done, so that two callers do not both do it.
        if !lock(&self.optimizations).applied.insert(id.to_owned()) {
            return Ok(false);
        }
        // Without the lock: this is the app's code, and it may ask the client for something.
        let changed = catch_panic(|| found.apply());
        let mut optimizations = lock(&self.optimizations);
        match changed {
            Ok(true) => {
                optimizations.undone.remove(id);
                Ok(true)
            }
            Ok(false) => {
                // The setting had that value already, so there is nothing to undo later.
                optimizations.applied.remove(id);
                Ok(false)
            }
            Err(_) => {
                optimizations.applied.remove(id);
                Err(ApplyOptimizationError::Panicked)
            }
        }
    }

    fn undo(&self, id: &str) -> Result<bool, ApplyOptimizationError> {
        let found = self.find(id)?;
        let mut optimizations = lock(&self.optimizations);
        if !optimizations.applied.remove(id) {
            return Ok(false);
        }
        // Noted before it is undone, so that a snapshot on another thread does not apply it again.
        optimizations.undone.insert(id.to_owned());
        drop(optimizations);
        catch_panic(|| found.undo()).map_err(|_| ApplyOptimizationError::Panicked)
    }
}

impl LocalPerformanceClient {
    fn start(&self) -> Result<(), StartProfilingError> {
        let inner = &self.0;
        if !inner.config.profiling {
            return Err(StartProfilingError::Off);
        }
        // Sources of the app run in the first snapshot, so before the lock.
        if lock(&inner.session).is_some() {
            return Err(StartProfilingError::AlreadyProfiling);
        }
        let since = inner.clock.now();
        inner.snapshot()?;
        let mut session = lock(&inner.session);
        // Another caller may have started one during the snapshot.
        if session.is_some() {
            return Err(StartProfilingError::AlreadyProfiling);
        }
        // A strong handle on the thread would keep the client, and so its session, alive for ever.
        let weak = Arc::downgrade(inner);
        let tick = move || match weak.upgrade() {
            Some(inner) => {
                // One that fails leaves a gap, which the report shows by its count.
                let _ = inner.snapshot();
                true
            }
            None => false,
        };
        let ticker = Ticker::start(inner.config.profile_interval, tick)
            .map_err(StartProfilingError::NoThread)?;
        let before = inner.counts_near(since);
        *session = Some(Session {
            since,
            before,
            ticker,
        });
        Ok(())
    }

    fn stop(&self) -> Result<PerformanceReport, StopProfilingError> {
        let session = lock(&self.0.session).take();
        let session = session.ok_or(StopProfilingError::NotProfiling)?;
        let (since, before) = (session.since, session.before);
        // The ticks end first, so that none adds a snapshot after the report. The caller holds no
        // lock here: the drop may wait for a tick.
        drop(session.ticker);
        let duration = self.0.clock.now().since(since);
        Ok(self.0.report(SESSION, since, &before, duration)?)
    }
}

impl PerformanceClient for LocalPerformanceClient {
    fn create_snapshot(&self) -> ClientFuture<'_, Result<Snapshot, CreateSnapshotError>> {
        // Nothing here awaits, so the future is done at its first poll and needs no runtime.
        Box::pin(async { self.0.snapshot() })
    }

    fn record_metric(&self, metric: Metric) -> ClientFuture<'_, Result<(), RecordMetricError>> {
        Box::pin(async { self.0.record(metric) })
    }

    fn get_metrics(&self) -> ClientFuture<'_, Result<Vec<Metric>, GetMetricsError>> {
        Box::pin(async {
            if !self.0.config.metrics {
                return Err(GetMetricsError::Off);
            }
            Ok(self.0.store().metrics(self.0.clock.now()))
        })
    }

    fn get_metric<'a>(&'a self, id: &'a str) -> ClientFuture<'a, Result<Metric, GetMetricError>> {
        Box::pin(async move {
            if !self.0.config.metrics {
                return Err(GetMetricError::Off);
            }
            let found = self.0.store().metric(id, self.0.clock.now());
            found.ok_or(GetMetricError::NotFound)
        })
    }

    fn generate_report<'a>(
        &'a self,
        name: &'a str,
        duration: Duration,
    ) -> ClientFuture<'a, Result<PerformanceReport, GenerateReportError>> {
        Box::pin(async move {
            let since = self.0.clock.now().minus(duration);
            let before = self.0.counts_near(since);
            Ok(self.0.report(name, since, &before, duration)?)
        })
    }

    fn start_profiling(&self) -> ClientFuture<'_, Result<(), StartProfilingError>> {
        Box::pin(async { self.start() })
    }

    fn stop_profiling(&self) -> ClientFuture<'_, Result<PerformanceReport, StopProfilingError>> {
        Box::pin(async { self.stop() })
    }

    fn get_optimizations(
        &self,
    ) -> ClientFuture<'_, Result<Vec<OptimizationInfo>, GetOptimizationsError>> {
        Box::pin(async {
            if !self.0.config.optimizations {
                return Err(GetOptimizationsError::Off);
            }
            Ok(self.0.offered(&self.0.all_facts()))
        })
    }

    fn apply_optimization<'a>(
        &'a self,
        id: &'a str,
    ) -> ClientFuture<'a, Result<bool, ApplyOptimizationError>> {
        Box::pin(async move { self.0.apply(id) })
    }

    fn undo_optimization<'a>(
        &'a self,
        id: &'a str,
    ) -> ClientFuture<'a, Result<bool, ApplyOptimizationError>> {
        Box::pin(async move { self.0.undo(id) })
    }

    fn get_ux_improvements(&self) -> ClientFuture<'_, Vec<UxImprovement>> {
        Box::pin(async { advice::improvements(&self.0.all_facts().vitals) })
    }
}

impl fmt::Debug for LocalPerformanceClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPerformanceClient")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

fn counts(now: Stamp, totals: &TotalsReader, wires: &[WeakIpc]) -> CountsBefore {
    let wires = wires.iter().filter_map(WeakIpc::upgrade);
    CountsBefore {
        at: now,
        operations: totals.totals(Kind::Operation),
        wires: wires
            .map(|ipc| (ipc.name().to_owned(), ipc.metrics()))
            .collect(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a session's report.
const SESSION: &str = "profiling session";
/// Metrics that the app's sources may add to one snapshot.
const GIVEN_MAX: usize = 1_000;
