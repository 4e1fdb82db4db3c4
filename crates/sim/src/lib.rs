//! Simulation: a seeded world with a virtual clock, crash points and named invariants.
//!
//! Invariants: the product's core and store run unchanged; the clock is virtual; the same golden run, plan and seed give the same world.
//! Not here: killing processes (`xtask crash`), the product's own threads and sockets (`engine::pump`).
//! Source: `design/engine.md` §13, §14.

pub mod campaign;
pub mod cases;
mod check;
pub mod crash;
pub mod golden;
pub mod invariant;
pub mod memory;
pub mod outcome;
mod person;
pub mod plant;
mod weather;
pub mod world;

pub use golden::Golden;
pub use invariant::{Invariant, Tally};
pub use outcome::Outcome;
pub use plant::Plant;
pub use world::{Plan, Report, World};
