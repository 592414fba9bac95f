//! Numbers for the crate `metrics`: they are set, not added to, so that they are right whenever they are read.

use std::time::Duration;

use metrics::{Label, counter, describe_counter, describe_gauge, gauge};

use super::{Histogram, names};

/// Where numbers go: to the recorder that is installed, with labels that all of them have.
pub(crate) struct Mirror {
    labels: Vec<Label>,
}

impl Mirror {
    pub(crate) fn new(described: &'static [names::Name], labels: &[(&str, &str)]) -> Self {
        for name in described {
            match name.kind {
                names::Kind::Counter => describe_counter!(name.name, name.help),
                names::Kind::Gauge => describe_gauge!(name.name, name.help),
            }
        }
        let labels = labels.iter().map(|(name, value)| label(name, value)).collect();
        Self { labels }
    }

    /// The same with one more label.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut labels = self.labels.clone();
        labels.push(label(name, value));
        Self { labels }
    }

    /// Sets a number that only grows.
    pub(crate) fn counter(&self, name: &'static str, value: u64) {
        counter!(name, self.labels.clone()).absolute(value);
    }

    pub(crate) fn gauge(&self, name: &'static str, value: f64) {
        gauge!(name, self.labels.clone()).set(value);
    }

    /// Sets the series of a Prometheus histogram one by one. A histogram of `metrics` takes single values, of which there may
    /// have been millions.
    pub(crate) fn histogram(&self, [bucket, sum, count]: [&'static str; 3], times: &Histogram) {
        for end in ends() {
            self.with("le", &end.as_secs_f64().to_string()).counter(bucket, times.count_below(end));
        }
        self.with("le", "+Inf").counter(bucket, times.count());
        self.gauge(sum, times.sum().as_secs_f64());
        self.counter(count, times.count());
    }
}

fn label(name: &str, value: &str) -> Label {
    Label::new(name.to_owned(), value.to_owned())
}

/// The ends of the buckets: those of steps, from 16 µs to 17 s.
fn ends() -> impl Iterator<Item = Duration> {
    (4..=24).map(|power| Duration::from_micros(1 << power))
}
