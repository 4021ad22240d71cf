//! `PUT` and `PATCH /instances/{id}`: another name, tags or configuration, and a new consent; with
//! `reAuthenticate=true` and no code the grant is refreshed.

use broker::Broker;
use broker::Error;
use broker::grant::consent::consent;
use broker::grant::refresh::{self, Freshness};
use broker::grant::settings;
use broker::record::account::{self, Account};
use broker::store::retry::Deadline;
use web::body;
use web::show;
use web::{Answer, Call, answer};

use crate::draft::{self, Revision};

pub(crate) async fn put(broker: &Broker, call: &Call) -> Answer {
    answer(broker, call, true).await
}

pub(crate) async fn patch(broker: &Broker, call: &Call) -> Answer {
    answer(broker, call, false).await
}

async fn answer(broker: &Broker, call: &Call, whole: bool) -> Answer {
    let (user, account) = crate::named(broker, call).await?;
    let element = broker.catalogue.element(&account.instance.element)?;
    let sent = call.object()?;
    let Revision { edit, source, told } = draft::revision(element, &sent, whole)?;
    let named = body::text(sent.get("appId")).filter(|id| !id.is_empty());
    if named.is_some() && named != account.instance.app.as_ref().map(|app| app.0.clone()) {
        return Err(Error::Invalid(
            "`appId` of an instance cannot be changed; oauth.api.key and oauth.api.secret give it a client of its own"
                .into(),
        )
        .into());
    }
    let again = call.query("reAuthenticate").is_some_and(|said| said.eq_ignore_ascii_case("true"));
    let deadline = broker.deadline(call.watch);
    let changed = if let Some(source) = source {
        consent(broker, account, &edit, &source, &told, deadline).await?
    } else {
        let instance = settings::change(broker, account.instance.clone(), &edit, deadline).await?;
        refreshed(broker, account.with(instance), again, deadline).await?
    };
    let (instance, token) = (changed.shown(), broker.token(&changed.instance)?);
    answer::json(&show::instance::instance(&instance, token, &broker.catalogue, &user))
}

/// Gets new tokens, if they are asked for.
async fn refreshed(
    broker: &Broker,
    account: Account,
    is_asked: bool,
    deadline: Deadline,
) -> Result<Account, Error> {
    if !is_asked {
        return Ok(account);
    }
    refresh::live(broker, account.clone(), Freshness::Force, deadline).await?;
    account::find_again(&*broker.registry, &account).await
}
