//! The news: a request that the server holds between runs, until there is something to say.

use std::sync::Arc;
use std::time::Duration;

use keel_engine::protocol::environment::short_commit;
use keel_engine::protocol::news::{NEWS_PATH, News, NewsAnswer, WAIT_S_MAX};
use reqwest::Method;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::home::Home;
use super::node::Node;
use super::server::client;
use super::service::Event;
use super::settings::AgentSettings;
use crate::client::{Client, Fault, Limits};
use crate::state::{read_if_there, replace};

const FILE: &str = "news";
/// How much longer than it is held an answer may take.
const MARGIN: Duration = Duration::from_secs(30);
/// From one try to the next while the server is away: at first, and at most. Spread, the longest is a minute, so
/// that after an outage of any length news arrive a minute later at the latest.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// The number of the last news that was heard, so that a host which starts again does not hear it again.
struct Heard<'a> {
    home: &'a Home,
    number: u64,
}

impl<'a> Heard<'a> {
    fn load(home: &'a Home) -> Self {
        let text = read_if_there(&home.kept.join(FILE)).ok().flatten();
        let number = text.and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
        Self { home, number: number.unwrap_or_default() }
    }

    fn keep(&mut self, number: u64) {
        if self.number != number {
            self.number = number;
            // If this cannot be written, news may be heard twice, which costs a run.
            let _ = replace(&self.home.kept.join(FILE), format!("{number}\n").as_bytes());
        }
    }
}

/// Listens for as long as anybody hears. While the server is away it is tried later and later, and at once when
/// somebody wakes the listener.
pub async fn listen(home: Home, settings: AgentSettings, events: UnboundedSender<Event>, wake: Arc<Notify>) {
    let mut heard = Heard::load(&home);
    let mut failures = 0;
    let mut demands_after = 0;
    loop {
        // The certificate is another one after a renewal, so each try begins with what is on disk.
        let client = Node::load(&home).map_err(|error| error.message).and_then(|node| client(&home, &settings, &node));
        let fault = match client {
            Ok(client) => hear(&client, &mut heard, (&mut failures, &mut demands_after), &events).await,
            Err(why) => Some(Fault::Away(why)),
        };
        let Some(fault) = fault else { return };
        if failures == 0 && events.send(Event::ServerAway(fault.to_string())).is_err() {
            return;
        }
        let asked = match &fault {
            Fault::Refused { retry: Some(retry), .. } => (*retry).min(RETRY_MAX),
            _ => Duration::ZERO,
        };
        let pause = spread(pause_after(failures).max(asked));
        failures += 1;
        let _ = tokio::time::timeout(pause, wake.notified()).await;
    }
}

/// Asks again and again, until it fails; none if nobody listens any more.
async fn hear(
    client: &Client,
    heard: &mut Heard<'_>,
    (failures, demands_after): (&mut u32, &mut u64),
    events: &UnboundedSender<Event>,
) -> Option<Fault> {
    loop {
        let after = heard.number;
        let mut path = format!("{NEWS_PATH}?after={after}&wait_s={}", if *failures > 0 { 0 } else { WAIT_S_MAX });
        if *demands_after > 0 {
            // An older server knows nothing of them, and gave none.
            path.push_str(&format!("&demands_after={demands_after}"));
        }
        let limits = Limits { deadline: Duration::from_secs(WAIT_S_MAX) + MARGIN, ..Limits::SMALL };
        match client.send_for_json::<NewsAnswer>(client.request(Method::GET, &path), limits).await {
            Ok(answer) => {
                if std::mem::take(failures) > 0 && events.send(Event::ServerBack).is_err() {
                    return None;
                }
                if !answer.news.is_empty() && events.send(Event::News(answer.news)).is_err() {
                    return None;
                }
                *demands_after = answer.demands.iter().map(|demand| demand.number).fold(*demands_after, u64::max);
                if !answer.demands.is_empty() && events.send(Event::Demands(answer.demands)).is_err() {
                    return None;
                }
                heard.keep(answer.after);
            }
            Err(fault) => return Some(fault),
        }
    }
}

/// How long to wait after so many failures in a row and one more.
fn pause_after(failures: u32) -> Duration {
    RETRY_MIN.saturating_mul(2_u32.saturating_pow(failures)).min(RETRY_MAX)
}

/// A pause between one and two times as long, so that the hosts of a site do not come back all at once.
fn spread(pause: Duration) -> Duration {
    let mut byte = [0; 1];
    let _ = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
    pause + pause.mul_f64(f64::from(byte[0]) / 256.0)
}

/// A few words about news, for the log.
pub fn in_words(news: &[News]) -> String {
    let words = news.iter().map(|one| match one {
        News::Catalog { commit } => format!("a new catalog (commit {})", short_commit(commit)),
        News::Gate { host, target } => format!("{host}: {target} is ready"),
        News::Lease { guard } => format!("the lease of guard {guard} may be had"),
        News::Run { by } => format!("{by} asks for a run"),
        News::Inquiry => "somebody asks what a commit would change".to_owned(),
        News::Other => "something".to_owned(),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_long_the_server_was_away_it_is_asked_again_within_a_minute() {
        assert_eq!([0, 1, 2].map(pause_after), [1, 2, 4].map(Duration::from_secs));
        for failures in 0..100 {
            let pause = spread(pause_after(failures));
            assert!(pause >= RETRY_MIN && pause <= Duration::from_secs(60), "{failures}: {pause:?}");
        }
    }

    #[test]
    fn what_was_heard_is_known_after_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::below(root.path()).unwrap();
        home.make_folders().unwrap();
        assert_eq!(Heard::load(&home).number, 0);
        Heard::load(&home).keep(7);
        assert_eq!(Heard::load(&home).number, 7);
        std::fs::write(home.kept.join(FILE), "torn\0").unwrap();
        assert_eq!(Heard::load(&home).number, 0);
    }
}
