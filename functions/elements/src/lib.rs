//! The catalogue: `GET /elements`, their keys, and each with its configuration and metadata.
//!
//! Pure: no credentials, no store, no network.

use std::sync::Arc;

use lambda_http::http::Method;
use lambda_http::{Body, Response};
use valetkey::catalogue::Catalogue;
use valetkey::element::Element;
use valetkey::error::Error;
use valetkey::http::{self, BASE, Call, NEXT_PAGE, RETURNED_COUNT, Route, TOTAL_COUNT};
use valetkey::wire::{CatalogueElement, ElementMetadata, SettingBody};

/// What this function is given: the elements of this deployment.
pub type App = Arc<Catalogue>;

/// The routes that this function answers.
pub const ROUTES: &[Route<App>] = &[
    Route {
        method: Method::GET,
        base: BASE,
        path: "/elements",
        handle: |app, call| Box::pin(async move { list(app, call) }),
    },
    Route {
        method: Method::GET,
        base: BASE,
        path: "/elements/keys",
        handle: |app, _| Box::pin(async move { keys(app) }),
    },
    Route {
        method: Method::GET,
        base: BASE,
        path: "/elements/{keyOrId}/configuration",
        handle: |app, call| Box::pin(async move { configuration(app, call) }),
    },
    Route {
        method: Method::GET,
        base: BASE,
        path: "/elements/{keyOrId}/metadata",
        handle: |app, call| Box::pin(async move { metadata(app, call) }),
    },
    Route {
        method: Method::GET,
        base: BASE,
        path: "/elements/{keyOrId}",
        handle: |app, call| Box::pin(async move { one(app, call) }),
    },
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

fn keys(catalogue: &App) -> Result<Response<Body>, Error> {
    let keys: Vec<_> = catalogue.elements().into_iter().map(|element| &element.identity.key).collect();
    http::json(&keys)
}

fn configuration(catalogue: &App, call: &Call) -> Result<Response<Body>, Error> {
    http::json(&SettingBody::all(catalogue.element(call.parameter("keyOrId"))?))
}

fn metadata(catalogue: &App, call: &Call) -> Result<Response<Body>, Error> {
    http::json(&ElementMetadata::new(catalogue.element(call.parameter("keyOrId"))?))
}

fn one(catalogue: &App, call: &Call) -> Result<Response<Body>, Error> {
    http::json(&CatalogueElement::new(catalogue.element(call.parameter("keyOrId"))?))
}
