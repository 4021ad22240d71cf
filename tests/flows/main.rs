//! Whole flows, from outside: the started binary and HTTP, and nothing else.
//!
//! A test's folder says where it runs: in `both` on either stack, in `local` on one machine, in `aws` on Lambda alone.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test panics to fail")]

mod aws;
mod both;
mod built;
mod local;
