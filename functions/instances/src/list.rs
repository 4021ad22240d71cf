//! `GET /instances` and `GET /elements/{keyOrId}/instances`: the calling user's instances, by id.

use lambda_http::{Body, Response};
use valetkey::app::App;
use valetkey::error::Error;
use valetkey::http::{self, Call};
use valetkey::instance::{self, Filter};
use valetkey::wire::InstanceBody;

pub(crate) async fn handle(app: &App, call: &Call) -> Result<Response<Body>, Error> {
    let user = app.caller(call).await?.user;
    let key_or_id = Some(call.parameter("keyOrId")).filter(|given| !given.is_empty());
    let filter = Filter {
        tags: tags(call),
        search: call.query("searchText").map(str::to_owned),
        element: key_or_id
            .map(|given| app.catalogue.element(given).map(|found| found.identity.key.clone()))
            .transpose()?,
    };
    let after = call.query("nextPage").map(next_page).transpose()?;
    let (found, more) = instance::list(&*app.registry, user.id, &filter, after, call.page_size()?).await?;
    let Some(last) = found.last() else {
        return Err(Error::NotFound("No element instances found".into()));
    };
    let body = |instance| Ok(InstanceBody::new(instance, app.token(instance)?, &app.catalogue, &user));
    let next = more.then(|| last.id.to_string());
    http::list(&found.iter().map(body).collect::<Result<Vec<_>, Error>>()?, next.as_deref())
}

/// Reads `tags[]`, as clients write it: also `tags[0]` and `tags`.
fn tags(call: &Call) -> Vec<String> {
    let is_tag = |name: &str| name == "tags" || name.starts_with("tags[") && name.ends_with(']');
    call.queries()
        .filter(|(name, value)| is_tag(name) && !value.is_empty())
        .map(|(_, tag)| tag.into())
        .collect()
}

fn next_page(given: &str) -> Result<u64, Error> {
    let refuse = |_| Error::Invalid("nextPage must be what Elements-Next-Page-Token said".into());
    given.parse().map_err(refuse)
}
