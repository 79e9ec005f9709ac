//! Work on many items, several at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How much stack a thread has: the kdl crate needs some 25 KiB a level, and callers may have little.
const STACK_BYTES: usize = 16 << 20;

/// Does the work for each item on all processors, and returns the results in the order of the items.
pub fn for_each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let Some((position, item)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, items.get(at)?))) {
            done.push((position, work(item)));
        }
        done
    };
    let mut results: Vec<_> = std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, take);
        let threads: Vec<_> = (0..workers).filter_map(|number| spawn(number).ok()).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    // Where no thread could be had, this one does what is left.
    results.extend(take());
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(for_each(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(for_each(&[] as &[usize], |item| *item), [] as [usize; 0]);
    }
}
