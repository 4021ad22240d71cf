//! Says what is wrong with a descriptor. The build script fails on it, and so does a folder of
//! further elements when it is read at start.

use std::collections::{BTreeMap, HashSet};

use crate::descriptor::{
    Authorize, CallbackPath, ClientAuthentication, Element, Endpoint, Kind, OAuth2, Pkce, Placeholder,
    ResponseMode, RevokedBy, Setting, is_secret_key,
};

/// The parameters of an authorization request that valetkey sets, besides the scope.
const AUTHORIZE_PARAMETERS: &[&str] =
    &["response_type", "client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method"];

/// Those of a request to the token or revocation endpoint.
const ENDPOINT_PARAMETERS: &[&str] = &[
    "grant_type",
    "code",
    "code_verifier",
    "redirect_uri",
    "client_id",
    "client_secret",
    "refresh_token",
    "token",
    "token_type_hint",
];

/// Lists what is wrong with the elements of one file, each with the field it is about; empty when
/// nothing is.
pub fn problems(elements: &[Element]) -> Vec<String> {
    let mut found = Vec::new();
    for element in elements {
        let mut own = Vec::new();
        identity(element, &mut own);
        found.extend(own.iter().map(|problem| format!("element `{}`: {problem}", element.identity.key)));
    }
    match elements.first() {
        Some(element) => shared(element, &mut found),
        None => found.push("`element`: a file must have at least one".into()),
    }
    found
}

/// Checks what all elements of a file have in common.
fn shared(element: &Element, found: &mut Vec<String>) {
    source(element, found);
    settings(&element.configuration, found);
    if let Some(api) = &element.api {
        let none = BTreeMap::new();
        url("api.base_url", &api.base_url, element.oauth2.as_ref().map_or(&none, |o| &o.placeholders), found);
    }
    if let Some(oauth2) = &element.oauth2 {
        protocol(oauth2, element, found);
    }
}

/// Lists the keys and ids that more than one element claims.
pub fn duplicates<'a>(elements: impl IntoIterator<Item = &'a Element>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for Element { identity, .. } in elements {
        for name in [identity.key.clone(), identity.id.to_string()] {
            if !seen.insert(name.clone()) {
                found.push(format!("element `{}`: another element has the key or id `{name}`", identity.key));
            }
        }
    }
    found
}

fn identity(element: &Element, found: &mut Vec<String>) {
    let identity = &element.identity;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if identity.key.is_empty() || !identity.key.chars().all(plain) {
        found.push("`key` must be lower-case letters, digits, `-` and `_`".into());
    }
    if identity.key.starts_with(|c: char| c.is_ascii_digit()) {
        found.push("`key` must not begin with a digit, since a number is read as an id".into());
    }
    if identity.id == 0 {
        found.push("`id` must be 1 or more".into());
    }
    if !identity.image.starts_with("https://") {
        found.push(format!("`image` must be an https URL, not `{}`", identity.image));
    }
}

fn source(element: &Element, found: &mut Vec<String>) {
    if element.source.pages.is_empty() {
        found.push("`source.pages` must name the page that the facts come from".into());
    }
    let read = element.source.read.as_bytes();
    let dated = read.len() == 10
        && read
            .iter()
            .enumerate()
            .all(|(i, c)| if matches!(i, 4 | 7) { *c == b'-' } else { c.is_ascii_digit() });
    if !dated {
        found.push(format!("`source.read` must be a date as 2026-11-22, not `{}`", element.source.read));
    }
}

fn settings(settings: &[Setting], found: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for setting in settings {
        if !seen.insert(&setting.key) {
            found.push(format!("`configuration`: the key `{}` stands there twice", setting.key));
        }
        hosts(&format!("configuration `{}`", setting.key), &setting.hosts, found);
    }
}

fn protocol(oauth2: &OAuth2, element: &Element, found: &mut Vec<String>) {
    let placeholders = &oauth2.placeholders;
    authorize(&oauth2.authorize, found);
    url("oauth2.authorize.url", &oauth2.authorize.url, placeholders, found);
    endpoint("oauth2.token", &oauth2.token, placeholders, found);
    if let Some(refresh) = &oauth2.refresh {
        endpoint("oauth2.refresh.endpoint", &refresh.endpoint, placeholders, found);
        if refresh.lifetime == Some(0) {
            found.push("`oauth2.refresh.lifetime` must be more than 0 seconds".into());
        }
    }
    if let Some(revoke) = &oauth2.revoke {
        if revoke.by == RevokedBy::Bearer
            && revoke.endpoint.client_authentication != ClientAuthentication::None
        {
            found.push(
                "`oauth2.revoke`: a bearer shows the token alone, so `client_authentication` must be none"
                    .into(),
            );
        }
        endpoint("oauth2.revoke.endpoint", &revoke.endpoint, placeholders, found);
    }
    for key in oauth2.answer.keep.values().chain(oauth2.callback.values()) {
        open_setting("oauth2.answer.keep or oauth2.callback", key, element, found);
    }
    for (name, placeholder) in placeholders {
        fill(name, placeholder, element, found);
    }
    for (position, error) in oauth2.permanent_errors.iter().enumerate() {
        if error.status.is_none() && error.error.is_none() && error.description.is_none() {
            found.push(format!("`oauth2.permanent_errors`: number {} would match every error", position + 1));
        }
    }
}

fn authorize(authorize: &Authorize, found: &mut Vec<String>) {
    if let Some(issuer) = &authorize.issuer {
        url("oauth2.authorize.issuer", issuer, &BTreeMap::new(), found);
    }
    if authorize.callback_path == CallbackPath::Shared && authorize.issuer.is_none() {
        found.push(
            "`oauth2.authorize.callback_path`: a shared one needs an `issuer`, which tells vendors apart"
                .into(),
        );
    }
    if authorize.response_mode == ResponseMode::FormPost && authorize.extra.contains_key("response_mode") {
        found.push(
            "`oauth2.authorize.extra` must not set `response_mode`, which valetkey sets to form_post".into(),
        );
    }
    let order = &authorize.parameters;
    for name in ["response_type", "client_id", "redirect_uri", "scope", "state"] {
        if order.iter().filter(|given| *given == name).count() != 1 {
            found.push(format!("`oauth2.authorize.parameters` must hold `{name}` once"));
        }
    }
    for name in order {
        let standard =
            ["response_type", "client_id", "redirect_uri", "scope", "state"].contains(&name.as_str());
        let challenge = name.starts_with("code_challenge") && authorize.pkce == Pkce::S256;
        if !standard && !challenge && !authorize.extra.contains_key(name) {
            found
                .push(format!("`oauth2.authorize.parameters` holds `{name}`, which `extra` does not define"));
        }
    }
    let scope = [authorize.scope_parameter.as_str()];
    if AUTHORIZE_PARAMETERS.contains(&scope[0]) {
        found.push(format!(
            "`oauth2.authorize.scope_parameter` must not be `{}`, which valetkey sets",
            scope[0]
        ));
    }
    once(
        "oauth2.authorize",
        &authorize.url,
        &authorize.extra,
        &[AUTHORIZE_PARAMETERS, &scope].concat(),
        found,
    );
}

fn endpoint(
    field: &str,
    endpoint: &Endpoint,
    known: &BTreeMap<String, Placeholder>,
    found: &mut Vec<String>,
) {
    url(&format!("{field}.url"), &endpoint.url, known, found);
    once(field, &endpoint.url, &endpoint.extra, ENDPOINT_PARAMETERS, found);
}

/// Refuses parameters that a request would say twice: in its URL, in `extra`, or because valetkey sets them.
fn once(field: &str, url: &str, extra: &BTreeMap<String, String>, ours: &[&str], found: &mut Vec<String>) {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let names = query.split('&').filter(|pair| !pair.is_empty());
    let in_url: Vec<_> = names.map(|pair| pair.split('=').next().unwrap_or_default()).collect();
    for name in extra.keys().filter(|name| ours.contains(&name.as_str())) {
        found.push(format!("`{field}.extra` must not set `{name}`, which valetkey sets"));
    }
    for (place, name) in in_url.iter().enumerate() {
        if ours.contains(name) {
            found.push(format!("`{field}.url` must not set `{name}`, which valetkey sets"));
        } else if extra.contains_key(*name) || in_url[..place].contains(name) {
            found.push(format!("`{field}.url` sets `{name}`, which would be sent twice"));
        }
    }
}

fn url(field: &str, url: &str, known: &BTreeMap<String, Placeholder>, found: &mut Vec<String>) {
    let Some((scheme, rest)) = url.split_once("://") else {
        found.push(format!("`{field}` must be an absolute URL, not `{url}`"));
        return;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let loopback = authority.starts_with("127.0.0.1:") || authority.starts_with("localhost:");
    if scheme != "https" && !(scheme == "http" && loopback) {
        found.push(format!("`{field}` must be https (http only on 127.0.0.1 or localhost), not `{url}`"));
    }
    if url.contains(['#', '\\', '@', ' ']) {
        found.push(format!("`{field}` must hold no fragment, backslash, `@` or space, as `{url}` does"));
    }
    for (position, _) in url.match_indices('{') {
        let Some(end) = url[position..].find('}') else {
            found.push(format!("`{field}` opens a placeholder that it does not close: `{url}`"));
            continue;
        };
        let name = &url[position + 1..position + end];
        let in_authority = position < scheme.len() + 3 + authority.len();
        match known.get(name) {
            None => found.push(format!("`{field}` uses `{{{name}}}`, which `oauth2.placeholders` does not define")),
            Some(_) if in_authority && authority != format!("{{{name}}}") => {
                found.push(format!("`{field}`: `{{{name}}}` must be the whole host, so that its pattern can be checked"));
            }
            Some(placeholder) if in_authority == placeholder.hosts.is_empty() => found.push(format!(
                "`{field}`: `{{{name}}}` is a host exactly when its placeholder has `hosts`, else a path segment"
            )),
            Some(_) => {}
        }
    }
}

fn fill(name: &str, placeholder: &Placeholder, element: &Element, found: &mut Vec<String>) {
    hosts(&format!("oauth2.placeholders.{name}"), &placeholder.hosts, found);
    let field = format!("oauth2.placeholders.{name}.configuration");
    open_setting(&field, &placeholder.configuration, element, found);
    let setting = element.configuration.iter().find(|setting| setting.key == placeholder.configuration);
    if setting.is_some_and(|setting| placeholder.default.is_none() && !setting.required) {
        found.push(format!("`{field}`: the setting must be `required`, or the placeholder have a `default`"));
    }
    if setting.is_some_and(|setting| setting.hosts != placeholder.hosts) {
        found.push(format!("`{field}`: the setting must have the placeholder's `hosts`"));
    }
}

/// Checks that a field names a setting that is there and no secret.
fn open_setting(field: &str, key: &str, element: &Element, found: &mut Vec<String>) {
    match element.configuration.iter().find(|setting| setting.key == key) {
        _ if is_secret_key(key) => found.push(format!("`{field}` names `{key}`, which is a secret")),
        None => found.push(format!("`{field}` names `{key}`, which is not in `configuration`")),
        Some(setting) if setting.kind == Kind::Password => {
            found.push(format!("`{field}` names `{key}`, which is a secret"));
        }
        Some(_) => {}
    }
}

fn hosts(field: &str, patterns: &[String], found: &mut Vec<String>) {
    for pattern in patterns {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let labels: Vec<&str> = pattern.split('.').collect();
        let fixed = labels.iter().filter(|label| !label.is_empty() && label.chars().all(plain)).count();
        let free = labels.iter().filter(|label| **label == "*").count();
        if fixed + free != labels.len() || fixed < 2 || labels.iter().rev().take(2).any(|label| *label == "*")
        {
            found.push(format!(
                "`{field}`: the host pattern `{pattern}` must be lower-case labels that end in at least two fixed \
                 ones, such as *.example.com"
            ));
        }
    }
}
