//! The catalogue: `GET /elements`, their keys, and each with its configuration and metadata.
//!
//! Pure: no credentials, no store, no network.

use std::sync::Arc;

use vendors::catalogue::Catalogue;
use vendors::descriptor::Element;
use web::answer::{self, NEXT_PAGE, RETURNED_COUNT, TOTAL_COUNT};
use web::show;
use web::{Answer, Call, Route, route};

/// What this function is given: the elements of this deployment.
pub type State = Arc<Catalogue>;

/// The routes that this function answers.
pub const ROUTES: &[Route<State>] = &[
    route!(pure GET "/elements", list),
    route!(pure GET "/elements/keys", keys),
    route!(pure GET "/elements/{keyOrId}/configuration", configuration),
    route!(pure GET "/elements/{keyOrId}/metadata", metadata),
    route!(pure GET "/elements/{keyOrId}", one),
    #[cfg(feature = "test-panic")]
    route!(pure GET "/panic", panics),
];

fn list(catalogue: &State, call: &Call) -> Answer {
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
    let page: Vec<_> =
        rest.iter().take(size).map(|element| show::element::catalogue_element(element)).collect();
    let mut response = answer::json(&page)?;
    let headers = response.headers_mut();
    headers.insert(RETURNED_COUNT, page.len().into());
    headers.insert(TOTAL_COUNT, found.len().into());
    if rest.len() > size {
        headers.insert(NEXT_PAGE, answer::header(&rest[size - 1].identity.key));
    }
    Ok(response)
}

fn keys(catalogue: &State, _: &Call) -> Answer {
    let keys: Vec<_> = catalogue.elements().into_iter().map(|element| &element.identity.key).collect();
    answer::json(&keys)
}

fn configuration(catalogue: &State, call: &Call) -> Answer {
    answer::json(&show::element::settings(catalogue.element(call.parameter("keyOrId"))?))
}

fn metadata(catalogue: &State, call: &Call) -> Answer {
    answer::json(&show::element::metadata(catalogue.element(call.parameter("keyOrId"))?))
}

fn one(catalogue: &State, call: &Call) -> Answer {
    answer::json(&show::element::catalogue_element(catalogue.element(call.parameter("keyOrId"))?))
}

#[cfg(feature = "test-panic")]
#[expect(clippy::panic, reason = "it is there to panic")]
fn panics(_: &State, _: &Call) -> Answer {
    panic!("planted")
}
