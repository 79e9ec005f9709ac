//! What systemd wants to hear: that the server is ready, that it still lives, that it stops.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that the server answers, and in one line where.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that the server stops.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says again and again that the server lives, if somebody wants to hear it. A runtime that is stuck does not get here.
pub async fn watchdog() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let mut interval = tokio::time::interval((patience / 2).max(Duration::from_millis(100)));
    loop {
        interval.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    if let Err(error) = sd_notify::notify(state) {
        crate::log::warning("systemd does not listen", &[("why", &error)]);
    }
}
