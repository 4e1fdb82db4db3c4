//! The API over a real engine on a folder of its own: vectors, the whole table, bad input.

mod api {
    pub mod approvals;
    pub mod auth;
    pub mod bad_input;
    pub mod case_parts;
    pub mod cases;
    pub mod nouns;
    pub mod starts;
    pub mod steps;
    pub mod support;
    pub mod table;
    pub mod undo;
    pub mod workflows;
}
