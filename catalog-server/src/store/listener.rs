//! Wake-ups from other servers that share the PostgreSQL database.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::task::JoinHandle;

use super::board::{Board, Topic};

/// The channel that all servers of a database listen to.
pub(super) const CHANNEL: &str = "keel";

/// How long to wait before the database is asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens for ever. Whenever the connection was lost, everybody is woken, for nobody knows what was missed.
pub(super) fn start(url: String, board: Arc<Board>) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let _ = listen(&url, &board).await;
            tokio::time::sleep(PAUSE).await;
        }
    })
}

async fn listen(url: &str, board: &Board) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    board.wake_all();
    while let Some(notification) = listener.try_recv().await? {
        if let Some(topic) = Topic::from_line(notification.payload()) {
            board.wake(&topic);
        }
    }
    Ok(())
}
