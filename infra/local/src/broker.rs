//! The functions, side by side in one process: the place of API Gateway on this machine.

use std::sync::Arc;

use elements::App as Elements;
use lambda_http::{Body, Request, Response};
use oauth_url::App as OAuthUrl;
use valetkey::app::App;
use valetkey::catalogue::Catalogue;
use valetkey::error::StoreError;
use valetkey::http::Router;
use valetkey::sweep::{Limits, Report, sweep};

/// What a pass of the sweep may do here, where no store sets a limit.
const LIMITS: Limits = Limits { per_second: None, ..refresh::LIMITS };

/// Every function, each with its own routes and what it is given.
pub struct Broker {
    oauth_url: (Router<OAuthUrl>, OAuthUrl),
    instances: Router<App>,
    users: Router<App>,
    app: App,
    callback: Router<App>,
    connect: Option<(Router<connect::App>, connect::App)>,
    elements: (Router<Elements>, Elements),
}

impl Broker {
    /// Puts the functions together around what they share.
    pub fn new(app: App) -> Self {
        let catalogue: Arc<Catalogue> = Arc::clone(&app.catalogue);
        let oauth_url = OAuthUrl { catalogue: Arc::clone(&catalogue), pkce_key: app.pkce_key.clone() };
        let outward = app.connect.clone().map(|connect| connect::App {
            catalogue: Arc::clone(&catalogue),
            clock: app.clock.clone(),
            registry: Arc::clone(&app.registry),
            connect,
        });
        Self {
            callback: Router::new(oauth_callback::ROUTES),
            connect: outward.map(|outward| (Router::new(connect::ROUTES), outward)),
            oauth_url: (Router::new(oauth_url::ROUTES), oauth_url),
            instances: Router::new(instances::ROUTES),
            users: Router::new(users::ROUTES),
            app,
            elements: (Router::new(elements::ROUTES), catalogue),
        }
    }

    /// Does what is due when nobody calls, as long as `goes_on` says.
    pub async fn sweep(&self, goes_on: &(dyn Fn() -> bool + Sync)) -> Result<Report, StoreError> {
        sweep(&self.app, &LIMITS, goes_on).await
    }

    /// Answers a request by the function whose route it is; `elements` answers for unknown paths.
    pub async fn answer(&self, request: Request) -> Response<Body> {
        let path = request.uri().path();
        if self.oauth_url.0.knows(path) {
            self.oauth_url.0.answer(&self.oauth_url.1, request).await
        } else if self.instances.knows(path) {
            self.instances.answer(&self.app, request).await
        } else if self.users.knows(path) {
            self.users.answer(&self.app, request).await
        } else if self.callback.knows(path) {
            self.callback.answer(&self.app, request).await
        } else if let Some((router, app)) = self.connect.as_ref().filter(|(router, _)| router.knows(path)) {
            router.answer(app, request).await
        } else {
            self.elements.0.answer(&self.elements.1, request).await
        }
    }
}
