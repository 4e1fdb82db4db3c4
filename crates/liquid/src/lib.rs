//! A LiquidJS-compatible template engine.
