//! A process dies at every operation of every life, on both stacks; `shared/crashes.md` says what comes of it.

use tests::faults::lives::Life;
use tests::faults::table;

/// Makes a test of each life.
macro_rules! lives {
    ($($name:ident: $life:ty),* $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            table::deaths::<$life>().await;
        })*

        #[test]
        fn the_table_has_a_section_of_every_life_and_no_other() {
            table::has_sections(&[$(<$life>::TITLE),*]);
        }
    };
}

tests::with_lives!(lives);
