//! Two things that are waited for at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Which of two came first.
pub enum First<A, B> {
    /// The one that is looked at first, also if both are there.
    One(A),
    /// The other.
    Other(B),
}

/// Waits for whichever comes first and gives up the other.
pub async fn race<A: Future, B: Future>(one: A, other: B) -> First<A::Output, B::Output> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if let Poll::Ready(result) = one.as_mut().poll(context) {
            return Poll::Ready(First::One(result));
        }
        other.as_mut().poll(context).map(First::Other)
    })
    .await
}
