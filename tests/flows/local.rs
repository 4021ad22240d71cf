//! The process for one machine, and what needs no started broker.

mod browser;
mod classification;
mod command;
mod conformance;
mod database;
mod deploy;
mod descriptors;
mod events;
mod faults_here;
mod folders;
mod fuzz;
mod hosts;
mod imports;
mod races;
mod readme;
mod reconcile;
mod sandbox;
mod secrets;
mod server_errors;
mod stores;
mod template;
mod tree;
