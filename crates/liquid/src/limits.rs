//! What one render may use: memory units, operations, output.
//!
//! Invariants: every filter and every node pays before it works; a spent budget is an error, never a stop without a word.

use crate::{Error, ErrorKind, Options};

/// Output of one render including captures; a template cannot print more, whatever its other limits.
pub(crate) const OUTPUT_BYTES_MAX: usize = 64 << 20;

/// So many memory units cost one more operation, since touching memory takes time.
const UNITS_PER_OPERATION: usize = 64;

/// The budgets left.
#[derive(Debug)]
pub(crate) struct Limits {
    memory: u64,
    operations: u64,
    output: usize,
}

impl Limits {
    pub(crate) fn new(opts: &Options) -> Self {
        Self { memory: opts.memory_limit, operations: opts.render_limit, output: OUTPUT_BYTES_MAX }
    }
    /// Pays `units` of memory (characters or elements).
    pub(crate) fn memory(&mut self, units: usize) -> Result<(), Error> {
        self.memory = self.memory.checked_sub(units as u64).ok_or_else(memory_error)?;
        self.operations(1 + units / UNITS_PER_OPERATION)
    }
    /// Pays `count` operations.
    pub(crate) fn operations(&mut self, count: usize) -> Result<(), Error> {
        self.operations = self
            .operations
            .checked_sub(count as u64)
            .ok_or_else(|| Error::new(ErrorKind::RenderLimit, "template render limit exceeded"))?;
        Ok(())
    }
    /// Pays `bytes` of output.
    pub(crate) fn output(&mut self, bytes: usize) -> Result<(), Error> {
        self.output = self.output.checked_sub(bytes).ok_or_else(memory_error)?;
        self.operations(bytes / UNITS_PER_OPERATION)
    }
    /// Operations not yet spent.
    pub(crate) fn operations_left(&self) -> u64 {
        self.operations
    }
}

/// The error of a spent memory budget.
pub(crate) fn memory_error() -> Error {
    Error::new(ErrorKind::MemoryLimit, "memory alloc limit exceeded")
}
