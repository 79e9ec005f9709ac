//! Reports as agents deliver them, and what of them an operator finds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::Client;

/// A quiet report of a host, of a catalog that nobody knows.
pub fn delivery(host: &str, sequence: u64) -> Value {
    let totals = json!({
        "resources": 1, "unchanged": 1, "changed": 0, "failed": 0, "skipped": 0, "waiting": 0, "would_change": 0, "unknown": 0, "refreshed": 0
    });
    json!({
        "id": format!("{host}-report-{sequence}"),
        "series": "series-1",
        "sequence": sequence,
        "trigger": { "kind": "interval" },
        "interval_s": 1800,
        "report": {
            "format_version": "1.0", "run": format!("run-{sequence}"), "host": host, "site": "s", "catalog": "0".repeat(64), "mode": "apply",
            "started_ms": 1_700_000_000_000_u64, "duration_ms": 5, "resources": [], "totals": totals, "owed": [], "released": [], "warnings": []
        }
    })
}

/// A host's reports sent one after the other, each until it is acknowledged, until `over`; returns the ids
/// of those that were. `connect` says where the server is now.
///
/// # Panics
/// A report is refused in any other way than with "not now".
pub fn deliver_until(over: &AtomicBool, host: &str, connect: impl Fn() -> Client) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !over.load(Ordering::Relaxed) {
        match connect().post("/v1/reports", &delivery(host, acknowledged.len() as u64 + 1)) {
            Ok(answer) if answer.status == 200 => acknowledged.push(answer.json()["id"].as_str().unwrap().to_owned()),
            Ok(answer) => {
                assert!(matches!(answer.code().as_str(), "too-many-requests" | "unavailable"), "{}", answer.text());
                assert!(answer.headers.contains_key("retry-after"), "who is sent away is told for how long");
                std::thread::sleep(Duration::from_millis(50));
            }
            // Cut off in the middle: nobody knows whether it was kept, so it is sent again.
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    acknowledged
}

/// The ids of all reports of a host, page by page.
///
/// # Panics
/// The operator is not answered.
pub fn reports_of(operator: &Client, host: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = format!("/operator/v1/reports?host={host}&limit=1000");
    loop {
        let page = operator.get(&path).unwrap().json();
        ids.extend(page["reports"].as_array().unwrap().iter().map(|report| report["id"].as_str().unwrap().to_owned()));
        let Some(before) = page["before"].as_u64() else { return ids };
        path = format!("/operator/v1/reports?host={host}&limit=1000&before={before}");
    }
}

/// Compares what was acknowledged with what an operator finds: nothing is lost, nothing is there twice.
///
/// # Panics
/// Something is.
pub fn assert_all_kept_once(operator: &Client, host: &str, acknowledged: &[String]) {
    let mut kept = reports_of(operator, host);
    kept.sort();
    let count = kept.len();
    kept.dedup();
    assert_eq!(kept.len(), count, "{host}: a report is there twice");
    let lost: Vec<&String> = acknowledged.iter().filter(|id| kept.binary_search(id).is_err()).collect();
    assert!(lost.is_empty() && !acknowledged.is_empty(), "{host}: acknowledged and lost: {lost:?}");
}
