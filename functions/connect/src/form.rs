//! The page that asks a visitor for what the vendor's addresses depend on, such as the name of a shop.

use broker::hosted_connect::Branding;
use broker::record::settings::{self, Given};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Response};
use maud::html;
use serde_json::json;
use vendors::descriptor::{Element, Setting};
use web::clean::line;
use web::page;

/// The longest value, in characters.
const LONGEST: usize = 255;

/// Lists what is missing and a visitor can be asked for.
pub(crate) fn fields<'a>(element: &'a Element, known: &Given) -> Vec<&'a Setting> {
    let missing = settings::missing(element, known);
    let asked = |setting: &&Setting| {
        missing.contains(&setting.key.as_str()) && settings::is_asked(element, &setting.key)
    };
    element.configuration.iter().filter(asked).collect()
}

/// Reads what was filled in; else names the fields that are wrong, none of them when nothing was filled in yet.
pub(crate) fn read(
    element: &Element,
    fields: &[&Setting],
    filled: &[(String, String)],
) -> Result<Given, Vec<String>> {
    let (mut values, mut wrong) = (Given::new(), Vec::new());
    for setting in fields {
        match value(element, setting, written(filled, &setting.key)) {
            Some((key, value)) => drop(values.insert(key, Some(value))),
            None => wrong.push(setting.key.clone()),
        }
    }
    match wrong.as_slice() {
        [] => Ok(values),
        _ if filled.is_empty() => Err(Vec::new()),
        _ => Err(wrong),
    }
}

/// Gives what stands in a field, as far as it can be right.
fn written<'a>(filled: &'a [(String, String)], key: &str) -> &'a str {
    let value = filled.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value);
    value.char_indices().nth(LONGEST).map_or(value, |(end, _)| &value[..end])
}

/// Normalises one value, as that of a configuration.
fn value(element: &Element, setting: &Setting, written: &str) -> Option<(String, String)> {
    let clean = line(Some(&json!(written)), &setting.key).ok()??;
    let mut split = settings::split(element, Given::from([(setting.key.clone(), Some(clean))])).ok()?;
    split.open.remove_entry(&setting.key).and_then(|(key, value)| Some((key, value?)))
}

/// Shows the form, with what was filled in so far.
pub(crate) fn page(
    branding: &Branding,
    element: &Element,
    fields: &[&Setting],
    filled: &[(String, String)],
    wrong: &[String],
) -> Response<Body> {
    let (vendor, title) = (&element.identity.name, &branding.title);
    let content = html! {
        p { (title) " would like to work with your " (vendor) " account. You will be sent to " (vendor) " to allow it." }
        form method="post" {
            @for setting in fields {
                @let is_wrong = wrong.contains(&setting.key);
                @let (hint, error) = (format!("{}-hint", setting.key), format!("{}-wrong", setting.key));
                @let described = if is_wrong { format!("{error} {hint}") } else { hint.clone() };
                label for=(setting.key) { (setting.name) }
                @if is_wrong { p.wrong id=(error) { "This does not look right. Please check it." } }
                p.hint id=(hint) { (setting.description) }
                input id=(setting.key) name=(setting.key) value=(written(filled, &setting.key)) required
                    maxlength=(LONGEST) autocomplete="off" autocapitalize="none" spellcheck="false"
                    aria-describedby=(described) aria-invalid=[is_wrong.then_some("true")];
            }
            button.go { "Continue to " (vendor) }
        }
    };
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    page::page(branding, status, &format!("Connect {vendor}"), &content)
}
