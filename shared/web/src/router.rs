//! Routes: from a request to the function that answers it.

use std::panic::AssertUnwindSafe;

use broker::clock::Stopwatch;
use broker::hosted_connect::Branding;
use broker::random;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lambda_http::http::HeaderMap;
pub use lambda_http::http::Method;
use lambda_http::http::header::{
    ACCEPT, ALLOW, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use lambda_http::{Body, Request, RequestExt, Response};
use percent_encoding::percent_decode_str;
use tracing::Instrument as _;

use crate::answer::{Answer, REQUEST_ID, empty, finished, header};
use crate::call::Call;
use crate::error::Error;
use crate::page;

/// Where the API's paths begin.
pub const BASE: &str = "/elements/api-v2";

/// The longest request body that is read, in bytes.
pub const LONGEST_BODY: usize = 1024 * 1024;

/// What a route's function returns.
pub type Answered<'a> = BoxFuture<'a, Answer>;

/// One route: a method, a path as API Gateway writes it, and what answers it.
pub struct Route<S> {
    /// The method.
    pub method: Method,
    /// Who calls it.
    pub audience: Audience<S>,
    /// The path, with `{name}` for a parameter.
    pub path: &'static str,
    /// What answers it.
    pub handle: for<'a> fn(&'a S, &'a Call) -> Answered<'a>,
}

/// Who calls a route, and so reads its failures.
pub enum Audience<S> {
    /// Programs: the path is below [`BASE`], a failure is JSON.
    Programs,
    /// People: the path is the whole path, a failure is a page that looks like this.
    People(fn(&S) -> Branding),
}

impl<S> Route<S> {
    /// Gives its whole path.
    pub fn whole_path(&self) -> String {
        let base = if matches!(self.audience, Audience::Programs) { BASE } else { "" };
        format!("{base}{}", self.path)
    }
}

/// Writes a route of the API: its method, its path, and the function that answers it, `pure` when it waits for
/// nothing.
#[macro_export]
macro_rules! route {
    (for $audience:expr; $method:ident $path:expr, $handle:expr) => {
        $crate::router::Route {
            method: $crate::router::Method::$method,
            audience: $audience,
            path: $path,
            handle: $handle,
        }
    };
    (pure $method:ident $path:expr, $handle:path) => {
        $crate::route!(for $crate::router::Audience::Programs;
            $method $path, |app, call| Box::pin(async move { $handle(app, call) }))
    };
    ($method:ident $path:expr, $handle:path) => {
        $crate::route!(for $crate::router::Audience::Programs; $method $path, |app, call| Box::pin($handle(app, call)))
    };
}

/// Writes a route that people see: what its failures look like, its method, its path, and the function that
/// answers it.
#[macro_export]
macro_rules! page {
    ($look:path; $method:ident $path:expr, $handle:path) => {
        $crate::route!(for $crate::router::Audience::People($look);
            $method $path, |app, call| Box::pin($handle(app, call)))
    };
}

/// Finds the route of a request and sees to it that every answer has the contract's shape.
pub struct Router<S: 'static> {
    paths: matchit::Router<Vec<&'static Route<S>>>,
}

impl<S> Router<S> {
    /// Builds the router of a route table.
    ///
    /// # Panics
    /// When two of the table's paths contradict each other: a mistake that any test finds.
    #[expect(clippy::panic, reason = "a route table is a constant")]
    pub fn new(routes: &'static [Route<S>]) -> Self {
        let mut paths = matchit::Router::new();
        for route in routes {
            let path = route.whole_path();
            if let Ok(known) = paths.at_mut(&path) {
                let known: &mut Vec<_> = known.value;
                if known.iter().all(|other: &&Route<S>| other.path == route.path) {
                    known.push(route);
                    continue;
                }
            }
            if let Err(error) = paths.insert(path, vec![route]) {
                panic!("the route {} {}: {error}", route.method, route.path);
            }
        }
        Self { paths }
    }

    /// Tells whether a path is one of these, whatever the method.
    pub fn knows(&self, path: &str) -> bool {
        self.paths.at(without_slash(path)).is_ok()
    }

    /// Answers a request. A panic in a route becomes a 500, and the next request is served.
    pub async fn answer(&self, state: &S, request: Request) -> Response<Body> {
        // On Lambda the invocation has a number already.
        let given = request.lambda_context_ref().map(|context| context.request_id.clone());
        let request_id = given.unwrap_or_else(random::id);
        let span = tracing::error_span!("request", request_id);
        self.answer_as(state, request, &request_id).instrument(span).await
    }

    async fn answer_as(&self, state: &S, request: Request, request_id: &str) -> Response<Body> {
        let watch = Stopwatch::start();
        if let Some(response) = self.preflight(&request) {
            return finished(Ok(response), request_id);
        }
        let method = request.method().clone();
        let audience = self.audience(request.uri().path());
        let (path, outcome) = match self.route(request, watch, request_id) {
            Err(error) => ("", Err(error)),
            Ok((route, call)) => {
                let handled = AssertUnwindSafe((route.handle)(state, &call)).catch_unwind().await;
                (
                    route.path,
                    handled.unwrap_or_else(|_| Err(broker::Error::Internal("a panic".into()).into())),
                )
            }
        };
        let response = match audience {
            Audience::Programs => finished(outcome, request_id),
            Audience::People(look) => shown(outcome, request_id, || look(state)),
        };
        let (status, milliseconds) = (response.status().as_u16(), watch.milliseconds());
        tracing::info!(%method, route = path, status, milliseconds, "answered");
        response
    }

    /// Tells who calls a path: all its routes have the same audience.
    fn audience(&self, path: &str) -> &'static Audience<S> {
        let found = self.paths.at(without_slash(path)).ok().and_then(|found| found.value.first());
        found.map_or(&Audience::Programs, |route| &route.audience)
    }

    /// Answers what a browser asks before a request of another site's script (the CORS protocol).
    fn preflight(&self, request: &Request) -> Option<Response<Body>> {
        if request.method() != Method::OPTIONS {
            return None;
        }
        let found = self.paths.at(without_slash(request.uri().path())).ok()?;
        let mut methods: Vec<_> = found.value.iter().map(|route| route.method.as_str()).collect();
        methods.push("OPTIONS");
        let mut response = empty();
        let headers = response.headers_mut();
        headers.insert("access-control-allow-methods", header(&methods.join(", ")));
        headers.insert(ALLOW, header(&methods.join(", ")));
        let asked = request.headers().get("access-control-request-headers");
        let asked = asked.filter(|names| names.to_str().is_ok());
        let usual = HeaderValue::from_static("Authorization, Content-Type, Accept");
        headers.insert("access-control-allow-headers", asked.cloned().unwrap_or(usual));
        headers.insert("access-control-max-age", HeaderValue::from_static("3600"));
        Some(response)
    }

    fn route(
        &self,
        request: Request,
        watch: Stopwatch,
        number: &str,
    ) -> Result<(&'static Route<S>, Call), Error> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let Ok(found) = self.paths.at(without_slash(path)) else {
            let path: String = path.chars().take(200).collect();
            return Err(broker::Error::NotFound(format!("There is nothing at {path}")).into());
        };
        let routes = found.value;
        let Some(route) = routes.iter().find(|route| route.method == parts.method) else {
            let allow: Vec<_> = routes.iter().map(|route| route.method.as_str()).collect();
            return Err(Error::MethodNotAllowed {
                method: parts.method.to_string(),
                allow: allow.join(", "),
            });
        };
        if matches!(route.audience, Audience::Programs) {
            acceptable(&parts.headers)?;
        }
        // Without one a request was sent to this process itself, and nobody vouches for its Host header.
        let origin = parts.uri.scheme().zip(parts.uri.authority());
        let origin = origin.map(|(scheme, authority)| format!("{scheme}://{authority}"));
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let parameters = found.params.iter().map(|(name, value)| (name.to_owned(), decoded(value))).collect();
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let body = match body {
            Body::Empty => Vec::new(),
            Body::Text(text) => text.into_bytes(),
            Body::Binary(bytes) => bytes,
            _ => return Err(broker::Error::Internal("a body of an unknown kind".into()).into()),
        };
        if body.len() > LONGEST_BODY {
            return Err(Error::TooLarge { limit: LONGEST_BODY });
        }
        let (number, query) = (number.to_owned(), query.into_owned().collect());
        Ok((route, Call { headers: parts.headers, watch, number, origin, parameters, query, body }))
    }
}

/// Refuses a client that takes no JSON (RFC 9110 section 12.5.1).
fn acceptable(headers: &HeaderMap) -> Result<(), Error> {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let ranges: Vec<_> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    let takes = |range: &&str| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let json =
            matches!(kind.as_str(), "*/*" | "*" | "application/*" | "application/json" | "text/json" | "");
        let refused = parts
            .any(|part| matches!(part.replace(' ', "").as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        json && !refused
    };
    if ranges.is_empty() || ranges.iter().any(takes) {
        return Ok(());
    }
    Err(Error::NotAcceptable(ranges.join(", ").chars().take(200).collect()))
}

/// A path with a slash at its end means the same as without.
fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// Gives an answer that people see its number, and keeps browsers from making more of it than it is.
fn shown(outcome: Answer, request_id: &str, branding: impl FnOnce() -> Branding) -> Response<Body> {
    let mut response = outcome.unwrap_or_else(|error| page::refuse(&branding(), &error, request_id));
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, header(request_id));
    for (name, value) in [
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stores;

    const ROUTES: &[Route<Stores>] = &[
        route!(GET "/works", works),
        route!(GET "/panics", panics),
        page!(look; GET "/page", panics),
        page!(look; POST "/page", panics),
    ];

    async fn works(_: &Stores, _: &Call) -> Answer {
        Ok(empty())
    }

    async fn panics(_: &Stores, _: &Call) -> Answer {
        panic!("planted")
    }

    fn look(_: &Stores) -> Branding {
        Branding { title: "Acme".into(), ..Branding::default() }
    }

    async fn response(request: Request) -> (Response<Body>, String) {
        let response = Router::new(ROUTES).answer(&Stores, request).await;
        assert!(response.headers().contains_key(REQUEST_ID));
        let Body::Text(body) = response.body() else { return (response, String::new()) };
        let body = body.clone();
        (response, body)
    }

    fn request(method: Method, path: &str) -> Request {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        request
    }

    async fn answer(method: Method, path: &str) -> (u16, String) {
        let (response, body) = response(request(method, &format!("{BASE}{path}"))).await;
        (response.status().as_u16(), body)
    }

    #[tokio::test]
    async fn people_see_a_page_whatever_goes_wrong() {
        let large = request(Method::POST, "/page").map(|_| Body::Binary(vec![b'a'; LONGEST_BODY + 1]));
        for (request, status, words) in [
            (request(Method::GET, "/page"), 503, "Acme has a problem"),
            (request(Method::DELETE, "/page/"), 405, "This page cannot be used"),
            (large, 413, "This page cannot be used"),
        ] {
            let (response, body) = response(request).await;
            assert_eq!(response.status(), status, "{body}");
            assert!(body.starts_with("<!DOCTYPE html>") && body.contains(words), "{body}");
            assert!(!body.contains("planted"), "{body}");
            assert_eq!(response.headers()[REFERRER_POLICY], "no-referrer");
        }
        let (response, _) = response(request(Method::PUT, "/page")).await;
        assert_eq!(response.headers()[ALLOW], "GET, POST");
    }

    #[tokio::test]
    async fn a_panic_is_a_500_in_shape_and_the_next_request_is_served() {
        let (status, body) = answer(Method::GET, "/panics").await;
        assert!(status == 500 && body.contains("requestId") && !body.contains("planted"), "{body}");
        assert_eq!(answer(Method::GET, "/works").await.0, 200);
    }

    #[tokio::test]
    async fn unknown_paths_and_methods_are_told_apart() {
        assert_eq!(answer(Method::GET, "/works/").await.0, 200, "a slash at the end is forgiven");
        assert_eq!(answer(Method::GET, "/nothing").await.0, 404);
        let (status, body) = answer(Method::DELETE, "/works").await;
        assert!(status == 405 && body.contains("allowed: GET"), "{body}");
    }
}
