//! The sandbox's pages: plain HTML, no script, nothing from elsewhere.

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

const STYLE: &str = "
    :root { color-scheme: light dark }
    body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem }
    h1 { font-size: 1.5rem; line-height: 1.25 }
    .kind { font-weight: 600; border-left: .25rem solid #b45309; padding-left: .75rem }
    dt { font-weight: 600 } dd { margin: 0 0 .75rem; overflow-wrap: anywhere }
    form { display: flex; gap: 1rem; margin-top: 1.5rem }
    button { font: inherit; flex: 1; padding: .75rem 1rem; border-radius: .5rem; border: 2px solid #1d4ed8; cursor: pointer }
    button.allow { background: #1d4ed8; color: #fff } button.deny { background: #fff; color: #1d4ed8 }
    button:focus-visible { outline: 3px solid #b45309; outline-offset: 2px }
    pre { padding: 1rem; border: 1px solid; border-radius: .5rem; white-space: pre-wrap; overflow-wrap: anywhere }
";

/// Sends a page that nobody keeps, frames, or learns the address of.
pub(super) fn page(status: StatusCode, title: &str, content: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { main { p.kind { "Sandbox: a pretend vendor, nothing real is shared" } h1 { (title) } (content) } }
        }
    };
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ];
    (status, headers, page.into_string()).into_response()
}
