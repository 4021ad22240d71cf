//! The stores on AWS pass the contract suites, on emulators.

mod vault_on_secrets_manager {
    tests::vault_suite!(async { (tests::emulators::vault().await, ()) });
}

mod registry_on_dynamodb {
    tests::registry_suite!(tests::emulators::registry());
}
