//! Hosted connect: a visitor's way to the vendor and back.

pub mod open;

pub mod outcome;

pub mod callback;
