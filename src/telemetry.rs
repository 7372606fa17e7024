//! Logs and metrics for operators.

use std::io::IsTerminal;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log filter {filter:?} is invalid: {source}. Use one such as info or driftless=debug,info")]
    Filter {
        filter: String,
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    #[error("logging cannot be started: {0}")]
    Init(#[from] TryInitError),
}

/// Starts logging to standard error, once per process: lines for people on a terminal, else a JSON object each.
///
/// `filter` is in the syntax of `RUST_LOG`, such as `driftless=debug,info`.
pub fn init_logs(filter: &str) -> Result<(), TelemetryError> {
    let filter = log_filter(filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        registry.with(layer.compact()).try_init()?;
    } else {
        registry.with(layer.json().flatten_event(true).with_ansi(false)).try_init()?;
    }
    Ok(())
}

/// The Kubernetes library logs each answer of 500 or above as an error, also where the request is made again. What
/// becomes of it is logged by who has made it, with the cluster and the object.
const KUBE_CLIENT: &str = "kube_client";

fn log_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    let quiet = if filter.contains(KUBE_CLIENT) { String::new() } else { format!("{KUBE_CLIENT}=off,") };
    EnvFilter::try_new(format!("{quiet}{filter}"))
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    kind: &'static str,
    outcome: JobOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReportLabels {
    forge: String,
    state: &'static str,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobOutcome {
    Done,
    Failed,
    Retried,
    Cancelled,
}

impl JobOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Retried => "retried",
            Self::Cancelled => "cancelled",
        }
    }
}

impl EncodeLabelValue for JobOutcome {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder) -> Result<(), std::fmt::Error> {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}

/// What the queue holds at the moment of a scrape.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueueGauges {
    pub pending: i64,
    pub running: i64,
    pub failed: i64,
    /// How long the job that has been due for longest has been waiting.
    pub oldest_due_seconds: f64,
}

#[derive(Clone)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0])
    }
}

/// All counters of the process. Other areas register theirs with [`Metrics::with_registry`].
pub struct Metrics {
    registry: std::sync::Mutex<Registry>,
    deliveries: Family<DeliveryLabels, Counter>,
    jobs: Family<JobLabels, Counter>,
    durations: Family<KindLabels, Histogram, Durations>,
    queue: Family<StateLabels, Gauge>,
    oldest_due: Gauge<f64, AtomicU64>,
    apps: Family<StateLabels, Gauge>,
    reports: Family<ReportLabels, Gauge>,
    failing: Family<KindLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("driftless");
        let deliveries = Family::default();
        registry.register("deliveries", "Webhook deliveries by outcome", deliveries.clone());
        let jobs = Family::default();
        registry.register("job_runs", "Job runs by kind and outcome", jobs.clone());
        let durations = Family::new_with_constructor(Durations);
        registry.register("job_run_seconds", "Duration of job runs", durations.clone());
        let queue = Family::default();
        registry.register("queue_jobs", "Jobs in the queue by state", queue.clone());
        let oldest_due = Gauge::default();
        registry.register("queue_oldest_due_seconds", "Wait of the oldest due job", oldest_due.clone());
        let apps = Family::default();
        registry.register("apps", "Apps by state, as `driftless apps` shows it", apps.clone());
        let reports = Family::default();
        registry.register(
            "reports",
            "Comments and statuses that wait to be sent, and those of them that a limit holds back",
            reports.clone(),
        );
        let failing = Family::default();
        registry.register(
            "jobs_failing",
            "Failing jobs, by kind: retried soon, or at the next resync",
            failing.clone(),
        );
        Self {
            registry: std::sync::Mutex::new(registry),
            deliveries,
            jobs,
            durations,
            queue,
            oldest_due,
            apps,
            reports,
            failing,
        }
    }
}

impl Metrics {
    /// Lets another area add its own metrics; their names get the prefix `driftless_`.
    pub fn with_registry<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// `outcome` is one of a few fixed words, never text of a sender.
    pub fn delivery(&self, outcome: &'static str) {
        self.deliveries.get_or_create(&DeliveryLabels { outcome }).inc();
    }

    pub fn job_ended(&self, kind: &'static str, outcome: JobOutcome, took: Duration) {
        self.jobs.get_or_create(&JobLabels { kind, outcome }).inc();
        self.durations.get_or_create(&KindLabels { kind }).observe(took.as_secs_f64());
    }

    pub fn set_queue(&self, gauges: QueueGauges) {
        for (state, value) in [("pending", gauges.pending), ("running", gauges.running), ("failed", gauges.failed)] {
            self.queue.get_or_create(&StateLabels { state }).set(value);
        }
        self.oldest_due.set(gauges.oldest_due_seconds);
    }

    /// How many apps are in each state. What is not given keeps its number.
    pub fn set_apps(&self, counts: impl IntoIterator<Item = (&'static str, i64)>) {
        for (state, value) in counts {
            self.apps.get_or_create(&StateLabels { state }).set(value);
        }
    }

    /// How many jobs of each kind fail. What is not given keeps its number.
    pub fn set_failing(&self, counts: impl IntoIterator<Item = (&'static str, i64)>) {
        for (kind, value) in counts {
            self.failing.get_or_create(&KindLabels { kind }).set(value);
        }
    }

    /// What one forge has yet to be told: all that is due, and how much of it the forge's limit on comments holds back.
    pub fn set_reports(&self, forge: &str, due: i64, held: i64) {
        for (state, value) in [("due", due), ("held", held)] {
            self.reports.get_or_create(&ReportLabels { forge: forge.to_owned(), state }).set(value);
        }
    }

    /// All metrics in the text form that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.with_registry(|registry| text::encode(&mut text, registry));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubernetes_library_logs_nothing_unless_it_is_named() {
        let logs = |filter: &str| {
            let subscriber = tracing_subscriber::registry().with(log_filter(filter).expect("a filter"));
            tracing::subscriber::with_default(subscriber, || {
                [
                    tracing::enabled!(target: "kube_client::client::builder", tracing::Level::ERROR),
                    tracing::enabled!(target: "driftless", tracing::Level::ERROR),
                ]
            })
        };
        assert_eq!([logs("info"), logs("driftless=warn"), logs("off")], [[false, true], [false, true], [false, false]]);
        assert_eq!([logs("kube_client=error"), logs("info,kube_client=debug")], [[true, false], [true, true]]);
        assert!(log_filter("driftless=loud").expect_err("no level").to_string().contains(r#""driftless=loud" is"#));
    }

    #[test]
    fn metrics_are_rendered() {
        let metrics = Metrics::default();
        metrics.delivery("accepted");
        metrics.job_ended("push", JobOutcome::Done, Duration::from_millis(20));
        metrics.set_apps([("synced", 4), ("failed", 1)]);
        metrics.set_queue(QueueGauges { pending: 3, running: 1, failed: 0, oldest_due_seconds: 1.5 });
        metrics.set_reports("github", 3, 2);
        metrics.set_failing([("push", 0), ("sync", 2)]);
        // A family keeps its members in no order.
        let text = metrics.render();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
