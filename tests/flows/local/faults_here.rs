//! Stores fail at every operation of every life, vendors of every habit are in trouble, processes stall, and clocks
//! differ: on one machine alone, since these are thousands of scenarios.

/// What is answered when a store fails; `shared/crashes.md` says it too.
mod failures {
    use tests::faults::lives::{callback, creation, deletion, refresh, registration, revision};

    tests::each_life!(table::failures);
}

/// Everything else.
mod strikes {
    use tests::faults::lives::{callback, creation, deletion, refresh, registration, revision};

    tests::each_life!(product::strikes);
}

/// The same where tokens rest in Secrets Manager.
mod strikes_in_both_stores {
    use tests::faults::lives::{callback, creation, deletion, refresh, registration, revision};

    tests::each_life!(product::strikes_in_both_stores);
}
