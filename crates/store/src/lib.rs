//! The state store: SQLite behind one set of functions.
