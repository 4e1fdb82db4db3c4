//! Collections with a named limit.
//!
//! Invariants: never holds more than its limit; says so instead of growing.

use std::collections::VecDeque;

/// A first-in first-out queue that refuses what does not fit.
#[derive(Clone, Debug)]
pub struct BoundedQueue<T> {
    items: VecDeque<T>,
    max: usize,
}

impl<T> BoundedQueue<T> {
    /// Holds at most `max` items.
    pub const fn new(max: usize) -> Self {
        Self { items: VecDeque::new(), max }
    }
    /// Appends; gives the item back when full.
    pub fn push(&mut self, item: T) -> Result<(), T> {
        if self.items.len() >= self.max {
            return Err(item);
        }
        self.items.push_back(item);
        Ok(())
    }
    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop_front()
    }
    /// Number of items.
    pub fn len(&self) -> usize {
        self.items.len()
    }
    /// True when empty.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
    /// How many more fit.
    pub fn room(&self) -> usize {
        self.max - self.items.len()
    }
}

/// The text cut to at most `bytes_max` bytes at a character boundary, with `…` when something was cut.
pub fn truncate(text: &str, bytes_max: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= bytes_max {
        return text.into();
    }
    let mut end = bytes_max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_beyond_the_limit() {
        let mut q = BoundedQueue::new(1);
        assert!(q.push(1).is_ok());
        assert_eq!(q.push(2), Err(2));
        assert_eq!(truncate("aää", 4), "a…");
        assert_eq!(truncate("abc", 3), "abc");
    }
}
