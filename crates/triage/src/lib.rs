//! Alert and case life cycles, approvals, settlements: pure transitions.
