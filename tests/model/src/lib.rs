//! A model of how one write keeps a grant, checked in every order of events.
//!
//! An instance has two items, `instance` and `grant`; each write is to one of them and has a condition. Up to
//! four racers ([`racer`]) share the items, Secrets Manager, a marker ([`world`]) and a vendor ([`vendor`]).
//! Each of their steps is one read, one write or one request, and anything may happen between two steps.
//!
//! The steps are listed in [`phase`], and written in the modules named after what the racers do: `refresh`, `look`,
//! `commit`, `copying`, `consent`, `settings`, `moves`, `creation`, `import`, `deletion`, `sweep`. What happens
//! between a racer and the vendor is in `request`. The module `import` says how an import takes itself back.
//!
//! What may happen: time passes, so that an `asking` or a slot ends whose owner is dead. For one fault each: a
//! process dies; a write is made and its reply lost; a store is out of reach; the vendor's answer is lost, or
//! nobody waits for it while the request arrives now, later or never; the vendor certainly does not act; a
//! process stands still until its time is up, and goes on.
//!
//! What is checked: ten properties ([`flaw`]), in every state (`invariant`) and after every end (`aftermath`). What may
//! be lost all the same is listed in `request`. Each [`mutant::Mutant`] leaves a condition out or changes an order,
//! and is refuted. [`sight`] lists what the check must have met, so that it is not true of nothing.
//!
//! Why stateright and not a state machine of proptest: what goes wrong here needs two deaths and a clock at the
//! right moments. Random runs may meet that, a search of all runs must, and it says when it has seen them all.
//!
//! What is left out: two instances of one account; the end of a grace (then the vendor is strict); the delayed
//! arrival of a write that its sender has given up; the expiry of markers; a bare answer for a dead grant; a
//! visit's second code; disabled instances. One instance has at most three consents, and numbers are at most 6.
//! A process does not stand still between the moment when it looks at its time and the moment when it asks
//! the vendor: nothing could fence it there.

mod aftermath;
mod commit;
mod consent;
mod copying;
mod creation;
mod deletion;
pub mod flaw;
mod import;
mod invariant;
pub mod item;
mod look;
pub mod model;
mod moves;
pub mod mutant;
pub mod phase;
pub mod racer;
mod refresh;
mod request;
pub mod scenario;
pub mod secret;
mod settings;
pub mod sight;
mod step;
mod sweep;
mod time;
pub mod vendor;
pub mod world;
