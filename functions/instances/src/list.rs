//! `GET /instances` and `GET /elements/{keyOrId}/instances`: the calling user's instances, by id.

use broker::Broker;
use broker::Error;
use broker::id::InstanceId;
use broker::record::instance::{self, Filter};
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn handle(broker: &Broker, call: &Call) -> Answer {
    let user = broker.caller(&call.credentials()?).await?;
    let key_or_id = Some(call.parameter("keyOrId")).filter(|given| !given.is_empty());
    let filter = Filter {
        tags: tags(call),
        search: call.query("searchText").map(str::to_owned),
        element: key_or_id
            .map(|given| broker.catalogue.element(given).map(|found| found.identity.key.clone()))
            .transpose()?,
    };
    let after = call.query("nextPage").map(next_page).transpose()?;
    let (found, more) = instance::list(&*broker.registry, user.id, &filter, after, call.page_size()?).await?;
    let Some(last) = found.last() else {
        return Err(Error::NotFound("No element instances found".into()).into());
    };
    let body =
        |instance| Ok(show::instance::instance(instance, broker.token(instance)?, &broker.catalogue, &user));
    let next = more.then(|| last.id.to_string());
    answer::list(&found.iter().map(body).collect::<Result<Vec<_>, Error>>()?, next.as_deref())
}

/// Reads `tags[]`, as clients write it: also `tags[0]` and `tags`.
fn tags(call: &Call) -> Vec<String> {
    let is_tag = |name: &str| name == "tags" || name.starts_with("tags[") && name.ends_with(']');
    call.queries()
        .filter(|(name, value)| is_tag(name) && !value.is_empty())
        .map(|(_, tag)| tag.into())
        .collect()
}

fn next_page(given: &str) -> Result<InstanceId, Error> {
    let refuse = || Error::Invalid("nextPage must be what Elements-Next-Page-Token said".into());
    InstanceId::parse(given).ok_or_else(refuse)
}
