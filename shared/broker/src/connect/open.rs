//! A link is opened: what is missing is asked for, then a session begins and the browser goes to the vendor. The
//! vendor is not asked anything, and no secret is opened.

use std::sync::Arc;

use vendors::authorize::{self, Challenge, Request};
use vendors::catalogue::Catalogue;
use vendors::descriptor::{Element, OAuth2};
use vendors::tenant;

use crate::clock::Clock;
use crate::error::Error;
use crate::hosted_connect::{self, HostedConnect};
use crate::id::LinkId;
use crate::record::instance::{self, Instance};
use crate::record::link::{self, Link};
use crate::record::session::{self, Session};
use crate::record::settings::{self, CLIENT_ID, Given, REDIRECT_URI};
use crate::record::{app, user};
use crate::store::records::Registry;

/// What opening a link needs. It has no vault: no instance's tokens and no app's secret.
pub struct LinkOpener {
    /// The elements of this deployment.
    pub catalogue: Arc<Catalogue>,
    /// The time.
    pub clock: Clock,
    /// Where records are.
    pub registry: Arc<dyn Registry>,
    /// What the deployment configures.
    pub connect: HostedConnect,
}

/// Why a link leads nowhere.
#[derive(Debug)]
pub enum Closed {
    /// It is not there, was withdrawn, or can no longer be followed.
    NoLink,
    /// It works once and has been used.
    Used(Box<Link>),
    /// It has expired.
    Expired(Box<Link>),
    /// Something failed here.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Closed {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// A link that can be followed.
pub struct OpenLink<'a> {
    link: Link,
    /// Its element.
    pub element: &'a Element,
    oauth2: &'a OAuth2,
    /// The configuration that the vendor's URLs depend on, as far as it is known.
    pub known: Given,
}

/// Where a browser goes, and the id that its cookie keeps.
pub struct Departure {
    /// The vendor's URL.
    pub url: String,
    /// The browser's id.
    pub browser: String,
}

impl LinkOpener {
    /// Finds a link that can be followed; `text` is its id as the visitor's URL has it.
    pub async fn find(&self, text: &str) -> Result<OpenLink<'_>, Closed> {
        let id = LinkId::parse(text).ok_or(Closed::NoLink)?;
        let link = self.usable(&id).await?;
        // A deployment may have lost the element meanwhile.
        let element = self.catalogue.find(&link.element).ok_or(Closed::NoLink)?;
        let known = self.known(&link).await?;
        Ok(OpenLink { oauth2: element.oauth2()?, element, known, link })
    }

    async fn usable(&self, id: &LinkId) -> Result<Link, Closed> {
        let registry = &*self.registry;
        let link = link::find(registry, id).await?.ok_or(Closed::NoLink)?;
        let user = user::numbered(registry, link.user).await?;
        let user = user.filter(|user| !user.disabled).ok_or(Closed::NoLink)?;
        // What was allowed when the link was made may be allowed no more.
        if link.return_url.as_ref().is_some_and(|url| !self.connect.allows(&user, url)) {
            return Err(Closed::NoLink);
        }
        if link.is_used() {
            return Err(Closed::Used(Box::new(link)));
        }
        if link.until <= self.clock.now() {
            return Err(Closed::Expired(Box::new(link)));
        }
        Ok(link)
    }

    /// Gives the configuration that the vendor's URLs depend on.
    async fn known(&self, link: &Link) -> Result<Given, Closed> {
        let mut known = match link.instance {
            Some(id) => {
                let instance = instance::find(&*self.registry, link.user, id).await?.ok_or(Closed::NoLink)?;
                if self.has_another_client(link, &instance)? {
                    // The vendor would refuse its code.
                    return Err(Closed::NoLink);
                }
                instance.configuration
            }
            None => Given::new(),
        };
        known.extend(link.configuration.clone());
        Ok(known)
    }

    /// Tells whether an instance that is to be authenticated again has another client than when its link was made.
    fn has_another_client(&self, link: &Link, instance: &Instance) -> Result<bool, Closed> {
        if link.configuration.contains_key(CLIENT_ID) {
            // The link brings a client along.
            return Ok(false);
        }
        Ok(match &link.app {
            Some(_) => link.app != instance.app,
            None => !instance.has_client(&self.link_client(link)?),
        })
    }

    /// Begins a session and names the vendor's URL. `values` is what the visitor has filled in, `browser` the id that
    /// the browser has shown.
    pub async fn depart(
        &self,
        open: OpenLink<'_>,
        values: Given,
        browser: Option<&str>,
    ) -> Result<Departure, Closed> {
        let OpenLink { mut link, element, oauth2, mut known } = open;
        known.extend(values.clone());
        link.configuration.extend(values);
        let url = tenant::of_instance(&oauth2.authorize.url, &oauth2.placeholders, &known)?;
        let browser = browser.filter(|id| session::is_browser(id));
        let browser = browser.map_or_else(session::new_browser, str::to_owned);
        let client_id = self.client_id(element, &link).await?;
        let callback = hosted_connect::callback(oauth2, &element.identity.key);
        // Its secrets stay with the link.
        let link = Link { sealed: None, ..link };
        let issuer = oauth2.authorize.issuer.clone();
        let session = Session::new(self.clock.now(), &browser, callback, issuer, link);
        let state = session::begin(&*self.registry, &session).await?;
        let link = &session.link;
        let request = Request {
            client_id: &client_id,
            redirect_uri: settings::value(&link.configuration, REDIRECT_URI),
            state: &state,
            scope: link.scope.as_deref(),
            pkce: Challenge::Verifier(self.connect.code_verifier(&state)),
        };
        Ok(Departure { url: authorize::url(oauth2, &url, &request), browser })
    }

    /// Gives the client's id: that of the link, or of its app.
    async fn client_id(&self, element: &Element, link: &Link) -> Result<String, Closed> {
        let Some(id) = &link.app else { return self.link_client(link) };
        match app::find(&*self.registry, link.user, element, id).await {
            Ok(registered) => opened(link, registered.client_id(&self.connect.keyring)),
            Err(Error::NotFound(_)) => Err(Closed::NoLink),
            Err(error) => Err(error.into()),
        }
    }

    fn link_client(&self, link: &Link) -> Result<String, Closed> {
        opened(link, link.client_id(&self.connect.keyring))
    }
}

/// A new connect key ends the links, and the links of apps, that were made with the old one.
fn opened<E: std::fmt::Debug>(link: &Link, client_id: Result<String, E>) -> Result<String, Closed> {
    client_id.map_err(|cause| {
        tracing::warn!(?cause, user = link.user.0, "the client's id in a link cannot be opened");
        Closed::NoLink
    })
}
