//! TLS towards vendors and AWS: ring, and the Mozilla roots as they were compiled in. Nothing is read or
//! parsed at start.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// The HTTP client could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be built: {0}")]
pub struct BuildError(String);

impl BuildError {
    /// Says why.
    pub fn new(cause: &impl ToString) -> Self {
        Self(cause.to_string())
    }
}

/// Builds the client's side.
pub fn client() -> Result<ClientConfig, BuildError> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::new(&error))?
        .with_root_certificates(roots()?)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(not(feature = "test-root"))]
#[expect(clippy::unnecessary_wraps, reason = "the benchmark's root may be wrong")]
fn roots() -> Result<RootCertStore, BuildError> {
    Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() })
}

/// Adds the root that the benchmark signs its servers' certificates with.
#[cfg(feature = "test-root")]
fn roots() -> Result<RootCertStore, BuildError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let own = include_bytes!(env!("VALETKEY_TEST_ROOT")).as_slice();
    roots.add(own.into()).map_err(|error| BuildError::new(&error))?;
    Ok(roots)
}
