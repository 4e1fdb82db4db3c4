//! Simulation: a seeded world with a virtual clock, crash points and named invariants.
