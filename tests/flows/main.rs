//! Whole flows, from outside: the started binary and HTTP, and nothing else.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test panics to fail")]

mod aws_calls;
mod aws_faults;
mod aws_log;
mod browser;
mod browser_connect;
mod callbacks;
mod classification;
mod command;
mod conformance;
mod connect;
mod connect_attacks;
mod connect_urls;
mod contract;
mod creation;
mod descriptors;
mod durability;
mod events;
mod faults_everywhere;
mod faults_here;
mod flow;
mod fuzz;
mod hosts;
mod leaks;
mod leases;
mod oidc_provider;
mod races;
mod readme;
mod refresh;
mod revisions;
mod sandbox;
mod secrets;
mod smoke;
mod stores;
mod sweep;
mod template;
mod tree;
mod users;
mod vendor_faults;
