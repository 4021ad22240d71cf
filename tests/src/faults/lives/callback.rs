//! A visitor of hosted connect comes back from the vendor, without HTTP.

use std::marker::PhantomData;

use broker::Broker;
use broker::connect::open::LinkOpener;
use broker::id::InstanceId;
use broker::id::UserId;
use broker::random;
use broker::record::link::{self, Link};
use broker::record::session;
use broker::record::settings::{Given, MASK, REDIRECT_URI};
use broker::record::user::{self, User};
use broker::seal::key;
use broker::store::records::{self, Registry as _};
use lambda_http::{Body, Request};
use url::Url;
use web::Router;

use super::registration::register;
use super::revision::rekeyed;
use super::{Answer, Life};
use crate::client::{API_KEY, API_SECRET, parameter};
use crate::faults::world::World;
use crate::machine::{ADDRESS, Machine, create};

/// A visitor comes back from the vendor.
pub struct Callback<K>(Visit, PhantomData<K>);

/// What link was opened.
#[expect(async_fn_in_trait, reason = "the tests alone make links, on one thread")]
pub trait Kind {
    /// The life's heading.
    const TITLE: &'static str;

    /// Makes the link.
    async fn link(machine: &Machine) -> Link;
}

/// One that brings the vendor's client along.
pub struct OwnClient;

/// One that names an app.
pub struct AppsClient;

/// One that authenticates an instance again.
pub struct Again;

/// A visitor who has opened a link.
pub struct Visit {
    link: Link,
    cookie: String,
    state: String,
    code: String,
}

/// Makes the first user, and gives a link of theirs that works once and is for the vendor's client itself.
pub async fn link(machine: &Machine) -> Link {
    let user = User { id: UserId(1), ..User::default() };
    machine.registry.insert(&user::key(user.id), records::to_item(&user).unwrap()).await.unwrap();
    let (broker, id, now) = (machine.sound(), link::id(UserId(1), machine.clock.now()), machine.clock.now());
    let connect = broker.connect().unwrap();
    let secrets = [("oauth.api.key", API_KEY), ("oauth.api.secret", API_SECRET)];
    let mut configuration: Given = secrets.map(|(key, _)| (key.to_owned(), Some(MASK.to_owned()))).into();
    configuration.insert(REDIRECT_URI.into(), Some(format!("{ADDRESS}/oauth/callback/faulty")));
    let secrets = secrets.map(|(key, secret)| (key.to_owned(), secret.to_owned().into())).into();
    Link {
        client: Link::seal_client(&connect.keyring, &id, API_KEY),
        sealed: Link::seal_secrets(connect.secrets().unwrap(), &id, &secrets).unwrap(),
        id,
        user: UserId(1),
        element: "faulty".into(),
        configuration,
        created: now,
        until: now + 3_600,
        expires: Link::kept(now + 3_600),
        ..Link::default()
    }
}

/// The same for a new app.
pub async fn link_of_app(machine: &Machine) -> Link {
    let app = register(&machine.sound()).await.unwrap().id;
    Link { app: Some(app), sealed: None, ..link(machine).await }
}

/// Opens a link; gives the page's status when it leads nowhere.
pub async fn open(machine: &Machine, link: &Link) -> Result<Visit, u16> {
    let Broker { catalogue, clock, registry, connect, .. } = machine.sound();
    let broker = LinkOpener { catalogue, clock, registry, connect: connect.unwrap() };
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = format!("/connect/{}", link.id).parse().unwrap();
    let answer = Router::new(connect::ROUTES).answer(&broker, request).await;
    let Some(location) = answer.headers().get("location") else { return Err(answer.status().as_u16()) };
    let state = parameter(&Url::parse(location.to_str().unwrap()).unwrap(), "state").unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    Ok(Visit { link: link.clone(), cookie, state, code: random::id() })
}

/// Keeps a link and opens it.
pub async fn visit(machine: &Machine, link: Link) -> Visit {
    link::add(&machine.registry, &link).await.unwrap();
    open(machine, &link).await.unwrap()
}

/// Comes back from the vendor with a code; gives the page's status.
pub async fn come_back(broker: &Broker, visit: &Visit) -> u16 {
    let uri = format!("/oauth/callback/faulty?code={}&state={}", visit.code, visit.state);
    let request = lambda_http::http::Request::builder().uri(uri).header("cookie", &visit.cookie);
    let request = request.body(Body::Empty).unwrap();
    Router::new(oauth_callback::ROUTES).answer(broker, request).await.status().as_u16()
}

/// The visitor opens the link once more, and comes back once more.
async fn opens_again(machine: &Machine, visit: &Visit) -> Answer {
    let words = match open(machine, &visit.link).await {
        Ok(again) => format!("opens the link once more: `{}`", come_back(&machine.sound(), &again).await),
        Err(status) => format!("needs a new link: `{status}`"),
    };
    Answer::new(words)
}

impl<K: Kind> Life for Callback<K> {
    const TITLE: &'static str = K::TITLE;

    async fn set_up(world: &World) -> Self {
        let link = K::link(&world.machine).await;
        Self(visit(&world.machine, link).await, PhantomData)
    }

    async fn act(&self, broker: &Broker) -> Answer {
        Answer::new(format!("`{}`", come_back(broker, &self.0).await))
    }

    async fn next(&self, world: &World, broker: &Broker) -> Answer {
        match self.0.link.instance {
            Some(_) => rekeyed(world, broker).await,
            None => opens_again(&world.machine, &self.0).await,
        }
    }

    async fn left(&self, world: &World) -> Vec<String> {
        let registry = &world.machine.registry;
        let session = session::find(registry, &key::fingerprint(&self.0.state)).await.unwrap().unwrap();
        let link = link::find(registry, &self.0.link.id).await.unwrap().unwrap();
        let session = match (session.taken_at, session.result) {
            (None, _) => "a session",
            (Some(_), None) => "a session that is taken",
            (Some(_), Some(_)) => "a session with its result",
        };
        let link = if link.is_used() { "a link that is used" } else { "a link" };
        vec![session.to_owned(), link.to_owned()]
    }
}

impl Kind for OwnClient {
    const TITLE: &'static str = "A visitor's callback";

    async fn link(machine: &Machine) -> Link {
        link(machine).await
    }
}

impl Kind for AppsClient {
    const TITLE: &'static str = "A visitor's callback with an app's client";

    async fn link(machine: &Machine) -> Link {
        link_of_app(machine).await
    }
}

impl Kind for Again {
    const TITLE: &'static str = "A visitor's callback that authenticates an instance again";

    async fn link(machine: &Machine) -> Link {
        create(&machine.sound()).await.unwrap();
        machine.pass(1);
        let mut link = Link { instance: Some(InstanceId(1)), sealed: None, ..link(machine).await };
        link.configuration.retain(|key, _| key == REDIRECT_URI);
        link
    }
}
