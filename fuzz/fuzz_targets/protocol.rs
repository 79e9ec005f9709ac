//! What agent and server say to each other, and what is read back from a disk: catalogs, reports and questions.
#![no_main]

use keel_engine::catalog::Catalog;
use keel_engine::protocol::enrolment::EnrolmentRequest;
use keel_engine::protocol::gates::{GatesAnswer, GatesRequest};
use keel_engine::protocol::news::{NewsAnswer, NewsRequest};
use keel_engine::protocol::reports::Delivery;
use keel_engine::protocol::secrets::SealedSecrets;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(catalog) = Catalog::from_bytes(bytes) {
        let written = catalog.to_bytes().expect("a catalog can be written");
        let again = Catalog::from_bytes(&written).expect("what was written can be read");
        assert_eq!(again.to_bytes().ok(), Some(written), "the same catalog has the same bytes");
        for resource in &catalog.resources {
            let _ = (catalog.place(resource.origin.clone()), catalog.schedule_of(resource).is_some());
            let _ = (catalog.modules_of(resource).count(), catalog.is_tagged(resource, "x"));
        }
    }
    if let Ok(delivery) = serde_json::from_slice::<Delivery>(bytes) {
        let written = serde_json::to_vec(&delivery).expect("a report can be written");
        let again = serde_json::from_slice::<Delivery>(&written).expect("what was written can be read");
        assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
    }
    let _ = serde_json::from_slice::<GatesRequest>(bytes);
    let _ = serde_json::from_slice::<GatesAnswer>(bytes);
    let _ = serde_json::from_slice::<NewsRequest>(bytes);
    let _ = serde_json::from_slice::<NewsAnswer>(bytes);
    let _ = serde_json::from_slice::<EnrolmentRequest>(bytes);
    let _ = serde_json::from_slice::<SealedSecrets>(bytes);
});
