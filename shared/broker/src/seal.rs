//! The deployment's keys and what is made with them.

pub mod keyring;

pub mod element_token;

pub mod envelope;

pub mod verifier;
