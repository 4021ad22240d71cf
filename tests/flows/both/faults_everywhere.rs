//! A process dies at every operation of every life, on both stacks; `shared/crashes.md` says what comes of it.

use tests::faults::lives::{Life, callback, creation, deletion, refresh, registration, revision};
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
