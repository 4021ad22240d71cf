//! How a flow's end is told: to the link's maker by the return URL, or to the visitor by a page.

use broker::Broker;
use broker::record::link::Link;
use broker::record::session::Ended;
use lambda_http::{Body, Response};
use web::Answer;
use web::page::{self, Notice};
use web::visitor::{append_query, redirect};

/// Tells how a flow ended.
pub(crate) fn show(broker: &Broker, link: &Link, ended: &Ended) -> Answer {
    if let Some(url) = &link.return_url {
        return Ok(back(url, link, ended));
    }
    let element = broker.catalogue.find(&link.element);
    let vendor = element.map_or(link.element.as_str(), |element| &element.identity.name);
    let again = format!("/connect/{}", link.id);
    let again = again.as_str();
    Ok(page::show(
        &broker.connect()?.branding,
        &match ended {
            Ended::Connected(_) => Notice::Connected { vendor },
            Ended::Denied { .. } => Notice::Denied { vendor, again },
            Ended::Failed { said, .. } => Notice::Failed { vendor, again, said: said.as_deref() },
            Ended::Unknown => Notice::Unknown { vendor },
            Ended::LinkUsed => Notice::UsedLink,
            Ended::LinkWithdrawn => Notice::NoLink,
        },
    ))
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
    redirect(&append_query(url, &parameters))
}

fn errors<'a>(error: &'a str, description: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![("error", error), ("error_description", description)]
}

/// Tells that a browser came back too late: nothing was done with what it brought.
pub(crate) fn late(broker: &Broker, link: &Link) -> Answer {
    if let Some(url) = &link.return_url {
        let words = "Too much time passed between leaving for the vendor and coming back".to_owned();
        let late = Ended::Failed { error: "session_expired".into(), description: words, said: None };
        return Ok(back(url, link, &late));
    }
    let again = format!("/connect/{}", link.id);
    Ok(page::show(&broker.connect()?.branding, &Notice::TookTooLong { again: &again }))
}
