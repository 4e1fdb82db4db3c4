//! Queues that take turns: whoever waits with much does not hold up whoever waits with little.
//!
//! Invariants: items of one key keep their order; keys are served one item each, in a circle; a key with nothing is not there.
//! Not here: what is queued (`admission`, `lanes`), how much may be queued (its owner says).

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use stdx::Id;

/// Who takes turns: a workflow in its space.
pub type Share = (Arc<str>, Id);

/// Queues by key, served in a circle.
#[derive(Debug)]
pub struct Turns<K, T> {
    queues: HashMap<K, VecDeque<T>>,
    order: VecDeque<K>,
    len: usize,
}

impl<K, T> Default for Turns<K, T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), order: VecDeque::new(), len: 0 }
    }
}

impl<K: Hash + Eq + Clone, T> Turns<K, T> {
    /// Queues an item behind those of its key.
    pub fn push(&mut self, key: K, item: T) {
        self.len += 1;
        if let Some(queue) = self.queues.get_mut(&key) {
            queue.push_back(item);
            return;
        }
        self.order.push_back(key.clone());
        self.queues.insert(key, VecDeque::from([item]));
    }

    /// Takes the next item; its key goes to the end of the circle.
    pub fn pop(&mut self) -> Option<T> {
        while let Some(key) = self.order.pop_front() {
            let Some(queue) = self.queues.get_mut(&key) else { continue };
            let item = queue.pop_front();
            if queue.is_empty() {
                self.queues.remove(&key);
            } else {
                self.order.push_back(key);
            }
            if item.is_some() {
                self.len -= 1;
                return item;
            }
        }
        None
    }

    /// Keeps what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.queues.retain(|_, queue| {
            queue.retain(&mut keep);
            !queue.is_empty()
        });
        self.order.retain(|key| self.queues.contains_key(key));
        self.len = self.queues.values().map(VecDeque::len).sum();
    }

    /// Items that wait.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True when nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_queue_does_not_hold_up_a_short_one() {
        let mut turns = Turns::default();
        for n in 0..1000 {
            turns.push("noisy", n);
        }
        turns.push("quiet", 5000);
        let first: Vec<i32> = (0..3).filter_map(|_| turns.pop()).collect();
        assert_eq!(first, [0, 5000, 1]);
        assert_eq!(turns.len(), 998);
    }

    #[test]
    fn what_is_not_kept_does_not_come() {
        let mut turns = Turns::default();
        turns.push("a", 1);
        turns.push("b", 2);
        turns.push("a", 3);
        turns.retain(|n| *n != 2);
        assert_eq!((turns.len(), turns.pop(), turns.pop(), turns.pop()), (2, Some(1), Some(3), None));
        turns.push("b", 4);
        assert_eq!((turns.pop(), turns.is_empty()), (Some(4), true));
    }
}
