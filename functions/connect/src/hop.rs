//! `GET /connect/{link}`: the hop that sends a browser to the vendor; and `POST`, with what the visitor has filled
//! in. Neither asks the vendor anything.

use lambda_http::http::header::SET_COOKIE;
use lambda_http::{Body, Response};
use valetkey::client;
use valetkey::configuration::{CLIENT_ID, Given, REDIRECT_URI, text};
use valetkey::connect::{self, redirect, with_parameters};
use valetkey::element::{Element, OAuth2};
use valetkey::error::Error;
use valetkey::http::Call;
use valetkey::instance::{self, Instance};
use valetkey::link::{self, Link};
use valetkey::oauth::authorize::{self, Challenge, Request};
use valetkey::oauth::endpoint;
use valetkey::page::Notice;
use valetkey::session::{self, Session};
use valetkey::user;

use crate::{App, form};

/// Why a link leads nowhere.
enum Stop {
    /// The visitor is shown this.
    Notice(Notice<'static>),
    /// The browser goes back to the link's maker with this error.
    Back(String, &'static str, &'static str, Option<String>),
    /// Something failed here.
    Failed(Error),
}

/// What a visitor has done to come here.
struct Visit {
    filled: Vec<(String, String)>,
    /// Whether they chose to.
    meant: bool,
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn open(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    answer(app, call, &Visit { filled: Vec::new(), meant: is_meant(call) }).await
}

/// A form of another site's is none of ours, and is asked again.
pub(crate) async fn filled_in(app: &App, call: &Call) -> Result<Response<Body>, Error> {
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

async fn answer(app: &App, call: &Call, visit: &Visit) -> Result<Response<Body>, Error> {
    match go(app, call, visit).await {
        Ok(response) => Ok(response),
        Err(Stop::Notice(notice)) => Ok(app.connect.look.show(&notice)),
        Err(Stop::Back(url, error, description, state)) => {
            let mut parameters = vec![("error", error), ("error_description", description)];
            parameters.extend(state.as_deref().map(|state| ("state", state)));
            Ok(redirect(&with_parameters(&url, &parameters)))
        }
        Err(Stop::Failed(cause)) => Err(cause),
    }
}

async fn go(app: &App, call: &Call, visit: &Visit) -> Result<Response<Body>, Stop> {
    let mut link = usable(app, call.parameter("link")).await?;
    // A deployment may have lost the element meanwhile.
    let element = app.catalogue.find(&link.element).ok_or(Stop::Notice(Notice::NoLink))?;
    let oauth2 = element.oauth2()?;
    let mut known = known(app, &link).await?;
    let fields = form::fields(element, &known);
    if fields.is_empty() && !visit.meant {
        return Ok(form::page(&app.connect.look, element, &[], &[], &[]));
    }
    if !fields.is_empty() {
        match form::read(element, &fields, &visit.filled) {
            Ok(values) => {
                known.extend(values.clone());
                link.configuration.extend(values);
            }
            Err(wrong) => return Ok(form::page(&app.connect.look, element, &fields, &visit.filled, &wrong)),
        }
    }
    depart(app, call, element, oauth2, link, &known).await
}

/// Finds a link that may be followed.
async fn usable(app: &App, id: &str) -> Result<Link, Stop> {
    let gone = || Stop::Notice(Notice::NoLink);
    let registry = &*app.registry;
    let link = link::find(registry, id).await?.ok_or_else(gone)?;
    let user = user::numbered(registry, link.user).await?.filter(|user| !user.disabled).ok_or_else(gone)?;
    // What was allowed when the link was made may be allowed no more.
    if link.return_url.as_ref().is_some_and(|url| !app.connect.allows(&user, url)) {
        return Err(gone());
    }
    let (error, description, notice) = if link.is_used() {
        ("link_used", "The link works once and has been used", Notice::UsedLink)
    } else if link.until <= app.clock.now() {
        ("link_expired", "The link has expired", Notice::OldLink)
    } else {
        return Ok(link);
    };
    Err(match link.return_url {
        Some(url) => Stop::Back(url, error, description, link.state),
        None => Stop::Notice(notice),
    })
}

/// Gives the configuration that the vendor's addresses depend on.
async fn known(app: &App, link: &Link) -> Result<Given, Stop> {
    let mut known = match link.instance {
        Some(id) => {
            let instance = instance::find(&*app.registry, link.user, id).await?;
            let instance = instance.ok_or(Stop::Notice(Notice::NoLink))?;
            if has_another_client(app, link, &instance)? {
                // The vendor would refuse its code.
                return Err(Stop::Notice(Notice::NoLink));
            }
            instance.configuration
        }
        None => Given::new(),
    };
    known.extend(link.configuration.clone());
    Ok(known)
}

/// Tells whether an instance that is to be authenticated again has another client than when its link was made.
fn has_another_client(app: &App, link: &Link, instance: &Instance) -> Result<bool, Stop> {
    if link.configuration.contains_key(CLIENT_ID) {
        // The link brings a client along.
        return Ok(false);
    }
    Ok(match &link.app {
        Some(_) => link.app != instance.app,
        None => !instance.has_client(&link_client(app, link)?),
    })
}

/// Gives the client's id: that of the link, or of its app.
async fn client_id(app: &App, element: &Element, link: &Link) -> Result<String, Stop> {
    let Some(id) = &link.app else { return link_client(app, link) };
    match client::find(&*app.registry, link.user, element, id).await {
        Ok(registered) => opened(link, registered.client_id(&app.connect.seal)),
        Err(Error::NotFound(_)) => Err(Stop::Notice(Notice::NoLink)),
        Err(error) => Err(error.into()),
    }
}

fn link_client(app: &App, link: &Link) -> Result<String, Stop> {
    opened(link, link.client_id(&app.connect.seal))
}

/// Another key of hosted connect ends the links and the apps' part in links that were made before.
fn opened<E: std::fmt::Debug>(link: &Link, client_id: Result<String, E>) -> Result<String, Stop> {
    client_id.map_err(|cause| {
        tracing::warn!(?cause, user = link.user, "the client of a link cannot be told");
        Stop::Notice(Notice::NoLink)
    })
}

/// Begins a session for the browser and sends it to the vendor.
async fn depart(
    app: &App,
    call: &Call,
    element: &Element,
    oauth2: &OAuth2,
    link: Link,
    known: &Given,
) -> Result<Response<Body>, Stop> {
    let url = endpoint::of_instance(&oauth2.authorize.url, &oauth2.placeholders, known)?;
    let mode = oauth2.authorize.response_mode;
    let shown = call.cookie(connect::cookie_name(mode)).filter(|id| session::is_browser(id));
    let browser = shown.map_or_else(session::new_browser, str::to_owned);
    let client_id = client_id(app, element, &link).await?;
    let callback = connect::callback(oauth2, &element.identity.key);
    // Its secrets stay with the link.
    let link = Link { sealed: None, ..link };
    let session = Session::new(app.clock.now(), &browser, callback, oauth2.authorize.issuer.clone(), link);
    let state = session::begin(&*app.registry, &session).await?;
    let link = &session.link;
    let request = Request {
        client_id: &client_id,
        redirect_uri: text(&link.configuration, REDIRECT_URI),
        state: &state,
        scope: link.scope.as_deref(),
        pkce: Challenge::Verifier(app.connect.code_verifier(&state)),
    };
    let mut response = redirect(&authorize::url(oauth2, &url, &request));
    response.headers_mut().insert(SET_COOKIE, connect::cookie(mode, &browser));
    Ok(response)
}
