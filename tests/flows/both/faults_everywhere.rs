//! A process dies at every operation of every life, on both stacks; `shared/crashes.md` says what comes of it.

use tests::faults::lives::{callback, creation, deletion, refresh, registration, revision};

tests::each_life!(table::deaths);

#[test]
fn the_tables_are_those_of_all_lives() {
    tests::faults::table::has_sections(&tests::each_life!(titles));
}
