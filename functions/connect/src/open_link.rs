//! `GET /connect/{link}` sends a browser to the vendor; `POST` does so with what the visitor has filled in.

use broker::connect::open::{Closed, LinkOpener};
use broker::record::link::Link;
use broker::record::settings::Given;
use lambda_http::http::header::SET_COOKIE;
use lambda_http::{Body, Response};
use web::page::{self, Notice};
use web::visitor::{append_query, cookie, cookie_name, redirect};
use web::{Answer, Call};

use crate::form;

/// What a visitor has done to come here.
struct Visit {
    filled: Vec<(String, String)>,
    /// Whether they chose to.
    meant: bool,
}

pub(crate) async fn open(app: &LinkOpener, call: &Call) -> Answer {
    answer(app, call, &Visit { filled: Vec::new(), meant: is_meant(call) }).await
}

/// Ignores what another site posts, and shows the form again.
pub(crate) async fn filled_in(app: &LinkOpener, call: &Call) -> Answer {
    let from = fetched(call, "sec-fetch-site");
    let ours = matches!(from, None | Some("same-origin" | "none"));
    let filled = if ours { call.form() } else { Vec::new() };
    answer(app, call, &Visit { filled, meant: ours }).await
}

/// Tells whether a visitor has chosen to come here. A site may send its visitors here unasked, so that their
/// account would be connected to somebody whom they never heard of: the browser tells whether they did
/// anything (Fetch Metadata, `Sec-Fetch-User`).
fn is_meant(call: &Call) -> bool {
    let elsewhere = matches!(fetched(call, "sec-fetch-site"), Some("cross-site" | "same-site"));
    !elsewhere || fetched(call, "sec-fetch-user") == Some("?1")
}

fn fetched<'a>(call: &'a Call, header: &str) -> Option<&'a str> {
    call.headers.get(header)?.to_str().ok()
}

async fn answer(app: &LinkOpener, call: &Call, visit: &Visit) -> Answer {
    let show = |notice| Ok(page::show(&app.connect.branding, &notice));
    match follow(app, call, visit).await {
        Ok(response) => Ok(response),
        Err(Closed::NoLink) => show(Notice::NoLink),
        Err(Closed::Used(link)) => match back(&link, "link_used", "The link works once and has been used") {
            Some(response) => Ok(response),
            None => show(Notice::UsedLink),
        },
        Err(Closed::Expired(link)) => match back(&link, "link_expired", "The link has expired") {
            Some(response) => Ok(response),
            None => show(Notice::OldLink),
        },
        Err(Closed::Failed(cause)) => Err(cause.into()),
    }
}

/// Sends the browser back to the link's maker with an error, where the link names a return URL.
fn back(link: &Link, error: &str, description: &str) -> Option<Response<Body>> {
    let mut parameters = vec![("error", error), ("error_description", description)];
    parameters.extend(link.state.as_deref().map(|state| ("state", state)));
    link.return_url.as_ref().map(|url| redirect(&append_query(url, &parameters)))
}

async fn follow(app: &LinkOpener, call: &Call, visit: &Visit) -> Result<Response<Body>, Closed> {
    let open = app.find(call.parameter("link")).await?;
    let (branding, element) = (&app.connect.branding, open.element);
    let fields = form::fields(element, &open.known);
    if fields.is_empty() && !visit.meant {
        return Ok(form::page(branding, element, &[], &[], &[]));
    }
    let values =
        if fields.is_empty() { Ok(Given::new()) } else { form::read(element, &fields, &visit.filled) };
    let values = match values {
        Ok(values) => values,
        Err(wrong) => return Ok(form::page(branding, element, &fields, &visit.filled, &wrong)),
    };
    let mode = element.oauth2()?.authorize.response_mode;
    let departure = app.depart(open, values, call.cookie(cookie_name(mode))).await?;
    let mut response = redirect(&departure.url);
    response.headers_mut().insert(SET_COOKIE, cookie(mode, &departure.browser));
    Ok(response)
}
