//! What is counted, in the text form that Prometheus reads.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The upper ends of the classes into which the times of answers are sorted, in milliseconds.
const CLASSES_MS: [u64; 9] = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 30_000];

/// The counters of all routes.
#[derive(Debug, Default)]
pub struct Metrics {
    routes: Mutex<BTreeMap<String, Arc<RouteMetrics>>>,
}

/// The counters of one route.
#[derive(Debug, Default)]
pub struct RouteMetrics {
    /// Answers by the first digit of their status.
    answers: [AtomicU64; 6],
    classes: [AtomicU64; CLASSES_MS.len()],
    micros: AtomicU64,
}

impl RouteMetrics {
    /// An answer went out.
    pub fn note(&self, status: u16, took: Duration) {
        if let Some(answers) = self.answers.get(usize::from(status / 100)) {
            answers.fetch_add(1, Ordering::Relaxed);
        }
        let class = CLASSES_MS.iter().position(|end| took <= Duration::from_millis(*end));
        if let Some(count) = class.and_then(|class| self.classes.get(class)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Metrics {
    /// The counters of a route; the same ones each time.
    pub fn route(&self, name: &str) -> Arc<RouteMetrics> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(routes.entry(name.to_owned()).or_default())
    }

    /// Writes all counters down.
    pub fn write(&self, page: &mut Page) {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        page.head("keel_requests_total", "counter", "Answers by route and first digit of the status.");
        for (route, metrics) in routes.iter() {
            for (digit, count) in metrics.answers.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    page.line("keel_requests_total", &[("route", route), ("status", &format!("{digit}xx"))], count);
                }
            }
        }
        page.head("keel_request_seconds", "histogram", "How long answers took, held ones included.");
        for (route, metrics) in routes.iter() {
            let mut sum = 0;
            for (end, count) in CLASSES_MS.iter().zip(&metrics.classes) {
                sum += count.load(Ordering::Relaxed);
                page.line("keel_request_seconds_bucket", &[("route", route), ("le", &format!("{}", *end as f64 / 1000.0))], sum);
            }
            let all: u64 = metrics.answers.iter().map(|count| count.load(Ordering::Relaxed)).sum();
            page.line("keel_request_seconds_bucket", &[("route", route), ("le", "+Inf")], all);
            page.line("keel_request_seconds_sum", &[("route", route)], metrics.micros.load(Ordering::Relaxed) as f64 / 1e6);
            page.line("keel_request_seconds_count", &[("route", route)], all);
        }
    }
}

/// A page of figures.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
}

impl Page {
    /// Begins a figure.
    pub fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One value of a figure.
    pub fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{name}{labels} {value}");
    }

    /// A figure of a single value.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.line(name, &[], value);
    }

    /// The text.
    pub fn text(self) -> String {
        self.text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_sorted_by_status_and_time() {
        let metrics = Metrics::default();
        metrics.route("GET /v1/live").note(200, Duration::from_millis(3));
        metrics.route("GET /v1/live").note(503, Duration::from_secs(60));
        let mut page = Page::default();
        metrics.write(&mut page);
        let text = page.text();
        for line in [
            "keel_requests_total{route=\"GET /v1/live\",status=\"2xx\"} 1",
            "keel_requests_total{route=\"GET /v1/live\",status=\"5xx\"} 1",
            "keel_request_seconds_bucket{route=\"GET /v1/live\",le=\"0.001\"} 0",
            "keel_request_seconds_bucket{route=\"GET /v1/live\",le=\"0.005\"} 1",
            "keel_request_seconds_bucket{route=\"GET /v1/live\",le=\"30\"} 1",
            "keel_request_seconds_bucket{route=\"GET /v1/live\",le=\"+Inf\"} 2",
            "keel_request_seconds_sum{route=\"GET /v1/live\"} 60.003",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn labels_cannot_break_out() {
        let mut page = Page::default();
        page.line("x", &[("name", "a\"b\\c\nd")], 1);
        assert_eq!(page.text(), "x{name=\"a\\\"b\\\\c\\nd\"} 1\n");
    }
}
