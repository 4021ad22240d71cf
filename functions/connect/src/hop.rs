//! `GET /connect/{link}`: the hop that sends a browser to the vendor; and `POST`, with what the visitor has filled
//! in. Neither asks the vendor anything.

use lambda_http::http::header::SET_COOKIE;
use lambda_http::{Body, Response};
use valetkey::configuration::Given;
use valetkey::connect::{self, redirect, with_parameters};
use valetkey::element::{Element, OAuth2};
use valetkey::error::Error;
use valetkey::http::Call;
use valetkey::instance;
use valetkey::keys;
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

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn open(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    answer(app, call, &[]).await
}

pub(crate) async fn filled_in(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    answer(app, call, &call.form()).await
}

async fn answer(app: &App, call: &Call, filled: &[(String, String)]) -> Result<Response<Body>, Error> {
    let look = &app.connect.look;
    match go(app, call, filled).await {
        Ok(response) => Ok(response),
        Err(Stop::Notice(notice)) => Ok(look.show(&notice)),
        Err(Stop::Back(url, error, description, state)) => {
            let mut parameters = vec![("error", error), ("error_description", description)];
            parameters.extend(state.as_deref().map(|state| ("state", state)));
            Ok(redirect(&with_parameters(&url, &parameters)))
        }
        Err(Stop::Failed(cause)) => {
            tracing::error!(?cause, "a link could not be followed");
            Ok(look.show(&Notice::OurFault { number: &call.number, again: None }))
        }
    }
}

async fn go(app: &App, call: &Call, filled: &[(String, String)]) -> Result<Response<Body>, Stop> {
    let mut link = usable(app, call.parameter("link")).await?;
    let element = app.catalogue.element(&link.element)?;
    let oauth2 = element.oauth2()?;
    let mut known = known(app, &link).await?;
    let fields = form::fields(element, &known);
    if !fields.is_empty() {
        match form::read(element, &fields, filled) {
            Ok(values) => {
                known.extend(values.clone());
                link.configuration.extend(values);
            }
            Err(wrong) => return Ok(form::page(&app.connect.look, element, &fields, filled, &wrong)),
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
            instance.ok_or(Stop::Notice(Notice::NoLink))?.configuration
        }
        None => Given::new(),
    };
    known.extend(link.configuration.clone());
    Ok(known)
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
    let session = Session {
        browser: keys::fingerprint(&browser),
        callback: connect::callback(oauth2, &element.identity.key),
        issuer: oauth2.authorize.issuer.clone(),
        link,
        expires: app.clock.now() + session::LIVES,
        result: None,
    };
    let state = session::begin(&*app.registry, &session).await?;
    let link = &session.link;
    let request = Request {
        client_id: &link.client_id(&app.connect.seal)?,
        redirect_uri: valetkey::configuration::text(
            &link.configuration,
            valetkey::configuration::REDIRECT_URI,
        ),
        state: &state,
        scope: link.scope.as_deref(),
        pkce: Challenge::Verifier(app.connect.code_verifier(&state)),
    };
    let mut response = redirect(&authorize::url(oauth2, &url, &request));
    response.headers_mut().insert(SET_COOKIE, connect::cookie(mode, &browser));
    Ok(response)
}
