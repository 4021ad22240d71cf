//! Flows on both stacks: the process for one machine, and the functions.

mod answers;
mod browser_connect;
mod callbacks;
mod clocks;
mod connect;
mod connect_attacks;
mod connect_urls;
mod contract;
mod creation;
mod durability;
mod faults_everywhere;
mod flow;
mod leaks;
pub(crate) mod odd_requests;
mod oidc_provider;
mod outages;
mod pasted;
mod refresh;
mod resealing;
mod restores;
mod revisions;
mod smoke;
mod sweep;
mod takeovers;
mod twice;
mod users;
mod vendor_faults;
