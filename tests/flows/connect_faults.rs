//! The callback of hosted connect while stores fail, replies are lost, and the process dies at every operation.

use lambda_http::{Body, Request};
use tests::machine::Machine;
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

const SECRETS: [(&str, &str); 2] =
    [("oauth.api.key", "planted-api-key"), ("oauth.api.secret", "planted-api-secret")];

/// The operations of a callback: the session, the link, the number, the record, the secret, the commit, the
/// result.
const OPERATIONS: [&str; 7] = [
    "registry update",
    "registry update",
    "registry next",
    "registry insert",
    "vault create",
    "registry update",
    "registry update",
];

/// The operation that puts the grant into the vault.
const SECRET: usize = 5;

/// Longer than a creation is waited for.
const UNFINISHED: i64 = 3_700;

/// A visitor who has opened a link and comes back from the vendor.
pub(crate) struct Visit {
    link: Link,
    cookie: String,
    state: String,
}

/// Keeps a link of the first user that works once.
async fn linked(machine: &Machine) -> Link {
    let app = machine.sound();
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
        sealed: Link::seal_secrets(seal, &id, &secrets).unwrap(),
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

pub(crate) async fn visit(machine: &Machine) -> Visit {
    open(machine, &linked(machine).await).await.unwrap()
}

/// Comes back from the vendor with a code; gives the status.
pub(crate) async fn comes_back(app: &App, visit: &Visit) -> u16 {
    let uri = format!("/oauth/callback/faulty?code=c&state={}", visit.state);
    let request = lambda_http::http::Request::builder().uri(uri).header("cookie", &visit.cookie);
    let request = request.body(Body::Empty).unwrap();
    Router::new(oauth_callback::ROUTES).answer(app, request).await.status().as_u16()
}

#[tokio::test]
async fn a_callback_takes_seven_operations_and_one_exchange() {
    let (machine, plan) = (Machine::new().await, Plan::everywhere(0, None));
    let visit = visit(&machine).await;
    assert_eq!(comes_back(&machine.planned(&plan), &visit).await, 200);
    assert_eq!((plan.made(), machine.asked(), machine.visible().await), (OPERATIONS.to_vec(), (1, 0), 1));
}

#[tokio::test]
async fn a_visitors_grant_survives_a_death_at_any_operation_of_the_callback() {
    for turn in 1..=OPERATIONS.len() {
        for fault in [Fault::DeathBefore, Fault::DeathAfter] {
            let (told, _guard) = Told::listen();
            let (machine, plan) = (Machine::new().await, Plan::everywhere(turn, Some(fault)));
            let visit = visit(&machine).await;
            plan.dies_in(comes_back(&machine.planned(&plan), &visit)).await;
            let done = if fault == Fault::DeathAfter { turn } else { turn - 1 };
            let context = format!("after {done} operations");
            assert_eq!(machine.asked().0, usize::from(turn >= SECRET), "{context}");
            machine.pass(UNFINISHED);
            machine.sweep().await;
            // What the vault has is the owner's; what it has not is told.
            assert_eq!(machine.visible().await, usize::from(done >= SECRET), "{context}");
            assert_eq!(machine.asked(), (usize::from(turn >= SECRET), 0), "{context}: nothing is revoked");
            let lost = told.metrics().contains(&"GrantLost".to_owned());
            assert_eq!(lost, (4..SECRET).contains(&done), "{context}: {:?}", told.metrics());
            // Whoever died before the link was used has not used it up; nobody makes a second instance.
            let registry = &machine.registry;
            let link = link::find(registry, &visit.link.id).await.unwrap().unwrap();
            assert_eq!(link.is_used(), done >= 2, "{context}");
        }
    }
}

#[tokio::test]
async fn lost_replies_of_a_callback_change_nothing() {
    for turn in 1..=OPERATIONS.len() {
        let (machine, plan) = (Machine::new().await, Plan::everywhere(turn, Some(Fault::LosesReply)));
        let visit = visit(&machine).await;
        let status = comes_back(&machine.planned(&plan), &visit).await;
        // A number that nobody knows of, a link or a record whose reply is lost: the vendor has not been asked.
        let spent = ![2, 3, 4].contains(&turn);
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
    for turn in 1..=OPERATIONS.len() {
        let (machine, plan) = (Machine::new().await, Plan::everywhere(turn, Some(Fault::FailsOnce)));
        let visit = visit(&machine).await;
        let status = comes_back(&machine.planned(&plan), &visit).await;
        let spent = ![2, 3, 4].contains(&turn);
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
    let (machine, plan) = (Machine::new().await, Plan::everywhere(SECRET, Some(Fault::Fails)));
    let visit = visit(&machine).await;
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
    let (machine, plan) = (Machine::new().await, Plan::everywhere(SECRET, Some(Fault::DeathAfter)));
    let visit = visit(&machine).await;
    plan.dies_in(comes_back(&machine.planned(&plan), &visit)).await;
    user::remove(&machine.registry, 1).await.unwrap();
    machine.pass(UNFINISHED);
    machine.sweep().await;
    assert_eq!((machine.asked(), machine.record().await.is_none()), ((1, 1), true), "it is revoked");
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
