//! What is particular to AWS: the functions alone.

mod calls;
mod events;
mod faults;
mod keys;
mod log;
mod reconcile;
mod stores;
mod variables;
