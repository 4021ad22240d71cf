//! `GET /instances/{id}/configuration`, and `GET` and `PATCH` of one entry.

use std::collections::BTreeMap;

use broker::Broker;
use broker::Error;
use broker::grant::settings::{self, Edit};
use broker::record::instance::Instance;
use payloads::lenient;
use payloads::settings::SettingValue;
use web::show;
use web::{Answer, Call, answer};

pub(crate) async fn list(broker: &Broker, call: &Call) -> Answer {
    let (_, account) = crate::named(broker, call).await?;
    answer::json(&entries(broker, &account.shown())?)
}

pub(crate) async fn show(broker: &Broker, call: &Call) -> Answer {
    let (_, account) = crate::named(broker, call).await?;
    answer::json(&entry(broker, call, &account.shown())?)
}

/// Changes the value of one entry: `propertyValue` in the body.
pub(crate) async fn patch(broker: &Broker, call: &Call) -> Answer {
    let (_, account) = crate::named(broker, call).await?;
    let instance = account.shown();
    let key = entry(broker, call, &instance)?.key;
    let body = call.object()?;
    let value = match body.get("propertyValue") {
        Some(serde_json::Value::Null) => None,
        Some(value) => Some(
            lenient::text(value)
                .ok_or_else(|| Error::Invalid("`propertyValue` must be text or null".into()))?,
        ),
        None => return Err(Error::Invalid("Missing propertyValue".into()).into()),
    };
    let configuration = Some(BTreeMap::from([(key, value)]));
    let edit = Edit { configuration, ..Edit::default() };
    let instance = settings::change(broker, account.instance, &edit, broker.deadline(call.watch)).await?;
    answer::json(&entry(broker, call, &instance)?)
}

fn entries(broker: &Broker, instance: &Instance) -> Result<Vec<SettingValue>, Error> {
    Ok(show::instance::configuration(broker.catalogue.element(&instance.element)?, instance))
}

/// Finds the entry whose id, or key, the path names.
fn entry(broker: &Broker, call: &Call, instance: &Instance) -> Result<SettingValue, Error> {
    let named = call.parameter("configurationId");
    let is_named =
        |entry: &SettingValue| entry.key == named || entry.id != 0 && entry.id.to_string() == named;
    let found = entries(broker, instance)?.into_iter().find(is_named);
    found.ok_or_else(|| Error::NotFound(format!("No configuration found with ID {named}")))
}
