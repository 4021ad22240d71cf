//! The client that speaks to vendors: one HTTP request for each call, as the descriptor says.

pub mod tls;

pub mod egress;

pub mod body;

mod refusal;

pub mod lifetime;

pub mod response;

pub mod request;

pub mod refresh;

pub mod exchange;

pub mod revoke;
