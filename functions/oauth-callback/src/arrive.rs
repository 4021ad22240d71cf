//! `GET` and `POST /oauth/callback/{elementKey}`: whose answer this is.

use std::time::Duration;

use broker::Broker;
use broker::connect::callback::{self, Returned};
use broker::events;
use broker::random;
use broker::record::session::{self, Ended, Presented, Taken};
use broker::store::StoreError;
use vendors::descriptor::ResponseMode;
use web::page::{self, Notice};
use web::visitor::cookie_name;
use web::{Answer, Call};

use crate::ending;

/// How long the same answer, come twice, waits for the first to end.
const WAIT: Duration = Duration::from_secs(20);

/// How often it looks, in milliseconds: at random, so that twenty do not look at once.
const LOOK: (u64, u64) = (150, 350);

pub(crate) async fn by_redirect(broker: &Broker, call: &Call) -> Answer {
    arrive(broker, call, ResponseMode::Query).await
}

pub(crate) async fn by_form(broker: &Broker, call: &Call) -> Answer {
    arrive(broker, call, ResponseMode::FormPost).await
}

async fn arrive(broker: &Broker, call: &Call, mode: ResponseMode) -> Answer {
    let branding = &broker.connect()?.branding;
    let astray = |said: Option<&str>| {
        events::astray("no flow that is under way", said);
        Ok(page::show(branding, &Notice::Astray { said }))
    };
    let Some(returned) = returned(call, mode) else { return astray(None) };
    let (Some(state), Some(request)) = (returned.get("state"), expected(broker, call, mode)) else {
        return astray(code(&returned));
    };
    let browser = call.cookie(cookie_name(mode)).filter(|id| session::is_browser(id));
    let issuer = issuer(broker, call, &returned);
    let presented = Presented { state, browser, callback: &request, issuer };
    match session::take(&*broker.registry, &presented, broker.clock.now()).await? {
        Taken::Astray => astray(code(&returned)),
        Taken::NotYours => {
            events::astray("another browser's flow", None);
            Ok(page::show(branding, &Notice::OtherBrowser))
        }
        Taken::Late(session) => ending::late(broker, &session.link),
        Taken::Before(name, session) => match awaited(broker, call, &name).await {
            Ok(Some(ended)) => ending::show(broker, &session.link, &ended),
            Ok(None) => Ok(page::show(branding, &Notice::UnderWay)),
            Err(cause) => {
                tracing::warn!(?cause, "how a flow ended cannot be read");
                Ok(page::show(branding, &Notice::UnderWay))
            }
        },
        Taken::Ours(name, session) => {
            let deadline = broker.deadline(call.watch);
            let ended = callback::finish(broker, deadline, &name, &session.link, state, &returned).await;
            if let Err(cause) = session::end(&*broker.registry, &name, &session, &ended).await {
                tracing::warn!(?cause, "how a flow ended was not written down");
            }
            events::ended(&session.link, &ended);
            ending::show(broker, &session.link, &ended)
        }
    }
}

/// Gives the error of a callback that belongs to no flow, for whoever registers the client: many vendors send it before
/// they look at the state. Anybody can make up such a callback, so only what looks like a code is shown.
fn code(returned: &Returned) -> Option<&str> {
    let is_code = |error: &&str| error.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-.".contains(&c));
    returned.error().filter(is_code)
}

/// Reads the query, or the body of a form.
fn returned(call: &Call, mode: ResponseMode) -> Option<Returned> {
    Returned::new(match mode {
        ResponseMode::FormPost => call.form(),
        ResponseMode::Query => {
            call.queries().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        }
    })
}

/// Names this request as the session does; `None` when no element's vendor would send it.
fn expected(broker: &Broker, call: &Call, mode: ResponseMode) -> Option<String> {
    let key = call.parameter("elementKey");
    let method = if mode == ResponseMode::FormPost { "POST" } else { "GET" };
    if key.is_empty() {
        return Some(format!("{method} /oauth/callback"));
    }
    // A number would name the element too; the redirect URI that was registered has the key.
    broker.catalogue.find(key).filter(|element| element.identity.key == key)?;
    Some(format!("{method} /oauth/callback/{key}"))
}

/// Gives the issuer that has to be the session's: of an element whose issuer nobody has written down, none.
fn issuer<'a>(broker: &Broker, call: &Call, returned: &'a Returned) -> Option<&'a str> {
    let named =
        broker.catalogue.find(call.parameter("elementKey")).and_then(|element| element.oauth2.as_ref());
    let unknown = named.is_some_and(|oauth2| oauth2.authorize.issuer.is_none());
    returned.get("iss").filter(|_| !unknown)
}

/// Waits for whoever is at the same answer.
async fn awaited(broker: &Broker, call: &Call, name: &str) -> Result<Option<Ended>, StoreError> {
    loop {
        let found = session::find(&*broker.registry, name).await?;
        let ended = found.and_then(|session| session.outcome(broker.clock.now()));
        if ended.is_some() || !call.watch.is_before(WAIT) {
            return Ok(ended);
        }
        tokio::time::sleep(Duration::from_millis(random::between(LOOK.0, LOOK.1))).await;
    }
}
