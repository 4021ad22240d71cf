//! The pages of hosted connect: plain HTML for people who have never heard of OAuth. No script, nothing from
//! elsewhere; what is not ours is escaped.

use broker::hosted_connect::{Branding, Colour};
use broker::random;
use lambda_http::http::StatusCode;
use lambda_http::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, RETRY_AFTER,
};
use lambda_http::{Body, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::answer::header;
use crate::error::Error;

/// What stands in the place of `ACCENT` and `ON_ACCENT` comes from the [`Branding`].
const STYLE: &str = "
:root { color-scheme: light; --accent: ACCENT; --on-accent: ON_ACCENT }
* { box-sizing: border-box }
body { margin: 0; background: #f4f5f7; color: #1c1f24; font: 1.0625rem/1.55 system-ui, sans-serif }
main { max-width: 30rem; margin: 0 auto; padding: 2rem 1.25rem }
.card { background: #fff; border-top: .375rem solid var(--accent); border-radius: .5rem; padding: 1.5rem;
  box-shadow: 0 1px 3px #0003 }
.by { margin: 0 0 .75rem; font-size: .9375rem; color: #4a505a; overflow-wrap: anywhere }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
label { display: block; font-weight: 600; margin: 1rem 0 .25rem }
.hint { margin: 0 0 .5rem; font-size: .9375rem; color: #4a505a }
.wrong { margin: 0 0 .5rem; color: #a3150f; font-weight: 600 }
input { width: 100%; padding: .7rem .75rem; border: 1px solid #6b7280; border-radius: .375rem; font: inherit }
.go { display: inline-block; margin-top: 1.25rem; padding: .75rem 1.25rem; border: 1px solid #1c1f24; border-radius: .375rem;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; text-decoration: none; cursor: pointer }
:focus-visible { outline: .1875rem solid #1c1f24; outline-offset: .1875rem }
.small { margin: 1rem 0 0; font-size: .875rem; color: #4a505a }
";

/// Writes a colour for CSS.
fn css(colour: Colour) -> String {
    format!("#{}", random::hex(&colour.0))
}

/// Tells how light a colour is, 0 to 1 (WCAG 2.2, relative luminance).
fn luminance(colour: Colour) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    let [red, green, blue] = colour.0.map(linear);
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// Chooses black or white for text on a colour, whichever is easier to read: at least 4.5 to 1.
fn text_on(colour: Colour) -> &'static str {
    if luminance(colour) > 0.179 { "#000000" } else { "#ffffff" }
}

/// Sends a page that nobody keeps, frames, or learns the address of.
pub fn page(branding: &Branding, status: StatusCode, title: &str, content: &Markup) -> Response<Body> {
    let nonce = random::id();
    let style = STYLE.replace("ON_ACCENT", text_on(branding.accent)).replace("ACCENT", &css(branding.accent));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · " (branding.title) }
                style nonce=(nonce) { (PreEscaped(style)) }
            }
            body {
                main { div.card { p.by { (branding.title) } h1 { (title) } (content) } }
            }
        }
    };
    let mut response = Response::new(Body::Text(page.into_string()));
    *response.status_mut() = status;
    // `form-action` would also bind the redirect to the vendor that answers our form.
    let policy =
        format!("default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, header(&policy));
    response
}

/// Sends the page of a notice.
pub fn show(branding: &Branding, notice: &Notice<'_>) -> Response<Body> {
    let (status, title) = notice.headline(branding);
    let content = html! {
        @for line in notice.lines(branding) { p { (line) } }
        @if let Some(again) = notice.again() { a.go href=(again) { "Try again" } }
        @if let Notice::Failed { said: Some(said), .. } | Notice::Astray { said: Some(said) } = notice { p.small { "What they said: " (said) } }
        @if let Notice::OurFault { number, .. } = notice { p.small { "For support, this is number " (number) "." } }
    };
    let mut response = page(branding, status, &title, &content);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    }
    response
}

/// Sends the page of a request that failed. What no browser of a visitor's sends is refused; all else is ours
/// to mend, and goes to the log.
pub fn refuse(branding: &Branding, error: &Error, number: &str) -> Response<Body> {
    if !matches!(error, Error::MethodNotAllowed { .. } | Error::TooLarge { .. }) {
        let fault = error.is_fault();
        let server_error = fault.then_some(1);
        tracing::error!(
            count.ConnectFailed = 1,
            count.ServerError = server_error,
            fault,
            cause = ?error,
            "a visitor could not be connected"
        );
        return show(branding, &Notice::OurFault { number });
    }
    let mut response = show(branding, &Notice::Astray { said: None });
    *response.status_mut() = error.status();
    if let Error::MethodNotAllowed { allow, .. } = error {
        response.headers_mut().insert(ALLOW, header(allow));
    }
    response
}

/// What a visitor is told where a flow ends; `vendor` is the vendor's name, `again` where it can be tried again.
#[derive(Debug)]
pub enum Notice<'a> {
    /// It worked.
    Connected {
        /// The vendor's name.
        vendor: &'a str,
    },
    /// The visitor said no.
    Denied {
        /// The vendor's name.
        vendor: &'a str,
        /// Where to try again.
        again: &'a str,
    },
    /// The vendor said no, or cannot answer; nothing is connected.
    Failed {
        /// The vendor's name.
        vendor: &'a str,
        /// Where to try again.
        again: &'a str,
        /// What the vendor said.
        said: Option<&'a str>,
    },
    /// Nobody knows whether it worked.
    Unknown {
        /// The vendor's name.
        vendor: &'a str,
    },
    /// It took too long between leaving and coming back.
    TookTooLong {
        /// Where to try again.
        again: &'a str,
    },
    /// What came back belongs to no flow that is under way.
    Astray {
        /// What the vendor said.
        said: Option<&'a str>,
    },
    /// It belongs to a flow of another browser.
    OtherBrowser,
    /// The link is not there, or its maker has withdrawn it.
    NoLink,
    /// The link has expired.
    OldLink,
    /// The link has been used, and can be used once.
    UsedLink,
    /// The same answer came before and is still being worked on.
    UnderWay,
    /// Something went wrong here.
    OurFault {
        /// The request's number.
        number: &'a str,
    },
}

impl Notice<'_> {
    fn headline(&self, branding: &Branding) -> (StatusCode, String) {
        let title = &branding.title;
        match self {
            Self::Connected { vendor } => (StatusCode::OK, format!("{vendor} is connected")),
            Self::Denied { vendor, .. } => (StatusCode::OK, format!("{vendor} was not connected")),
            Self::Failed { vendor, .. } => {
                (StatusCode::BAD_GATEWAY, format!("{vendor} could not be connected"))
            }
            Self::Unknown { vendor } => {
                (StatusCode::BAD_GATEWAY, format!("We do not know yet whether {vendor} is connected"))
            }
            Self::TookTooLong { .. } => (StatusCode::BAD_REQUEST, "That took too long".into()),
            Self::Astray { .. } => (StatusCode::BAD_REQUEST, "This page cannot be used".into()),
            Self::OtherBrowser => (StatusCode::FORBIDDEN, "Go on in the browser where you began".into()),
            Self::NoLink => (StatusCode::NOT_FOUND, "This link does not work".into()),
            Self::OldLink => (StatusCode::GONE, "This link has expired".into()),
            Self::UsedLink => (StatusCode::GONE, "This link has been used".into()),
            Self::UnderWay => (StatusCode::SERVICE_UNAVAILABLE, "Still working on it".into()),
            Self::OurFault { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("{title} has a problem just now"))
            }
        }
    }

    fn lines(&self, branding: &Branding) -> Vec<String> {
        let title = &branding.title;
        let lines = match self {
            Self::Connected { vendor } => [
                format!("{title} may now work with your {vendor} account."),
                "You can close this page.".into(),
            ],
            Self::Denied { vendor, .. } => [
                format!("You did not allow it, so {title} has no access to your {vendor} account."),
                "If that was a mistake, try again. Otherwise you can close this page.".into(),
            ],
            Self::Failed { vendor, .. } => [
                format!("It did not work between {title} and {vendor}. Nothing was connected and nothing was changed."),
                "It may work in a few minutes. If it does not, tell whoever sent you here.".into(),
            ],
            Self::Unknown { .. } => [
                "Something went wrong at the very end, so it may or may not be connected.".into(),
                format!("Please ask {title} before you try again."),
            ],
            Self::TookTooLong { .. } => [
                "Too much time has passed since you began, so this was stopped to keep your account safe. Nothing was connected.".into(),
                "Please begin again.".into(),
            ],
            Self::Astray { .. } => [
                "It belongs to nothing that was begun here, or it is too old.".into(),
                "If a page has told you that your account is connected, it is. Otherwise please open the link again that brought you here.".into(),
            ],
            Self::OtherBrowser => [
                "To keep your account safe, connecting has to end in the browser where it began, with cookies switched on. Nothing was connected.".into(),
                "Please go back to that browser, or open the link again in this one.".into(),
            ],
            Self::NoLink => [
                "It may be incomplete, or whoever made it has withdrawn it.".into(),
                "Please check that you have all of it, or ask whoever sent it to you for a new one.".into(),
            ],
            Self::OldLink => [
                "Links like this work for a limited time only.".into(),
                "Please ask whoever sent it to you for a new one.".into(),
            ],
            Self::UsedLink => [
                "It works once only, and that was done. If a page has told you that your account is connected, it is.".into(),
                "Otherwise ask whoever sent it to you for a new one.".into(),
            ],
            Self::UnderWay => [
                "Your answer has arrived and is being worked on.".into(),
                "Please load this page again in a moment.".into(),
            ],
            Self::OurFault { .. } => [
                "This is our fault, not yours.".into(),
                "Please try again in a few minutes.".into(),
            ],
        };
        lines.into()
    }

    fn again(&self) -> Option<&str> {
        match self {
            Self::Denied { again, .. } | Self::Failed { again, .. } | Self::TookTooLong { again } => {
                Some(again)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_on_any_colour_can_be_read() {
        for (colour, text) in [("#1d4ed8", "#ffffff"), ("#ffcc00", "#000000"), ("#767676", "#000000")] {
            assert_eq!(text_on(Colour::parse(colour).unwrap()), text, "{colour}");
        }
        for grey in 0..=255 {
            let colour = Colour([grey; 3]);
            let text = if text_on(colour) == "#ffffff" { 1.0 } else { 0.0 };
            let colour = luminance(colour);
            let contrast = (f64::max(colour, text) + 0.05) / (f64::min(colour, text) + 0.05);
            assert!(contrast >= 4.5, "{grey}: {contrast}");
        }
    }

    #[test]
    fn what_others_said_is_escaped_and_the_page_is_locked_down() {
        let branding = Branding { title: "<b>Acme</b>".into(), ..Branding::default() };
        let said = Some("<script>alert(1)</script>");
        let notice = Notice::Failed { vendor: "<i>Keap", again: "/connect/1-a", said };
        let answer = show(&branding, &notice);
        let Body::Text(text) = answer.body() else { panic!("a page") };
        assert!(!text.contains("<script") && !text.contains("<b>") && !text.contains("<i>"), "{text}");
        assert!(text.contains("&lt;script&gt;") && text.contains("href=\"/connect/1-a\""), "{text}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'nonce-"), "{policy}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
}
