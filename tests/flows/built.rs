//! What is built as `sam build` builds it: the step `panic` of `tests/run` makes the binary first.

mod panics;
