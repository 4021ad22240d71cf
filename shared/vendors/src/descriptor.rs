//! The descriptor: all that valetkey knows of a vendor, as data.
//!
//! One TOML file a vendor (`shared/vendors/descriptors/*.toml`) holds the vendor's habits and the elements that
//! share them. This module is the shape of such a file; [`crate::check`] says when one is wrong; the
//! build script reads both. `docs` of each field are the reference for whoever adds a vendor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One vendor's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorFile {
    /// Where the facts come from.
    pub source: Source,
    /// How the vendor speaks OAuth 2.0; absent when it does not.
    pub oauth2: Option<OAuth2>,
    /// The vendor's API, for whoever holds an access token.
    pub api: Option<Api>,
    /// The vendor's own configuration, beyond what every OAuth 2.0 element has.
    #[serde(default)]
    pub configuration: Vec<Setting>,
    /// The elements that share these facts.
    #[serde(rename = "element")]
    pub elements: Vec<Identity>,
}

/// One element of the catalogue: an identity and its vendor's facts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Element {
    /// What the element is called.
    pub identity: Identity,
    /// Where the facts come from.
    pub source: Source,
    /// How the vendor speaks OAuth 2.0.
    pub oauth2: Option<OAuth2>,
    /// The vendor's API.
    pub api: Option<Api>,
    /// The configuration that clients see and send, in display order.
    pub configuration: Vec<Setting>,
}

/// What an element is called and where clients find it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The key in paths and bodies: lower-case letters, digits, `-` and `_`.
    pub key: String,
    /// The number that stands for the key; unique in the catalogue and never changed.
    pub id: u32,
    /// The name that people read.
    pub name: String,
    /// The vendor's name as the platform writes it in `hookName`; the element's name when absent.
    pub hook_name: Option<String>,
    /// The kind of product: `crm`, `marketing`, `erp` …
    pub hub: String,
    /// One or two sentences for people.
    pub description: String,
    /// Where the logo is, `https`.
    pub image: String,
    /// The logo's short name; the hook name in lower case when absent.
    pub logo: Option<String>,
}

/// Where the facts come from, and when they were read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The vendor's own pages.
    pub pages: Vec<String>,
    /// The day they were read, `YYYY-MM-DD`.
    pub read: String,
}

/// How a vendor speaks OAuth 2.0 (RFC 6749).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// The authorization request (RFC 6749 section 4.1.1).
    pub authorize: Authorize,
    /// The code exchange (section 4.1.3).
    pub token: Endpoint,
    /// The refresh (section 6); absent when the vendor's tokens cannot be refreshed.
    pub refresh: Option<Refresh>,
    /// The revocation (RFC 7009); absent when the vendor has none.
    pub revoke: Option<Revoke>,
    /// How the token answer departs from section 5.1.
    #[serde(default)]
    pub answer: Answer,
    /// The refusals after which asking again is useless.
    #[serde(default)]
    pub permanent_errors: Vec<PermanentError>,
    /// What the vendor's callback carries besides the code, and the configuration key that keeps it.
    #[serde(default)]
    pub callback: BTreeMap<String, String>,
    /// The parts of the URLs that differ by tenant: `{name}` in a URL.
    #[serde(default)]
    pub placeholders: BTreeMap<String, Placeholder>,
}

/// The authorization request: what the redirect URL is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authorize {
    /// The authorization endpoint.
    pub url: String,
    /// The order of the query parameters; what is not named here follows.
    #[serde(default = "Authorize::usual_order")]
    pub parameters: Vec<String>,
    /// The scopes asked for when the caller names none.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What the parameter of the scopes is called.
    #[serde(default = "Authorize::usual_parameter")]
    pub scope_parameter: String,
    /// What stands between two scopes.
    #[serde(default = "Authorize::usual_separator")]
    pub scope_separator: String,
    /// Proof Key for Code Exchange (RFC 7636).
    #[serde(default)]
    pub pkce: Pkce,
    /// The issuer that the vendor names in its callback (`iss`, RFC 9207); absent when it names none.
    pub issuer: Option<String>,
    /// How the vendor sends the browser back.
    #[serde(default)]
    pub response_mode: ResponseMode,
    /// Whether the redirect URI of hosted connect names the element.
    #[serde(default)]
    pub callback_path: CallbackPath,
    /// Parameters that this vendor wants besides the standard ones.
    #[serde(default)]
    pub extra: BTreeMap<String, String>,
}

impl Authorize {
    fn usual_order() -> Vec<String> {
        ["response_type", "client_id", "redirect_uri", "scope", "state"].map(String::from).to_vec()
    }

    fn usual_parameter() -> String {
        String::from("scope")
    }

    fn usual_separator() -> String {
        String::from(" ")
    }
}

/// Whether the vendor takes a code challenge (RFC 7636).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Pkce {
    /// The vendor ignores or refuses a challenge.
    #[default]
    #[serde(rename = "none")]
    None,
    /// A challenge by SHA-256.
    S256,
}

/// How a vendor sends the browser back with its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// By a redirect, in the query (RFC 6749 section 4.1.2).
    #[default]
    Query,
    /// By a form that the browser posts (OAuth 2.0 Form Post Response Mode); it is asked for.
    FormPost,
}

/// The redirect URI of hosted connect: `/oauth/callback/{element}` or `/oauth/callback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackPath {
    /// It names the element, so that no other vendor's answer is taken for this one's (RFC 9700 section 4.4).
    #[default]
    Element,
    /// It does not, for vendors that allow a client one redirect URI for everything.
    Shared,
}

/// How the client proves who it is (RFC 6749 section 2.3.1, names of RFC 7591).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// `client_id` and `client_secret` in the body.
    ClientSecretPost,
    /// The `Authorization: Basic` header.
    ClientSecretBasic,
    /// Not at all: where holding the token is enough.
    None,
}

/// How a request body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`, the standard's.
    #[default]
    Form,
    /// `application/json`.
    Json,
}

/// An endpoint that takes the client's credentials.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Where to send the request.
    pub url: String,
    /// How the client proves who it is there.
    pub client_authentication: ClientAuthentication,
    /// How the body is written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Parameters that this vendor wants besides the standard ones.
    #[serde(default)]
    pub extra: BTreeMap<String, String>,
}

/// How tokens are refreshed, and what happens to the old refresh token.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Where and how; often the token endpoint with another client authentication.
    pub endpoint: Endpoint,
    /// Whether a refresh answers with a new refresh token.
    pub rotation: Rotation,
    /// How long a refresh token lives, in seconds; absent when it does not expire.
    pub lifetime: Option<u64>,
    /// What that lifetime counts from.
    #[serde(default)]
    pub lifetime_from: LifetimeFrom,
    /// Whether access tokens are refreshed ahead of every expiry, so that no caller waits for the vendor;
    /// else when they are asked for, and as seldom as keeps an unused grant alive.
    #[serde(default)]
    pub warm: bool,
}

/// Whether a refresh answers with a new refresh token (RFC 6749 section 6, RFC 9700 section 4.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// Every time, and the old one dies.
    Always,
    /// Now and then; an answer without one keeps the old.
    Sometimes,
    /// Never.
    Never,
}

/// What a refresh token's lifetime counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifetimeFrom {
    /// Its last use: refreshing in time keeps the grant alive for ever.
    #[default]
    Use,
    /// The user's consent: only a new consent prolongs it.
    Consent,
}

/// How a grant is revoked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// Where and how.
    pub endpoint: Endpoint,
    /// The method.
    #[serde(default)]
    pub method: RevokeMethod,
    /// How the token is sent.
    #[serde(default)]
    pub by: RevokedBy,
    /// The token whose revocation ends the whole grant.
    #[serde(default)]
    pub token: RevokedToken,
}

/// The method of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RevokeMethod {
    /// RFC 7009's.
    #[default]
    Post,
    /// Where the token is a resource.
    Delete,
}

/// How the token that is to be revoked is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedBy {
    /// As the parameter `token`, with its hint (RFC 7009 section 2.1).
    #[default]
    Parameter,
    /// In the `Authorization` header: the token ends itself.
    Bearer,
}

/// The token that is sent to be revoked (`token_type_hint` of RFC 7009).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokedToken {
    /// The refresh token, or the access token when there is none.
    #[default]
    RefreshToken,
    /// The access token.
    AccessToken,
}

/// How a vendor's token answer departs from RFC 6749 section 5.1.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The member that holds the tokens, when they are not at the top.
    pub envelope: Option<String>,
    /// An answer may be form-encoded in place of JSON.
    #[serde(default)]
    pub form_encoded: bool,
    /// Values of `token_type` that mean a bearer token, besides `bearer`.
    #[serde(default)]
    pub token_types: Vec<String>,
    /// Members to keep, as paths with dots, and the configuration key of each.
    #[serde(default)]
    pub keep: BTreeMap<String, String>,
    /// The member that says how many seconds the refresh token lives, which RFC 6749 has none for.
    pub refresh_expires_in: Option<String>,
    /// How long an access token lives when the answer does not say, in seconds; absent: for ever.
    pub default_lifetime: Option<u64>,
}

/// A refusal after which asking again is useless: what is given must match, and all of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermanentError {
    /// The HTTP status.
    pub status: Option<u16>,
    /// The `error` code (RFC 6749 section 5.2).
    pub error: Option<String>,
    /// A part of `error_description`, in any case.
    pub description: Option<String>,
    /// What has come to an end.
    pub means: Permanent,
}

/// What a permanent error has put an end to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permanent {
    /// The grant: the user must consent again.
    DeadGrant,
    /// The client's registration: its owner must correct key or secret; grants live on.
    BadClient,
}

/// A part of a URL that differs by tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placeholder {
    /// What the redirect URL's query calls it; `siteAddress` is always understood.
    #[serde(default)]
    pub query: Vec<String>,
    /// The configuration key that holds it.
    pub configuration: String,
    /// The value when nobody gives one.
    pub default: Option<String>,
    /// The hosts that it may name: a whole host name, where a `*` label stands for exactly one label.
    /// Empty: the value is one path segment of letters, digits, `.`, `-` and `_`.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// The vendor's API.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Where its paths begin.
    pub base_url: String,
    /// A cheap path below it that answers 200 to a live access token.
    pub probe: Option<String>,
}

/// One entry of the configuration that clients see and send.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The key in `configuration`.
    pub key: String,
    /// The name that people read.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The field to show for it.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The value when nobody gives one.
    pub default: Option<String>,
    /// Whether an instance cannot be made without it.
    #[serde(default)]
    pub required: bool,
    /// Whether it is kept from people.
    #[serde(default)]
    pub hidden: bool,
    /// The hosts that it may name, as in [`Placeholder::hosts`]; the value is stored as a bare host.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Its number among the element's settings, part of the id that clients see; given when it is read.
    #[serde(default)]
    pub number: u32,
}

/// Tells whether a key's value is masked in every answer, whatever its kind.
pub fn is_secret_key(key: &str) -> bool {
    matches!(
        key,
        "oauth.api.key" | "oauth.api.secret" | "oauth.user.token" | "oauth.user.refresh_token" | "password"
    ) || key.ends_with(".password")
        || key.ends_with(".private.key")
}

/// The field that a setting is shown in, by the platform's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A line of 32 characters.
    #[serde(rename = "TEXTFIELD_32")]
    Text32,
    /// A line of 64 characters.
    #[serde(rename = "TEXTFIELD_64")]
    Text64,
    /// A line of 128 characters.
    #[serde(rename = "TEXTFIELD_128")]
    Text128,
    /// A line of 1,000 characters.
    #[serde(rename = "TEXTFIELD_1000")]
    Text1000,
    /// Several lines.
    #[serde(rename = "TEXTAREA")]
    TextArea,
    /// A secret: kept in the vault, masked in every answer.
    #[serde(rename = "PASSWORD")]
    Password,
    /// `true` or `false`.
    #[serde(rename = "BOOLEAN")]
    Boolean,
    /// A choice.
    #[serde(rename = "COMBO")]
    Combo,
}

/// The configuration that every OAuth 2.0 element has, before the vendor's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    configuration: Vec<Setting>,
}

/// The number of a vendor's first setting: far enough from the common ones for both lists to grow.
const VENDOR_SETTINGS: u32 = 501;

/// Reads a vendor's file into its elements; an error says where in the text.
pub fn read(text: &str) -> Result<Vec<Element>, toml::de::Error> {
    let file: VendorFile = toml::from_str(text)?;
    let common: Common = toml::from_str(include_str!("oauth2.toml"))?;
    let common = if file.oauth2.is_some() { common.configuration } else { Vec::new() };
    let configuration: Vec<_> =
        (1..).zip(common).chain((VENDOR_SETTINGS..).zip(file.configuration)).collect();
    let configuration: Vec<_> =
        configuration.into_iter().map(|(number, setting)| Setting { number, ..setting }).collect();
    let element = |identity| Element {
        identity,
        source: file.source.clone(),
        oauth2: file.oauth2.clone(),
        api: file.api.clone(),
        configuration: configuration.clone(),
    };
    Ok(file.elements.into_iter().map(element).collect())
}
