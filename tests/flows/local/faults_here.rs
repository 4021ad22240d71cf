//! Stores fail at every operation of every life, vendors of every habit are in trouble, processes stall, and clocks
//! differ: on one machine alone, since these are thousands of scenarios.

use tests::faults::lives::{callback, creation, deletion, refresh, registration, revision};
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

lives! {
    a_creation: creation::Creation,
    an_import: creation::Import,
    an_import_of_an_access_token: creation::ImportOfAccessToken,
    a_callback: callback::Callback<callback::OwnClient>,
    a_callback_with_an_app: callback::Callback<callback::AppsClient>,
    a_callback_that_authenticates_again: callback::Callback<callback::Again>,
    a_registration: registration::Registration,
    a_refresh_on_demand: refresh::RefreshOnDemand,
    a_refresh_by_the_sweep: refresh::RefreshBySweep,
    a_consent: revision::Consent,
    a_change_of_a_secret: revision::Rekey,
    a_deletion: deletion::Deletion,
}
