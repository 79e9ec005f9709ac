//! Listening for news while the server refuses: later and later, and at once when somebody wakes the listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;

use super::authority::Authority;
use super::fake::{Fake, Reply};
use crate::pull::home::Home;
use crate::pull::news;
use crate::pull::service::Event;
use crate::pull::settings::AgentSettings;

const PROBLEM: &str = r#"{"code":"unavailable","status":503,"detail":"not now","try":"later"}"#;

/// Less than the pause that the server asks for.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_listener_that_waits_for_the_server_can_be_woken() {
    let authority = Authority::new();
    let well = Arc::new(AtomicBool::new(false));
    let (is_well, answered) = (Arc::clone(&well), AtomicBool::new(false));
    let fake = Fake::start(authority.server(|_| {}), move |_| match is_well.load(Ordering::SeqCst) {
        false => Reply::Answer("503 Service Unavailable", "retry-after: 300\r\n".to_owned(), PROBLEM.as_bytes().to_vec()),
        true if answered.swap(true, Ordering::SeqCst) => Reply::Drip,
        true => Reply::Answer("200 OK", String::new(), br#"{"after":0,"news":[]}"#.to_vec()),
    });
    let root = tempfile::tempdir().unwrap();
    let home = Home::below(root.path()).unwrap();
    authority.admit(&home, "db-1", &fake.address.to_string());
    let settings = AgentSettings::load(&home).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let heard = async {
        let (wake, (events, mut heard)) = (Arc::new(Notify::new()), unbounded_channel());
        tokio::spawn(news::listen(home, settings, events, Arc::clone(&wake)));
        let first = heard.recv().await.unwrap();
        assert!(matches!(&first, Event::ServerAway(why) if why == "the server refused: not now"), "{first:?}");
        well.store(true, Ordering::SeqCst);
        loop {
            wake.notify_waiters();
            if let Ok(next) = tokio::time::timeout(Duration::from_millis(50), heard.recv()).await {
                break assert!(matches!(next, Some(Event::ServerBack)), "{next:?}");
            }
        }
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, heard).await.unwrap() });
}
