//! What needs a function built as `sam build` builds it: the step `built` of `tests/run` makes the binaries.

mod carried;
mod panics;
