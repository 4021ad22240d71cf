//! Reads the bodies that make and change users.

use broker::Error;
use serde_json::{Map, Value};
use web::clean::{self, line};

/// The most return URLs of a user.
const MOST_RETURN_URLS: usize = 50;

/// The longest address (RFC 5321 section 4.5.3.1), in bytes.
const LONGEST_ADDRESS: usize = 254;

/// Reads `emailAddress`; `None` when it is not given.
pub(crate) fn email_address(body: &Map<String, Value>) -> Result<Option<String>, Error> {
    let Some(address) = line(body.get("emailAddress"), "emailAddress")? else { return Ok(None) };
    let (name, host) = address.rsplit_once('@').unwrap_or_default();
    if name.is_empty() || host.is_empty() || address.contains(' ') || address.len() > LONGEST_ADDRESS {
        return Err(Error::Invalid(format!("`emailAddress` must be an e-mail address, not {address:?}")));
    }
    Ok(Some(address))
}

/// Reads `returnUrls`, each as strictly as a redirect URI.
pub(crate) fn return_urls(body: &Map<String, Value>) -> Result<Vec<String>, Error> {
    let Some(Value::Array(given)) = body.get("returnUrls") else {
        return Err(Error::Invalid("`returnUrls` must be an array of URLs".into()));
    };
    if given.len() > MOST_RETURN_URLS {
        return Err(Error::Invalid(format!(
            "`returnUrls` must be at most {MOST_RETURN_URLS}, not {}",
            given.len()
        )));
    }
    given.iter().map(return_url).collect()
}

fn return_url(given: &Value) -> Result<String, Error> {
    let url = given.as_str().ok_or_else(|| Error::Invalid("`returnUrls` must be an array of URLs".into()))?;
    clean::return_url("a return URL", url).map(str::to_owned)
}
