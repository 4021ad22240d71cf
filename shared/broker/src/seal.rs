//! The deployment's keys and what is made with them.

pub mod key;

pub mod keyring;

pub mod element_token;

pub mod verifier;
