//! Links and apps.

use broker::clock::{self, Timestamp};
use broker::id::InstanceId;
use broker::record::app::App;
use broker::record::link::Link;
use broker::record::settings::MASK;
use payloads::apps::{App as AppPayload, MaskedClient};
use payloads::links::{ElementKey, Link as LinkPayload};

/// Shows a link as it stands at that time; `url` is what visitors open, `made` the instance that came of it.
pub fn link(link: &Link, url: String, now: Timestamp, made: Option<InstanceId>) -> LinkPayload {
    let status = match link {
        link if link.is_used() => "used",
        link if link.until <= now => "expired",
        _ => "open",
    };
    LinkPayload {
        id: link.id.0.clone(),
        url,
        expires_at: clock::rfc3339(link.until),
        created_date: clock::rfc3339(link.created),
        status: status.into(),
        element: ElementKey { key: link.element.clone() },
        name: link.name.clone(),
        tags: link.tags.clone(),
        reusable: link.reusable,
        configuration: link.configuration.clone(),
        scope: link.scope.clone(),
        state: link.state.clone(),
        return_url: link.return_url.clone(),
        instance_id: link.instance.or(made).map(|id| id.0),
        app_id: link.app.as_ref().map(|app| app.0.clone()),
    }
}

/// Shows an app.
pub fn app(app: &App) -> AppPayload {
    AppPayload {
        id: app.id.0.clone(),
        name: app.name.clone(),
        created_date: clock::rfc3339(app.created),
        element: ElementKey { key: app.element.clone() },
        configuration: MaskedClient { key: MASK.into(), secret: MASK.into() },
    }
}
