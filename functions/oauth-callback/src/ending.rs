//! How a flow's end is told: to the link's maker by the return URL, or to the visitor by a page.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::connect::{redirect, with_parameters};
use valetkey::error::Error;
use valetkey::link::Link;
use valetkey::page::Notice;
use valetkey::session::Ended;

/// Tells how a flow ended.
pub(crate) fn show(app: &App, link: &Link, ended: &Ended) -> Result<Response<Body>, Error> {
    if let Some(url) = &link.return_url {
        return Ok(back(url, link, ended));
    }
    let element = app.catalogue.find(&link.element);
    let vendor = element.map_or(link.element.as_str(), |element| &element.identity.name);
    let again = format!("/connect/{}", link.id);
    let again = again.as_str();
    Ok(app.connect()?.look.show(&match ended {
        Ended::Connected(_) => Notice::Connected { vendor },
        Ended::Denied { .. } => Notice::Denied { vendor, again },
        Ended::Failed { said, .. } => Notice::Failed { vendor, again, said: said.as_deref() },
        Ended::Unknown => Notice::Unknown { vendor },
        Ended::LinkUsed => Notice::UsedLink,
        Ended::LinkWithdrawn => Notice::NoLink,
    }))
}

/// Sends the browser to the link's maker, with the instance or an error, and the maker's own word.
fn back(url: &str, link: &Link, ended: &Ended) -> Response<Body> {
    let unknown = "The vendor may have granted access; see GET /instances before the user is asked again";
    let id;
    let mut parameters = match ended {
        Ended::Connected(instance) => {
            id = instance.to_string();
            vec![("instanceId", id.as_str())]
        }
        Ended::Denied { description } => errors("access_denied", description),
        Ended::Failed { error, description, .. } => errors(error, description),
        Ended::Unknown => errors("server_error", unknown),
        Ended::LinkUsed => errors("link_used", "The link works once and has been used"),
        Ended::LinkWithdrawn => errors("link_withdrawn", "The link was withdrawn"),
    };
    parameters.extend(link.state.as_deref().map(|state| ("state", state)));
    redirect(&with_parameters(url, &parameters))
}

fn errors<'a>(error: &'a str, description: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![("error", error), ("error_description", description)]
}

/// Tells that a browser came back too late: nothing was done with what it brought.
pub(crate) fn late(app: &App, link: &Link) -> Result<Response<Body>, Error> {
    if let Some(url) = &link.return_url {
        let words = "Too much time passed between leaving for the vendor and coming back".to_owned();
        let late = Ended::Failed { error: "session_expired".into(), description: words, said: None };
        return Ok(back(url, link, &late));
    }
    let again = format!("/connect/{}", link.id);
    Ok(app.connect()?.look.show(&Notice::TookTooLong { again: &again }))
}
