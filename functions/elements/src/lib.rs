//! The catalogue: `GET /elements`, their keys, and each with its configuration and metadata.
//!
//! Pure: no credentials, no store, no network.

use std::sync::Arc;

use lambda_http::{Body, Response};
use valetkey::catalogue::Catalogue;
use valetkey::element::Element;
use valetkey::error::Error;
use valetkey::http::{self, Call, NEXT_PAGE, RETURNED_COUNT, Route, TOTAL_COUNT};
use valetkey::route;
use valetkey::wire::{CatalogueElement, ElementMetadata, SettingBody};

/// What this function is given: the elements of this deployment.
pub type App = Arc<Catalogue>;

/// The routes that this function answers.
pub const ROUTES: &[Route<App>] = &[
    route!(pure GET "/elements", list),
    route!(pure GET "/elements/keys", keys),
    route!(pure GET "/elements/{keyOrId}/configuration", configuration),
    route!(pure GET "/elements/{keyOrId}/metadata", metadata),
    route!(pure GET "/elements/{keyOrId}", one),
    #[cfg(feature = "test-panic")]
    route!(pure GET "/panic", panics),
];

fn list(catalogue: &App, call: &Call) -> Result<Response<Body>, Error> {
    let search = call.query("searchText").map(str::to_lowercase);
    let admits = |element: &&Element| {
        let identity = &element.identity;
        search.as_ref().is_none_or(|text| {
            [&identity.key, &identity.name, &identity.hub]
                .iter()
                .any(|field| field.to_lowercase().contains(text))
        })
    };
    let found: Vec<_> = catalogue.elements().into_iter().filter(admits).collect();
    let size = call.page_size()?;
    let from = call.query("nextPage").unwrap_or_default();
    let rest: Vec<_> = found.iter().filter(|element| element.identity.key.as_str() > from).collect();
    let page: Vec<_> = rest.iter().take(size).map(|element| CatalogueElement::new(element)).collect();
    let mut response = http::json(&page)?;
    let headers = response.headers_mut();
    headers.insert(RETURNED_COUNT, page.len().into());
    headers.insert(TOTAL_COUNT, found.len().into());
    if rest.len() > size {
        headers.insert(NEXT_PAGE, http::header(&rest[size - 1].identity.key));
    }
    Ok(response)
}

fn keys(catalogue: &App, _: &Call) -> Result<Response<Body>, Error> {
    let keys: Vec<_> = catalogue.elements().into_iter().map(|element| &element.identity.key).collect();
    http::json(&keys)
}

fn configuration(catalogue: &App, call: &Call) -> Result<Response<Body>, Error> {
    http::json(&SettingBody::all(catalogue.element(call.parameter("keyOrId"))?))
}

fn metadata(catalogue: &App, call: &Call) -> Result<Response<Body>, Error> {
    http::json(&ElementMetadata::new(catalogue.element(call.parameter("keyOrId"))?))
}

#[cfg(feature = "test-panic")]
#[expect(clippy::panic, reason = "it is there to panic")]
fn panics(_: &App, _: &Call) -> Result<Response<Body>, Error> {
    panic!("planted")
}

fn one(catalogue: &App, call: &Call) -> Result<Response<Body>, Error> {
    http::json(&CatalogueElement::new(catalogue.element(call.parameter("keyOrId"))?))
}
