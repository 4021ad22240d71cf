//! Stores fail at every operation of every life, vendors of every habit are in trouble, processes stall, and clocks
//! differ: on one machine alone, since these are thousands of scenarios.

use tests::faults::{product, table};

/// Makes a test of each life.
macro_rules! lives {
    ($($name:ident: $life:ty),* $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            table::failures::<$life>().await;
            product::strikes::<$life>().await;
        })*
    };
}

tests::with_lives!(lives);
