//! The fault matrix: every [life](lives::Life), struck in every way at every operation on a store.
//!
//! - `lives` says what a process does, and who comes next when it has died.
//! - `world` is the deployment around it: stores, a vendor that keeps books, what is told. It says in words what the
//!   stores hold, and checks at the end what must hold however a process was struck.
//! - `matrix` strikes one process and lets others come after it.
//! - `table` has a process die and a store fail at every operation of a life, and compares what came of it with
//!   `shared/crashes.md`.
//! - `product` adds every habit of vendors, every trouble with their answers, stalls, and clocks that differ.

pub mod lives;
pub mod matrix;
pub mod product;
pub mod table;
pub mod world;
