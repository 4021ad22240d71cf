//! What a life happens in: stores, and a vendor that keeps books. It says in words what the stores hold, lets the
//! sweep finish what is left, and checks at the end what must hold however a process was struck.

use std::collections::BTreeSet;

use broker::Broker;
use broker::Error;
use broker::clock::Timestamp;
use broker::grant::sweep::sweep;
use broker::id::UserId;
use broker::record::app::{self, App};
use broker::record::instance::{self, Instance, State};
use secrecy::ExposeSecret;
use tracing::subscriber::DefaultGuard;

use super::lives::Life;
use crate::Status as _;
use crate::family::{Family, Habit, Known, numbers};
use crate::machine::{Machine, ask, rekey};
use crate::stores::versions::Version;
use crate::told::Told;

/// How long the vendor's access tokens live, in seconds.
const LIFETIME: i64 = 60;

/// How often the sweep comes for what a process has left, at most.
const SWEEPS: usize = 10;

/// The metrics that say that a grant may be lost, or may live on at its vendor.
const LOSSES: [&str; 4] = ["GrantLost", "GrantUnkept", "GrantInDoubt", "GrantUnrevoked"];

/// A deployment and its vendor.
pub struct World {
    /// The stores and the clock.
    pub machine: Machine,
    /// The vendor's books.
    pub family: Family,
    told: Told,
    struck: Timestamp,
    _guard: DefaultGuard,
}

impl World {
    /// Makes one whose vendor has that habit.
    pub async fn new(habit: Habit) -> Self {
        let (told, guard) = Told::listen();
        let (machine, family) = (Machine::with("warm = true").await, Family::new(habit));
        let books = family.clone();
        machine.vendor.answers_by(move |request| books.answer(request));
        Self { machine, family, told, struck: 0, _guard: guard }
    }

    /// Names the metrics that were told since there were so many.
    pub fn told_since(&self, before: usize) -> Vec<String> {
        self.told.metrics().split_off(before)
    }

    /// Counts time from now on, when the process was struck.
    pub fn is_struck(&mut self) {
        self.struck = self.machine.clock.now();
    }

    /// Says how long ago the process was struck.
    pub fn after(&self) -> String {
        format!("after {} s: ", self.machine.clock.now() - self.struck)
    }

    /// Lists the apps of the first user.
    pub async fn apps(&self) -> Vec<App> {
        app::list(&self.machine.registry, UserId(1), None, None, 10).await.unwrap().0
    }

    async fn instances(&self) -> Vec<Instance> {
        instance::some(&self.machine.registry, UserId(1)).await.unwrap()
    }

    /// Gives the versions that are in the vault: a secret has all of its versions or is not there.
    async fn stored(&self) -> Vec<Version> {
        let mut stored = self.machine.versions.all();
        let secrets: BTreeSet<_> = stored.iter().map(|version| version.secret.clone()).collect();
        for secret in secrets {
            if self.machine.vault.latest(&secret).await.unwrap().is_none() {
                stored.retain(|version| version.secret != secret);
            }
        }
        stored
    }

    /// Gives the living grants whose refresh token no store has, unless their owner has it, who has brought it along.
    /// Tells of each whether an older token of it is stored.
    fn unsaved(&self, stored: &[Version]) -> Vec<bool> {
        let tokens: BTreeSet<_> = stored.iter().filter_map(Version::refresh_token).collect();
        let grants = self.family.grants().into_iter();
        let unsaved =
            grants.filter(|grant| grant.alive && !grant.is_elsewhere && !tokens.contains(&grant.token));
        let older =
            |grant: Known| tokens.iter().filter_map(|token| numbers(token)).any(|(of, _)| of == grant.number);
        unsaved.map(older).collect()
    }

    /// Tells whether the vendor has replaced a stored token by one that no store has.
    pub async fn lacks_newest_token(&self) -> bool {
        self.unsaved(&self.stored().await).contains(&true)
    }

    /// Says what the stores hold, and what they lack.
    pub async fn left(&self, life: &impl Life) -> String {
        let (mut left, stored) = (life.left(self).await, self.stored().await);
        let revoked = self.family.grants().iter().any(|grant| !grant.alive);
        left.extend(self.instances().await.iter().map(|instance| describe(instance, &stored, revoked)));
        let unsaved = self.unsaved(&stored).into_iter();
        let words = ["a new grant that no store has", "a new token that no store has"];
        left.extend(unsaved.map(|older| words[usize::from(older)].to_owned()));
        if left.is_empty() { "nothing".into() } else { left.join("; ") }
    }

    /// Tells when the lease has certainly ended, while somebody has it.
    pub async fn lease_ends(&self) -> Option<Timestamp> {
        let live = self.instances().await.into_iter().filter(|instance| instance.state == State::Live);
        live.filter(|instance| instance.lease_owner.is_some()).filter_map(|instance| instance.due).max()
    }

    /// Tells when the sweep may come for what was left, while there is something.
    pub async fn sweep_is_due(&self) -> Option<Timestamp> {
        let unfinished = self.instances().await.into_iter().filter(is_unfinished);
        unfinished.map(|instance| instance.due.expect("what is left is on an agenda")).min()
    }

    /// Lets the sweep come when something is due of what a process has left, with a clock that differs by so many
    /// seconds, until there is nothing left. Says when it came last, what it told and what there is then.
    pub async fn sweep_all(&self, life: &impl Life, skew: i64) -> String {
        let (told, mut came) = (self.told.metrics().len(), false);
        for _ in 0..SWEEPS {
            let Some(due) = self.sweep_is_due().await else { break };
            let now = self.machine.clock.now();
            self.machine.pass(if due > now { due - now } else { LIFETIME });
            self.sweep_once(skew).await;
            came = true;
        }
        if !came {
            return "has nothing to do".into();
        }
        let told = telling(&self.told_since(told)).into_iter();
        let left = format!("left: {}", self.left(life).await);
        self.after() + &told.chain([left]).collect::<Vec<_>>().join("; ")
    }

    /// Lets the sweep come once, with a clock that differs by so many seconds.
    pub async fn sweep_once(&self, skew: i64) {
        sweep(&self.machine.skewed(skew), &sweep::LIMITS, &|| true).await.unwrap();
    }

    /// Checks that whoever asks now for a token of a live instance gets one.
    pub async fn serves(&self) {
        for instance in self.instances().await.iter().filter(|instance| instance.state == State::Live) {
            let live = ask(&self.machine.sound(), instance).await.expect("the valid token serves");
            assert!(
                self.family.takes(live.grant.tokens.access_token.expose_secret()),
                "the valid token serves"
            );
        }
    }

    /// Checks what must hold at the end, when every token has expired. A grant may have ended only when nobody could
    /// save it, and then that was told.
    pub async fn ends_well(&self, may_end: bool) {
        self.machine.pass(LIFETIME + 1);
        let told: BTreeSet<_> = self.told.metrics().into_iter().collect();
        let mut held = BTreeSet::new();
        for instance in self.instances().await {
            assert!(!is_unfinished(&instance), "it is finished: {instance:?}");
            if let Err(error) = ask(&self.machine.sound(), &instance).await {
                let is_told = ["GrantInDoubt", "GrantDead"].iter().all(|metric| self.told.count(metric) > 0);
                let is_excused = may_end && error.status() == 409 && is_told;
                assert!(is_excused, "a grant is lost: {error}, told {:?}", self.told.metrics());
            } else {
                held.insert(self.grant_of(&instance).await);
            }
        }
        let mut elsewhere = self.family.grants().into_iter().filter(|grant| grant.is_elsewhere);
        assert!(elsewhere.all(|grant| grant.alive), "its owner has brought it along, and keeps it");
        let replaced = |grant: &Known| held.iter().any(|held| grant.number <= *held);
        let nowhere = self.family.grants().into_iter().filter(|grant| grant.alive && !grant.is_elsewhere);
        // Whoever consents again, and hears nothing of the vendor's, goes on with the grant before.
        let goes_on = !held.is_empty() && told.contains("VendorFailed");
        let is_told = goes_on || LOSSES.iter().any(|loss| told.contains(*loss));
        assert!(
            is_told || nowhere.filter(|grant| !replaced(grant)).count() == 0,
            "a grant lives on untold: {told:?}"
        );
        assert!(
            self.family.reused() == 0 || told.contains("GrantInDoubt"),
            "a spent token is sent without a doubt"
        );
        self.leaves_no_secret().await;
    }

    /// Gives the number of the vendor's grant that an instance has, which can be changed as any other.
    async fn grant_of(&self, instance: &Instance) -> usize {
        let (broker, find) =
            (self.machine.sound(), instance::find(&self.machine.registry, UserId(1), instance.id));
        let mut found = find.await.unwrap().unwrap();
        if found.app.is_none() {
            found = rekey(&broker, &found).await.unwrap();
            assert_eq!(broker.grant(&found).await.unwrap().unwrap().secret("oauth.api.key"), Some("another"));
        }
        let tokens = broker.grant(&found).await.unwrap().unwrap().tokens;
        let token = tokens.access_token.expose_secret();
        assert!(self.family.takes(token), "the vendor takes {token}");
        numbers(token).unwrap().0
    }

    /// Checks that a record names every secret in the vault.
    async fn leaves_no_secret(&self) {
        let apps = self.apps().await.into_iter().map(|app| app.id.0);
        let instances = self.instances().await.into_iter().map(|instance| instance.secret);
        let named: BTreeSet<_> = apps.chain(instances).collect();
        let unnamed = self.stored().await.into_iter().filter(|version| !named.contains(&version.secret));
        assert_eq!(unnamed.count(), 0, "a secret is left that no record names");
    }
}

/// Tells whether somebody is at an instance, or has left it to the sweep.
fn is_unfinished(instance: &Instance) -> bool {
    let doubted = instance.valid && instance.in_doubt.is_some();
    instance.state != State::Live
        || instance.lease_owner.is_some()
        || !instance.predecessors.is_empty()
        || doubted
}

/// Says what there is of an instance.
fn describe(instance: &Instance, stored: &[Version], revoked: bool) -> String {
    let stored: Vec<_> = stored.iter().filter(|version| version.secret == instance.secret).collect();
    let secret = if stored.is_empty() { "" } else { " and its secret" };
    let unnamed = |version: &&Version| {
        instance.lease_owner.iter().chain(&instance.predecessors).any(|holder| *holder == version.id)
    };
    match instance.state {
        State::Pending => format!("a pending record{secret}"),
        State::Deleting if revoked => format!("a deleted record{secret}, its grant revoked"),
        State::Deleting => format!("a deleted record{secret}"),
        State::Live => {
            let facts = [
                (instance.lease_owner.is_some(), ", leased"),
                (stored.iter().any(unnamed), ", with a new version that it does not name"),
                (
                    instance.lease_owner.is_none() && !instance.predecessors.is_empty(),
                    ", with a dead holder to look for",
                ),
                (instance.valid && instance.in_doubt.is_some(), ", in doubt"),
                (!instance.valid, ", its grant ended"),
            ];
            let facts = facts.into_iter().filter(|(holds, _)| *holds).map(|(_, fact)| fact);
            format!("the instance{}", facts.collect::<String>())
        }
    }
}

/// Says what was told, if anything was.
pub fn telling(metrics: &[String]) -> Option<String> {
    let mut named: Vec<_> = metrics.iter().map(|metric| format!("`{metric}`")).collect();
    named.dedup();
    (!named.is_empty()).then(|| format!("tells {}", named.join(", ")))
}

/// Asks for an access token, and says which it is.
pub async fn token(broker: &Broker, instance: &Instance) -> Result<&'static str, Error> {
    let live = ask(broker, instance).await?;
    let token = live.grant.tokens.access_token;
    Ok(match numbers(token.expose_secret()) {
        Some((0, 1)) => "the old token",
        Some((0, _)) => "a refreshed token",
        _ => "a token of the new grant",
    })
}
