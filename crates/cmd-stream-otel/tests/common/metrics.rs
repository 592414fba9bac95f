//! Metrics, flattened.

use std::collections::BTreeMap;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics};

/// The values of an instrument with one set of attributes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Point {
    pub(crate) name: String,
    pub(crate) instrument: &'static str,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// How many values were recorded. Of a counter it is not known.
    pub(crate) count: Option<u64>,
    pub(crate) sum: f64,
    pub(crate) bounds: Vec<f64>,
    pub(crate) scope: (String, Option<String>),
}

/// What was exported last.
pub(crate) fn points(exported: &[ResourceMetrics]) -> Vec<Point> {
    let mut points = Vec::new();
    for scope in exported.last().into_iter().flat_map(ResourceMetrics::scope_metrics) {
        let of = scope.scope();
        for metric in scope.metrics() {
            let make = |instrument, attributes, count, sum, bounds| Point {
                name: metric.name().into(),
                instrument,
                unit: metric.unit().into(),
                description: metric.description().into(),
                attributes,
                count,
                sum,
                bounds,
                scope: (of.name().into(), of.version().map(Into::into)),
            };
            match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                    points.extend(sum.data_points().map(|point| {
                        make(
                            "counter<int64>",
                            set(point.attributes()),
                            None,
                            point.value() as f64,
                            Vec::new(),
                        )
                    }))
                }
                AggregatedMetrics::U64(MetricData::Histogram(histogram)) => {
                    points.extend(histogram.data_points().map(|point| {
                        let (count, sum) = (Some(point.count()), point.sum() as f64);
                        make(
                            "histogram<int64>",
                            set(point.attributes()),
                            count,
                            sum,
                            point.bounds().collect(),
                        )
                    }));
                }
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                    points.extend(histogram.data_points().map(|point| {
                        let (count, sum) = (Some(point.count()), point.sum());
                        make(
                            "histogram<float64>",
                            set(point.attributes()),
                            count,
                            sum,
                            point.bounds().collect(),
                        )
                    }));
                }
                other => panic!("{}: {other:?}", metric.name()),
            }
        }
    }
    points
}

fn set<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> BTreeMap<String, String> {
    attributes.map(|attribute| (attribute.key.to_string(), attribute.value.to_string())).collect()
}
