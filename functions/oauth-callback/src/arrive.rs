//! `GET` and `POST /oauth/callback/{elementKey}`: whose answer this is.

use std::time::Duration;

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::connect;
use valetkey::element::ResponseMode;
use valetkey::error::{Error, StoreError};
use valetkey::http::Call;
use valetkey::page::Notice;
use valetkey::random;
use valetkey::session::{self, Ended, Presented, Taken};
use valetkey::telemetry;

use crate::returned::Returned;
use crate::{ending, flow};

/// How long the same answer, come twice, waits for the first to end.
const WAIT: Duration = Duration::from_secs(20);

/// How often it looks, in milliseconds: at random, so that twenty do not look at once.
const LOOK: (u64, u64) = (150, 350);

pub(crate) async fn by_redirect(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    arrive(app, call, ResponseMode::Query).await
}

pub(crate) async fn by_form(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    arrive(app, call, ResponseMode::FormPost).await
}

async fn arrive(app: &App, call: &Call, mode: ResponseMode) -> Result<Response<Body>, Error> {
    let look = &app.connect()?.look;
    let astray = || {
        telemetry::astray("no flow that is under way");
        Ok(look.show(&Notice::Astray))
    };
    let Some(returned) = Returned::read(call, mode == ResponseMode::FormPost) else { return astray() };
    let (Some(state), Some(callback)) = (returned.get("state"), callback(app, call, mode)) else {
        return astray();
    };
    let browser = call.cookie(connect::cookie_name(mode)).filter(|id| session::is_browser(id));
    let issuer = issuer(app, call, &returned);
    let presented = Presented { state, browser, callback: &callback, issuer };
    match session::take(&*app.registry, &presented, app.clock.now()).await? {
        Taken::Astray => astray(),
        Taken::NotYours => {
            telemetry::astray("another browser's flow");
            Ok(look.show(&Notice::OtherBrowser))
        }
        Taken::Late(session) => ending::late(app, &session.link),
        Taken::Before(name, session) => match awaited(app, call, &name).await {
            Ok(Some(ended)) => ending::show(app, &session.link, &ended),
            Ok(None) => Ok(look.show(&Notice::UnderWay)),
            Err(cause) => {
                tracing::warn!(?cause, "how a flow ended cannot be read");
                Ok(look.show(&Notice::UnderWay))
            }
        },
        Taken::Ours(name, session) => {
            let ended = flow::finish(app, call, &name, &session.link, state, &returned).await;
            if let Err(cause) = session::end(&*app.registry, &name, &session, &ended).await {
                tracing::warn!(?cause, "how a flow ended was not written down");
            }
            telemetry::ended(&session.link, &ended);
            ending::show(app, &session.link, &ended)
        }
    }
}

/// Names this request as the session does; `None` when no element's vendor would send it.
fn callback(app: &App, call: &Call, mode: ResponseMode) -> Option<String> {
    let key = call.parameter("elementKey");
    let method = if mode == ResponseMode::FormPost { "POST" } else { "GET" };
    if key.is_empty() {
        return Some(format!("{method} /oauth/callback"));
    }
    // A number would name the element too; the redirect URI that was registered has the key.
    app.catalogue.find(key).filter(|element| element.identity.key == key)?;
    Some(format!("{method} /oauth/callback/{key}"))
}

/// Gives the issuer that has to be the session's: of an element whose issuer nobody has written down, none.
fn issuer<'a>(app: &App, call: &Call, returned: &'a Returned) -> Option<&'a str> {
    let named = app.catalogue.find(call.parameter("elementKey")).and_then(|element| element.oauth2.as_ref());
    let unknown = named.is_some_and(|oauth2| oauth2.authorize.issuer.is_none());
    returned.get("iss").filter(|_| !unknown)
}

/// Waits for whoever is at the same answer.
async fn awaited(app: &App, call: &Call, name: &str) -> Result<Option<Ended>, StoreError> {
    loop {
        let found = session::find(&*app.registry, name).await?;
        let ended = found.and_then(|session| session.outcome(app.clock.now()));
        if ended.is_some() || !call.watch.is_before(WAIT) {
            return Ok(ended);
        }
        tokio::time::sleep(Duration::from_millis(random::between(LOOK.0, LOOK.1))).await;
    }
}
