//! The functions, side by side in one process: the place of API Gateway on this machine.

use std::sync::Arc;

use broker::Broker;
use broker::connect::open::LinkOpener;
use broker::events::Report;
use broker::grant::keep;
use broker::grant::sweep::{Limits, sweep};
use broker::store::StoreError;
use elements::State as Elements;
use lambda_http::{Body, Request, Response};
use oauth_url::State as OAuthUrl;
use vendors::catalogue::Catalogue;
use web::Router;

/// What a pass of the sweep may do here, where no store sets a limit.
const LIMITS: Limits = Limits { per_second: None, ..sweep::LIMITS };

/// Every function, each with its own routes and what it is given.
pub struct Functions {
    oauth_url: (Router<OAuthUrl>, OAuthUrl),
    instances: Router<Broker>,
    users: Router<Broker>,
    broker: Broker,
    callback: Router<Broker>,
    connect: Option<(Router<LinkOpener>, LinkOpener)>,
    elements: (Router<Elements>, Elements),
}

impl Functions {
    /// Puts the functions together around what they share.
    pub fn new(broker: Broker) -> Self {
        let catalogue: Arc<Catalogue> = Arc::clone(&broker.catalogue);
        let oauth_url = OAuthUrl { catalogue: Arc::clone(&catalogue), pkce_key: broker.pkce_key.clone() };
        let outward = broker.connect.clone().map(|connect| LinkOpener {
            catalogue: Arc::clone(&catalogue),
            clock: broker.clock.clone(),
            registry: Arc::clone(&broker.registry),
            connect,
        });
        Self {
            callback: Router::new(oauth_callback::ROUTES),
            connect: outward.map(|outward| (Router::new(connect::ROUTES), outward)),
            oauth_url: (Router::new(oauth_url::ROUTES), oauth_url),
            instances: Router::new(instances::ROUTES),
            users: Router::new(users::ROUTES),
            broker,
            elements: (Router::new(elements::ROUTES), catalogue),
        }
    }

    /// Does what is due when nobody calls, as long as `goes_on` says.
    pub async fn sweep(&self, goes_on: &(dyn Fn() -> bool + Sync)) -> Result<Report, StoreError> {
        sweep(&self.broker, &LIMITS, goes_on).await
    }

    /// Stores the tokens that the store did not take before; tells how many are left.
    pub async fn save(&self) -> usize {
        keep::save(&self.broker).await
    }

    /// Answers a request by the function whose route it is; `elements` answers for unknown paths.
    pub async fn answer(&self, request: Request) -> Response<Body> {
        let path = request.uri().path();
        if self.oauth_url.0.knows(path) {
            self.oauth_url.0.answer(&self.oauth_url.1, request).await
        } else if self.instances.knows(path) {
            self.instances.answer(&self.broker, request).await
        } else if self.users.knows(path) {
            self.users.answer(&self.broker, request).await
        } else if self.callback.knows(path) {
            self.callback.answer(&self.broker, request).await
        } else if let Some((router, opener)) = self.connect.as_ref().filter(|(router, _)| router.knows(path))
        {
            router.answer(opener, request).await
        } else {
            self.elements.0.answer(&self.elements.1, request).await
        }
    }
}
