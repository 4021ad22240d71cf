//! A visitor of hosted connect: a browser that opens links, keeps cookies and follows nothing by itself.

use std::collections::BTreeMap;
use std::sync::Mutex;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use url::Url;

use crate::client::{self, API_KEY, API_SECRET, Client, ok, parameter};

/// A browser; another one is another visitor.
pub struct Visitor {
    client: Client,
    http: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What a browser got.
#[derive(Debug)]
pub struct Got {
    /// The status.
    pub status: u16,
    /// Where it is sent.
    pub location: Option<Url>,
    /// The page.
    pub page: String,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
}

impl Got {
    /// Gives a parameter of the address that the browser is sent to.
    pub fn sent(&self, name: &str) -> Option<String> {
        parameter(self.location.as_ref()?, name)
    }

    /// Checks what every answer promises that a browser gets, unless it is the gateway's own.
    fn is_locked_down(&self) {
        if !self.headers.contains_key("elements-request-id") {
            assert_eq!(self.status, 502, "the gateway's own answer: {self:?}");
            return;
        }
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; "),
        ] {
            let told = self.headers.get(name).map_or("", |told| told.to_str().unwrap());
            assert!(told.starts_with(value), "{name}: {self:?}");
        }
        assert!(!self.page.contains("<script"), "{self:?}");
    }

    /// Tells the page's headline.
    pub fn headline(&self) -> &str {
        let (_, rest) = self.page.split_once("<h1>").unwrap_or_default();
        rest.split("</h1>").next().unwrap_or_default()
    }
}

impl Visitor {
    /// Opens a browser that has never been here.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), http: client::forgetful_http(), cookies: Mutex::default() }
    }

    /// Opens an address, with this browser's cookies.
    pub async fn open(&self, url: &str) -> Got {
        self.send(self.http.get(url)).await
    }

    /// Posts a form to an address, with this browser's cookies.
    pub async fn post(&self, url: &str, form: &[(&str, &str)]) -> Got {
        self.send(self.http.post(url).form(form)).await
    }

    /// Gives this browser's cookies as it sends them.
    pub fn cookies(&self) -> String {
        let cookies = self.cookies.lock().unwrap();
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    async fn send(&self, request: RequestBuilder) -> Got {
        let cookies = self.cookies();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies) };
        let got = got(request.send().await.unwrap()).await;
        got.is_locked_down();
        for line in got.headers.get_all("set-cookie") {
            let (name, value) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
        }
        got
    }

    /// Opens a link that needs nothing filled in, and gives the vendor's address that it leads to.
    pub async fn leaves(&self, link: &Value) -> Url {
        let got = self.open(link["url"].as_str().unwrap()).await;
        assert_eq!(got.status, 303, "{}", got.page);
        got.location.unwrap()
    }

    /// Opens a link, decides on the sandbox's consent page, and gives the address that leads back here.
    pub async fn decides(&self, link: &Value, decision: &str) -> Url {
        let authorize = self.leaves(link).await;
        self.client.decide(authorize.as_str(), decision).await
    }

    /// Goes the whole way through the sandbox.
    pub async fn connects(&self, link: &Value, decision: &str) -> Got {
        let back = self.decides(link, decision).await;
        self.open(back.as_str()).await
    }
}

async fn got(response: Response) -> Got {
    let headers = response.headers().clone();
    let location = headers.get("location").map(|location| location.to_str().unwrap().parse().unwrap());
    Got { status: response.status().as_u16(), location, page: response.text().await.unwrap(), headers }
}

/// Gives the configuration of the tests' client.
pub fn own_client() -> Value {
    json!({"oauth.api.key": API_KEY, "oauth.api.secret": API_SECRET})
}

impl Client {
    /// Makes a link to an element with the tests' client, and with these members.
    pub async fn link(&self, element: &str, members: Value) -> Value {
        let mut body = json!({"configuration": own_client()});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        ok(self.call(Method::POST, &format!("/elements/{element}/links")).json(&body)).await
    }

    /// Allows browsers of the first user's customers to be sent back there.
    pub async fn allow(&self, urls: &[&str]) {
        let body = json!({"returnUrls": urls});
        ok(self.call(Method::PUT, "/users/1/return-urls").json(&body)).await;
    }
}
