//! What a process does that may be struck.

pub mod callback;
pub mod creation;
pub mod deletion;
pub mod refresh;
pub mod registration;
pub mod revision;

use broker::Broker;
use broker::Error;

use crate::Status as _;
use crate::faults::world::World;

/// What a process does, and who comes next.
#[expect(async_fn_in_trait, reason = "the tests alone make lives, on one thread")]
pub trait Life: Sized {
    /// The heading of its section in `shared/crashes.md`.
    const TITLE: &'static str;

    /// Whether it is struck by stalls, wrong clocks and every habit of vendors, since others take over its lease. One
    /// life of each kind is enough.
    const IS_TAKEN_OVER: bool = false;

    /// Makes what it begins with.
    async fn set_up(world: &World) -> Self;

    /// A process does it.
    async fn act(&self, broker: &Broker) -> Answer;

    /// Somebody comes next; most ask for the same again.
    async fn next(&self, _world: &World, broker: &Broker) -> Answer {
        self.act(broker).await
    }

    /// Says in words what it has left besides instances.
    async fn left(&self, _world: &World) -> Vec<String> {
        Vec::new()
    }
}

/// What somebody is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// In words.
    pub words: String,
    /// After how many seconds to try again.
    pub retry_after: Option<u64>,
}

impl Answer {
    /// Says what came of it when it went well.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), retry_after: None }
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        let (status, retry_after) = (error.status().as_u16(), error.retry_after());
        let then = match retry_after {
            Some(seconds) => format!("again after {seconds} s"),
            None => error.to_string(),
        };
        Self { words: format!("`{status}`, {then}"), retry_after }
    }
}

impl<W: Into<String>> From<Result<W, Error>> for Answer {
    fn from(result: Result<W, Error>) -> Self {
        result.map_or_else(Self::from, Self::new)
    }
}

/// Makes a test of each life that runs a function of [`faults`](crate::faults) with it, or gives the `titles` of all.
#[macro_export]
macro_rules! each_life {
    (titles) => { $crate::each_life!(@lives @titles) };
    (@titles; $($name:ident: $life:ty,)*) => {
        [$(<$life as $crate::faults::lives::Life>::TITLE),*]
    };
    (@tests $module:ident $function:ident; $($name:ident: $life:ty,)*) => {
        $(#[tokio::test]
        async fn $name() {
            $crate::faults::$module::$function::<$life>().await;
        })*
    };
    (@lives $($then:tt)*) => {
        $crate::each_life! {
            $($then)*;
            a_creation: creation::Creation,
            an_import: creation::Import,
            an_import_of_an_access_token: creation::ImportOfAccessToken,
            a_callback: callback::Callback<callback::OwnClient>,
            a_callback_with_an_app: callback::Callback<callback::AppsClient>,
            a_callback_that_authenticates_again: callback::Callback<callback::Again>,
            a_registration: registration::Registration,
            a_refresh_on_demand: refresh::RefreshOnDemand,
            a_refresh_by_the_sweep: refresh::RefreshBySweep,
            a_consent: revision::Consent,
            a_change_of_a_secret: revision::Rekey,
            a_deletion: deletion::Deletion,
        }
    };
    ($module:ident::$function:ident) => { $crate::each_life!(@lives @tests $module $function); };
}
