//! Flows on both stacks: the process for one machine, and the functions.

mod browser_connect;
mod connect;
mod connect_attacks;
pub(crate) mod connect_faults;
mod connect_urls;
mod contract;
mod durability;
mod flow;
mod leaks;
mod life_and_death;
mod odd_requests;
mod oidc_provider;
mod refresh;
pub(crate) mod revision_faults;
mod revisions;
mod smoke;
mod sweep;
mod users;
mod vendor_faults;
