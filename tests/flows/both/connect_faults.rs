//! The callback of hosted connect while stores fail, replies are lost, and the process dies at every operation.

use lambda_http::{Body, Request};
use tests::client::API_KEY;
use tests::machine::{Machine, create};
use tests::suites::faulty::{Fault, Plan};
use tests::told::Told;
use url::Url;
use valetkey::app::App;
use valetkey::client::{self, Pair, Registered};
use valetkey::configuration::{Given, MASK, REDIRECT_URI};
use valetkey::error::Error;
use valetkey::http::Router;
use valetkey::link::{self, Link};
use valetkey::user::{self, User};
use valetkey::vault::Vault;

use crate::both::revision_faults::{SECOND, access_token, found, rekey};

const SECRETS: [(&str, &str); 2] =
    [("oauth.api.key", "planted-api-key"), ("oauth.api.secret", "planted-api-secret")];

/// Whose client a link's flows are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// The one that the link brings along.
    Own,
    /// An app's.
    App,
}

const CLIENTS: [Client; 2] = [Client::Own, Client::App];

impl Client {
    /// The operations of a callback: the session, the link, the number, the record, the app, the secret, the
    /// commit, the result.
    fn operations(self) -> Vec<&'static str> {
        let app = (self == Self::App).then_some("vault get");
        let before = ["registry update", "registry update", "registry next", "registry insert"];
        let after = ["vault create", "registry update", "registry update"];
        before.into_iter().chain(app).chain(after).collect()
    }

    /// The operation that puts the grant into the vault.
    fn secret(self) -> usize {
        self.operations().iter().position(|operation| *operation == "vault create").unwrap() + 1
    }
}

/// Longer than a creation is waited for.
const UNFINISHED: i64 = 3_700;

/// A visitor who has opened a link and comes back from the vendor.
pub(crate) struct Visit {
    link: Link,
    cookie: String,
    state: String,
}

/// Keeps a link of the first user that works once.
async fn linked(machine: &Machine, client: Client) -> Link {
    let app = machine.sound();
    let named = match client {
        Client::Own => None,
        Client::App => Some(registered(&app).await.unwrap().id),
    };
    let user = User { id: 1, ..User::default() };
    user::add(&machine.registry, &user, &"planted-user".to_owned().into()).await.unwrap();
    let seal = &app.connect().unwrap().seal;
    let (id, now) = (link::id(1, machine.clock.now()), machine.clock.now());
    let secrets = SECRETS.map(|(key, secret)| (key.to_owned(), secret.to_owned().into())).into();
    let mut configuration: Given = SECRETS.map(|(key, _)| (key.to_owned(), Some(MASK.to_owned()))).into();
    let callback = format!("{}/oauth/callback/faulty", tests::machine::ADDRESS);
    configuration.insert(REDIRECT_URI.into(), Some(callback));
    let link = Link {
        client: Link::seal_client(seal, &id, SECRETS[0].1),
        sealed: if named.is_some() {
            None
        } else {
            Link::seal_secrets(app.connect().unwrap().secrets().unwrap(), &id, &secrets).unwrap()
        },
        app: named,
        id,
        user: 1,
        element: "faulty".into(),
        configuration,
        created: now,
        until: now + 3_600,
        expires: Link::kept(now + 3_600),
        ..Link::default()
    };
    link::add(&machine.registry, &link).await.unwrap();
    link
}

/// Opens a link; gives the page's status when it leads nowhere.
async fn open(machine: &Machine, link: &Link) -> Result<Visit, u16> {
    let App { catalogue, clock, registry, connect, .. } = machine.sound();
    let app = connect::App { catalogue, clock, registry, connect: connect.unwrap() };
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = format!("/connect/{}", link.id).parse().unwrap();
    let answer = Router::new(connect::ROUTES).answer(&app, request).await;
    let Some(location) = answer.headers().get("location") else { return Err(answer.status().as_u16()) };
    let state = tests::client::parameter(&Url::parse(location.to_str().unwrap()).unwrap(), "state").unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    Ok(Visit { link: link.clone(), cookie, state })
}

pub(crate) async fn visit(machine: &Machine, client: Client) -> Visit {
    open(machine, &linked(machine, client).await).await.unwrap()
}

/// Comes back from the vendor with a code; gives the status.
pub(crate) async fn comes_back(app: &App, visit: &Visit) -> u16 {
    let uri = format!("/oauth/callback/faulty?code=c&state={}", visit.state);
    let request = lambda_http::http::Request::builder().uri(uri).header("cookie", &visit.cookie);
    let request = request.body(Body::Empty).unwrap();
    Router::new(oauth_callback::ROUTES).answer(app, request).await.status().as_u16()
}

/// Every operation of every callback.
fn turns() -> impl Iterator<Item = (Client, usize)> {
    CLIENTS.into_iter().flat_map(|client| (1..=client.operations().len()).map(move |turn| (client, turn)))
}

#[tokio::test]
async fn a_callback_takes_seven_operations_and_one_exchange_and_one_more_for_an_app() {
    for client in CLIENTS {
        let (machine, plan) = (Machine::new().await, Plan::everywhere(0, None));
        let visit = visit(&machine, client).await;
        assert_eq!(comes_back(&machine.planned(&plan), &visit).await, 200);
        assert_eq!((plan.made(), machine.asked(), machine.visible().await), (client.operations(), (1, 0), 1));
    }
}

#[tokio::test]
async fn a_visitors_grant_survives_a_death_at_any_operation_of_the_callback() {
    for (client, turn) in turns() {
        for fault in [Fault::DeathBefore, Fault::DeathAfter] {
            let (told, _guard) = Told::listen();
            let (machine, plan) = (Machine::new().await, Plan::everywhere(turn, Some(fault)));
            let visit = visit(&machine, client).await;
            plan.dies_in(comes_back(&machine.planned(&plan), &visit)).await;
            let (done, secret) = (if fault == Fault::DeathAfter { turn } else { turn - 1 }, client.secret());
            let context = format!("{client:?}, after {done} operations");
            assert_eq!(machine.asked().0, usize::from(turn >= secret), "{context}");
            machine.pass(UNFINISHED);
            machine.sweep().await;
            // What the vault has is the owner's; what it has not is told.
            assert_eq!(machine.visible().await, usize::from(done >= secret), "{context}");
            assert_eq!(machine.asked(), (usize::from(turn >= secret), 0), "{context}: nothing is revoked");
            let lost = told.metrics().contains(&"GrantLost".to_owned());
            assert_eq!(lost, (4..secret).contains(&done), "{context}: {:?}", told.metrics());
            // Whoever died before the link was used has not used it up; nobody makes a second instance.
            let registry = &machine.registry;
            let link = link::find(registry, &visit.link.id).await.unwrap().unwrap();
            assert_eq!(link.is_used(), done >= 2, "{context}");
        }
    }
}

#[tokio::test]
async fn lost_replies_of_a_callback_change_nothing() {
    for (client, turn) in turns() {
        let (machine, plan) = (Machine::new().await, Plan::everywhere(turn, Some(Fault::LosesReply)));
        let visit = visit(&machine, client).await;
        let status = comes_back(&machine.planned(&plan), &visit).await;
        // A number that nobody knows of, a link or a record whose reply is lost: the vendor has not been asked.
        let spent = !(2..client.secret()).contains(&turn);
        assert_eq!((status == 200, machine.asked().0 == 1), (spent, spent), "operation {turn}: {status}");
        assert_eq!(machine.visible().await, usize::from(spent), "operation {turn}");
        if !spent {
            let again = open(&machine, &visit.link).await;
            assert!(again.is_ok(), "operation {turn}: the link was given back");
        }
    }
}

#[tokio::test]
async fn a_callback_that_a_store_fails_once_keeps_what_the_vendor_gave() {
    for (client, turn) in turns() {
        let (machine, plan) = (Machine::new().await, Plan::everywhere(turn, Some(Fault::FailsOnce)));
        let visit = visit(&machine, client).await;
        let status = comes_back(&machine.planned(&plan), &visit).await;
        let spent = !(2..client.secret()).contains(&turn);
        assert_eq!(
            (status == 200, machine.visible().await == 1),
            (spent, spent),
            "operation {turn}: {status}"
        );
        if spent {
            // The same browser gets the same answer, or would, had it been written down.
            continue;
        }
        let again = open(&machine, &visit.link).await.unwrap();
        assert_eq!(
            comes_back(&machine.sound(), &again).await,
            200,
            "operation {turn}: the link was given back"
        );
        assert_eq!((machine.asked().0, machine.visible().await), (1, 1));
    }
}

#[tokio::test]
async fn a_grant_that_a_vault_does_not_take_is_not_revoked_since_it_may_be_there_after_all() {
    let (told, _guard) = Told::listen();
    let own = Client::Own;
    let (machine, plan) = (Machine::new().await, Plan::everywhere(own.secret(), Some(Fault::Fails)));
    let visit = visit(&machine, own).await;
    assert_eq!(comes_back(&machine.planned(&plan), &visit).await, 502);
    assert_eq!((machine.asked(), machine.visible().await), ((1, 0), 0));
    machine.pass(UNFINISHED);
    machine.sweep().await;
    let metrics = told.metrics();
    assert!(
        metrics.contains(&"GrantUnkept".to_owned()) && metrics.contains(&"GrantLost".to_owned()),
        "{metrics:?}"
    );
}

#[tokio::test]
async fn what_a_link_began_is_undone_when_its_owner_is_gone() {
    let own = Client::Own;
    let (machine, plan) = (Machine::new().await, Plan::everywhere(own.secret(), Some(Fault::DeathAfter)));
    let visit = visit(&machine, own).await;
    plan.dies_in(comes_back(&machine.planned(&plan), &visit)).await;
    user::remove(&machine.registry, 1).await.unwrap();
    machine.pass(UNFINISHED);
    machine.sweep().await;
    assert_eq!((machine.asked(), machine.record().await.is_none()), ((1, 1), true), "it is revoked");
}

/// Opens a link that authenticates the first instance again.
pub(crate) async fn visit_again(machine: &Machine) -> Visit {
    let link = linked(machine, Client::Own).await;
    let link = Link { id: link::id(1, machine.clock.now()), instance: Some(1), sealed: None, ..link };
    let seal = machine.sound().connect().unwrap().seal.clone();
    let mut link = Link { client: Link::seal_client(&seal, &link.id, API_KEY), ..link };
    link.configuration.retain(|key, _| key == REDIRECT_URI);
    link::add(&machine.registry, &link).await.unwrap();
    open(machine, &link).await.unwrap()
}

/// The operations of a callback that authenticates an instance again, and the one that puts the grant into the
/// vault.
const REVIVAL: (usize, usize) = (8, 6);

#[tokio::test]
async fn a_death_at_any_operation_of_a_reviving_callback_loses_neither_grant() {
    for turn in 1..=REVIVAL.0 {
        for fault in [Fault::DeathBefore, Fault::DeathAfter] {
            let (machine, plan) = (Machine::new().await, Plan::everywhere(turn, Some(fault)));
            create(&machine.sound()).await.unwrap();
            machine.vendor.answers("200 OK", "", SECOND);
            machine.pass(1);
            let (visit, app) = (visit_again(&machine).await, machine.planned(&plan));
            plan.dies_in(comes_back(&app, &visit)).await;
            let done = if fault == Fault::DeathAfter { turn } else { turn - 1 };
            machine.pass(UNFINISHED);
            let app = machine.sound();
            let after = rekey(&app, &found(&machine).await).await.unwrap();
            let expected = if done >= REVIVAL.1 { "second" } else { "access" };
            assert_eq!(access_token(&app, &after).await, expected, "after {done} operations");
            assert_eq!((after.valid, machine.visible().await), (true, 1), "after {done} operations");
        }
    }
}

#[tokio::test]
async fn an_app_that_was_read_is_remembered_for_five_minutes() {
    let (machine, plan) = (Machine::new().await, Plan::everywhere(0, None));
    let app = machine.planned(&plan);
    let link = linked(&machine, Client::App).await;
    let reusable = Link { id: link::id(1, machine.clock.now()), reusable: true, ..link };
    link::add(&machine.registry, &reusable).await.unwrap();
    for (seconds, read) in [(0, 1), (299, 1), (1, 2)] {
        machine.pass(seconds);
        let visit = open(&machine, &reusable).await.unwrap();
        assert_eq!(comes_back(&app, &visit).await, 200);
        let reads = plan.made().into_iter().filter(|operation| *operation == "vault get").count();
        assert_eq!(reads, read, "after {seconds} more seconds");
    }
}

/// Registers an app.
pub(crate) async fn registered(app: &App) -> Result<Registered, Error> {
    let element = app.catalogue.find("faulty").unwrap();
    client::register(app, 1, element, "Ours".into(), &pair()).await
}

fn pair() -> Pair {
    let [key, secret] = SECRETS.map(|(_, secret)| secret.to_owned().into());
    Pair { key, secret }
}

#[tokio::test]
async fn an_app_whose_registration_died_is_completed_or_deleted() {
    for turn in 1..=4 {
        for fault in [Fault::DeathBefore, Fault::DeathAfter] {
            let (machine, plan) = (Machine::new().await, Plan::everywhere(turn, Some(fault)));
            plan.dies_in(registered(&machine.planned(&plan))).await;
            let done = if fault == Fault::DeathAfter { turn } else { turn - 1 };
            let app = machine.sound();
            let (left, _) = client::list(&machine.registry, 1, None, None, 10).await.unwrap();
            assert_eq!(left.len(), usize::from(done >= 1), "after {done} operations");
            for left in left {
                assert_eq!(left.client.is_some(), done == 4, "after {done} operations");
                let whole = client::replace(&app, &left, None, &pair()).await.unwrap();
                let seal = &app.connect().unwrap().seal;
                assert_eq!(whole.client_id(seal).unwrap(), SECRETS[0].1);
                client::remove(&app, &whole).await.unwrap();
                assert!(machine.vault.latest(&whole.id).await.unwrap().is_none());
            }
        }
    }
}
