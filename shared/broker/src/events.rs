//! Log events and metrics for vendor calls and instances: one line an event.
//!
//! A field of an event that is named `count.Name`, `milliseconds.Name` or `seconds.Name` is a metric; an event
//! that measures milliseconds is also told for its `element` alone. On AWS a log line carries it (CloudWatch's
//! embedded metric format).
//!
//! An event with `fault = true` says that this deployment is at fault. Its metrics are also told for the version of
//! the function, and stop the deployment of that version. So no caller and no vendor may be able to cause one.

use std::future::Future;

use vendors::descriptor::Element;
use vendors::error::VendorError;

use crate::Broker;
use crate::clock::{Stopwatch, Timestamp};
use crate::error::Error;
use crate::record::grant::Grant;
use crate::record::instance::Instance;
use crate::record::link::Link;
use crate::record::session::Ended;
use crate::store::StoreError;

/// Awaits a call to a vendor and tells how it ended.
pub(crate) async fn vendor_call<T>(
    element: &Element,
    operation: &'static str,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let (watch, element) = (Stopwatch::start(), element.identity.key.as_str());
    let outcome = call.await;
    let milliseconds = watch.milliseconds();
    match &outcome {
        Err(Error::Vendor(VendorError::Refused { .. })) | Ok(_) => {
            let refused = outcome.is_err();
            tracing::info!(
                element,
                operation,
                refused,
                milliseconds.Vendor = milliseconds,
                "asked the vendor"
            );
        }
        Err(Error::Vendor(cause)) => tracing::warn!(
            element,
            operation,
            ?cause,
            count.VendorFailed = 1,
            milliseconds.Vendor = milliseconds,
            "the vendor failed"
        ),
        Err(_) => {}
    }
    outcome
}

/// What an event is about.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    element: &'a str,
    user: u64,
    instance: u64,
}

impl<'a> From<&'a Instance> for Subject<'a> {
    fn from(instance: &'a Instance) -> Self {
        Self { element: &instance.element, user: instance.user.0, instance: instance.id.0 }
    }
}

impl<'a> From<&'a Grant> for Subject<'a> {
    fn from(grant: &'a Grant) -> Self {
        Self { element: &grant.element, user: grant.user.0, instance: grant.instance.0 }
    }
}

/// Logs an event of an instance's life: its level, its metric, what it is about, further fields, and its text.
macro_rules! event {
    ($level:ident, $metric:ident, $subject:expr, $($rest:tt)+) => {{
        let subject: Subject<'_> = $subject.into();
        tracing::$level!(
            count.$metric = 1,
            element = subject.element,
            user = subject.user,
            instance = subject.instance,
            $($rest)+
        )
    }};
}

/// An instance was made.
pub(crate) fn created(instance: &Instance) {
    event!(info, InstanceCreated, instance, imported = instance.imported, "an instance was made");
}

/// An instance has a new grant in the place of the old.
pub(crate) fn reauthenticated(instance: &Instance) {
    event!(info, InstanceReauthenticated, instance, "an instance was authenticated again");
}

/// An instance was deleted: its grant is being revoked.
pub(crate) fn deleted(instance: &Instance) {
    event!(info, InstanceDeleted, instance, "an instance was deleted");
}

/// A grant has new tokens.
pub(crate) fn refreshed(grant: &Grant) {
    event!(info, GrantRefreshed, grant, "a grant was refreshed");
}

/// A refresh failed and the grant lives on.
pub(crate) fn refresh_failed(grant: &Grant, cause: &VendorError) {
    let class = match cause {
        VendorError::Refused { .. } => "refused",
        VendorError::Unreachable(_) => "unreachable",
        VendorError::Busy { .. } => "busy",
        VendorError::Failed { .. } | VendorError::InDoubt(_) | VendorError::Malformed(_) => "failed",
    };
    let (code, words) = cause.said().unwrap_or_default();
    event!(warn, RefreshFailed, grant, class, code, words, "a refresh failed");
}

/// The vendor refuses the app's key or secret; its grants may live.
pub(crate) fn client_refused(grant: &Grant) {
    event!(error, ClientRefused, grant, "the vendor refuses the client");
}

/// Nobody knows whether the vendor has acted on a request.
pub(crate) fn in_doubt<'a>(subject: impl Into<Subject<'a>>, what: &str) {
    event!(warn, GrantInDoubt, subject, what, "a grant is in doubt");
}

/// The vendor refuses the key or secret of the client that a link is for.
pub fn links_client_refused(link: &Link) {
    let (element, user) = (link.element.as_str(), link.user.0);
    let app = link.app.as_ref().map(|app| app.0.as_str());
    tracing::error!(count.ClientRefused = 1, element, user, app, "the vendor refuses the client of a link");
}

/// The vendor has refused a grant for good.
pub(crate) fn refused(grant: &Grant, refusal: &VendorError) {
    let (subject, (why, words)) = (Subject::from(grant), refusal.said().unwrap_or_default());
    let (element, instance) = (subject.element, subject.instance);
    tracing::warn!(element, instance, why, words, "a vendor has refused a grant");
}

/// A grant has ended; only a new consent helps.
pub(crate) fn dead(grant: &Grant) {
    event!(error, GrantDead, grant, "a grant is dead");
}

/// A token has expired that nothing can replace.
pub(crate) fn expired(grant: &Grant) {
    event!(warn, GrantExpired, grant, "a token without a refresh token has expired");
}

/// A grant ends soon unless it is refreshed or its user consents again.
pub(crate) fn expiring(grant: &Grant, seconds: Timestamp) {
    event!(warn, GrantExpiring, grant, seconds, "a grant ends soon");
}

/// A vendor did not revoke what was deleted.
pub(crate) fn unrevoked(instance: &Instance, cause: &Error) {
    event!(warn, GrantUnrevoked, instance, ?cause, "a grant was not revoked at the vendor");
}

/// A vendor granted, and the grant could not be stored.
pub(crate) fn not_saved<'a>(subject: impl Into<Subject<'a>>, cause: &StoreError) {
    event!(error, GrantNotSaved, subject, fault = true, %cause, "what a vendor granted could not be stored");
}

/// The table did not take what a vendor granted, and Secrets Manager did: whoever refreshes next finds it there.
pub(crate) fn left_in_vault(grant: &Grant, cause: &StoreError) {
    event!(warn, GrantLeftInVault, grant, %cause, "new tokens are in Secrets Manager alone, until the table takes writes");
}

/// The table was written to. While it takes no writes, no vendor is asked.
pub(crate) fn table<T>(broker: &Broker, written: &Result<T, StoreError>) {
    if let Err(cause) = written
        && cause.is_temporary()
    {
        tracing::error!(count.TableRefused = 1, %cause, "the table does not take writes");
    }
    broker.health.note(broker.clock.now(), written);
}

/// Secrets Manager did not take tokens; they stay sealed in their record.
pub(crate) fn not_settled(grant: &Grant, cause: &StoreError) {
    event!(warn, SettleFailed, grant, %cause, "tokens stay in the table: Secrets Manager did not take them");
}

/// A grant that may have been made is nowhere. That is no fault when the vendor did not answer.
pub(crate) fn lost(instance: &Instance) {
    let fault = instance.in_doubt.is_none();
    event!(error, GrantLost, instance, fault, "a grant may be lost: its creation did not end");
}

/// A callback came that belongs to no flow, or to another browser's.
pub fn astray(why: &str, said: Option<&str>) {
    tracing::warn!(count.CallbackAstray = 1, why, said, "a callback was refused");
}

/// A flow of hosted connect has ended.
pub fn ended(link: &Link, ended: &Ended) {
    let (element, user) = (link.element.as_str(), link.user.0);
    match ended {
        Ended::Connected(instance) => {
            tracing::info!(
                count.Connected = 1,
                element,
                user,
                instance = instance.0,
                "an account was connected"
            );
        }
        Ended::Denied { .. } => {
            tracing::info!(count.ConnectDenied = 1, element, user, "a visitor did not allow access");
        }
        Ended::LinkUsed | Ended::LinkWithdrawn => {
            tracing::info!(element, user, "a link had been used or withdrawn meanwhile");
        }
        Ended::Failed { error, .. } => {
            tracing::warn!(
                count.ConnectFailed = 1,
                element,
                user,
                error,
                "an account could not be connected"
            );
        }
        Ended::Unknown => {
            tracing::error!(
                count.ConnectFailed = 1,
                element,
                user,
                error = "unknown",
                "an account could not be connected, as far as is known"
            );
        }
    }
}

/// A round over all records has ended that seals what older keys have sealed with the newest.
pub(crate) fn resealed(newest: &str, found: u64, done: bool) {
    let text = if done {
        "every record is sealed with the newest key: the older ones can be taken away"
    } else {
        "a round over all records has ended; older keys are needed until it is said that they are not"
    };
    tracing::info!(count.SealedWithOlderKey = found, newest, done, "{text}");
}

/// What a pass of the sweep has done.
#[derive(Debug, Default)]
pub struct Report {
    /// The instances that were looked at.
    pub looked_at: u64,
    /// Those that have new tokens.
    pub refreshed: u64,
    /// Those whose creation or deletion was finished.
    pub finished: u64,
    /// Those that could not be: most are tried again later, some have ended.
    pub failed: u64,
    /// The records that were sealed again, with the newest key.
    pub resealed: u64,
    /// How long the oldest refresh has been due that was not made, in seconds; 0 when all were.
    pub oldest: Timestamp,
}

/// A pass of the sweep has ended.
pub(crate) fn swept(report: &Report) {
    let Report { looked_at, refreshed, finished, failed, resealed, oldest } = *report;
    tracing::info!(
        looked_at,
        refreshed,
        finished,
        failed,
        resealed,
        seconds.OldestDue = oldest,
        "a pass of the sweep has ended"
    );
}
