//! What a life happens in: stores, and a vendor that keeps books. It says in words what the stores hold, lets the
//! sweep finish what is left, and checks at the end what must hold however a process was struck.

use std::collections::BTreeSet;

use broker::Broker;
use broker::Error;
use broker::clock::Timestamp;
use broker::grant::sweep::sweep;
use broker::id::{InstanceId, UserId};
use broker::record::app::{self, App};
use broker::record::grant::{self, Asking, Grant, certainly_ended};
use broker::record::instance::{self, Instance, State};
use broker::record::tokens::TokenSet;
use secrecy::ExposeSecret;
use tracing::subscriber::DefaultGuard;

use super::lives::Life;
use crate::Status as _;
use crate::family::{Family, Habit, Known, numbers};
use crate::machine::{Machine, account_of, ask, keyring, rekey};
use crate::told::Told;

/// How long the vendor's access tokens live, in seconds.
const LIFETIME: i64 = 60;

/// How often the sweep comes for what a process has left, at most.
const SWEEPS: usize = 10;

/// The highest id of an instance that a life makes.
const MOST: u64 = 4;

/// The metrics that say that a grant may be lost, or may live on at its vendor.
const LOSSES: [&str; 4] = ["GrantLost", "GrantNotSaved", "GrantInDoubt", "GrantUnrevoked"];

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
    /// Makes one whose vendor has that habit, and whose tokens rest in Secrets Manager if `settles`.
    pub async fn new(habit: Habit, settles: bool) -> Self {
        let (told, guard) = Told::listen();
        let (mut machine, family) = (Machine::with("warm = true").await, Family::new(habit));
        if settles {
            machine = machine.settling().await;
        }
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

    /// Gives the grants that there are, with or without an instance.
    async fn held(&self) -> Vec<Grant> {
        let ids = (1..=MOST).map(|id| self.machine.grant_of(InstanceId(id)));
        futures_util::future::join_all(ids).await.into_iter().flatten().collect()
    }

    /// Gives the refresh tokens that some store has.
    async fn stored(&self) -> BTreeSet<String> {
        let mut stored = BTreeSet::new();
        for grant in self.held().await {
            if grant.sealed.is_none() && grant.secret.is_none() {
                // It bars whoever is late with one.
                continue;
            }
            let tokens = self.machine.tokens_of(&grant).await;
            stored.extend(tokens.refresh_token.map(|token| token.expose_secret().to_owned()));
            stored.extend(self.left_in_vault(&grant).await);
        }
        stored
    }

    /// Gives the newer refresh tokens of a grant that were left in Secrets Manager.
    async fn left_in_vault(&self, grant: &Grant) -> Vec<String> {
        let mut left = Vec::new();
        let (Some(vault), Some(secret)) = (&self.machine.vault, &grant.secret) else { return left };
        for number in grant.number + 1..=grant.last {
            let version = format!("{:016x}-{number:016x}", grant.family);
            if let Some(text) = vault.get(secret, &version).await.unwrap() {
                let token = TokenSet::from_text(&text).unwrap().tokens.refresh_token;
                left.extend(token.map(|token| token.expose_secret().to_owned()));
            }
        }
        left
    }

    /// Gives the living grants whose refresh token no store has, unless their owner has it, who has brought it along.
    /// Tells of each whether an older token of it is stored.
    async fn unsaved(&self) -> Vec<bool> {
        let tokens = self.stored().await;
        let grants = self.family.grants().into_iter();
        let unsaved =
            grants.filter(|grant| grant.alive && !grant.is_elsewhere && !tokens.contains(&grant.token));
        let older =
            |grant: Known| tokens.iter().filter_map(|token| numbers(token)).any(|(of, _)| of == grant.number);
        unsaved.map(older).collect()
    }

    /// Tells whether the vendor has replaced a stored token by one that no store has.
    pub async fn lacks_newest_token(&self) -> bool {
        self.unsaved().await.contains(&true)
    }

    /// Says what the stores hold, and what they lack.
    pub async fn left(&self, life: &impl Life) -> String {
        let mut left = life.left(self).await;
        let revoked = self.family.grants().iter().any(|grant| !grant.alive);
        let (instances, grants) = (self.instances().await, self.held().await);
        for instance in &instances {
            let grant = grants.iter().find(|grant| grant.instance == instance.id);
            left.push(describe(instance, grant, revoked, self.machine.clock.now()));
        }
        let is_orphan = |grant: &&Grant| instances.iter().all(|instance| instance.id != grant.instance);
        left.extend(grants.iter().filter(is_orphan).map(|_| "a grant without an instance".to_owned()));
        let unsaved = self.unsaved().await.into_iter();
        let words = ["a new grant that no store has", "a new token that no store has"];
        left.extend(unsaved.map(|older| words[usize::from(older)].to_owned()));
        if left.is_empty() { "nothing".into() } else { left.join("; ") }
    }

    /// Tells when whoever was asking the vendor has certainly ended, while somebody is.
    pub async fn asking_ends(&self) -> Option<Timestamp> {
        let now = self.machine.clock.now();
        let asking = self.held().await.into_iter().filter(|grant| grant.asking(now) == Asking::Running);
        asking.filter_map(|grant| grant.asking_since.map(certainly_ended)).max()
    }

    /// Tells when the sweep may come for what was left, while there is something.
    pub async fn sweep_is_due(&self) -> Option<Timestamp> {
        let instances = self.instances().await;
        let has_slot = |instance: &&Instance| instance.state == State::Live && instance.due.is_some();
        let unfinished = instances.iter().filter(|it| it.state != State::Live || has_slot(it));
        let instances = unfinished.map(|instance| instance.due.expect("what is left is on an agenda"));
        let grants = self.held().await.into_iter().filter(is_unfinished);
        instances.chain(grants.map(|grant| grant.due.expect("what is left is on an agenda"))).min()
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
            let grant = self.machine.grant_of(instance.id).await.unwrap();
            if !grant.is_valid(self.machine.clock.now()) {
                // A token that was brought along has given none yet.
                continue;
            }
            let live = ask(&self.machine.sound(), instance).await.expect("the valid token serves");
            assert!(self.family.takes(live.tokens.access_token.expose_secret()), "the valid token serves");
        }
    }

    /// Checks what must hold at the end, when every token has expired. A grant may have ended only when nobody could
    /// save it, and then that was told.
    pub async fn ends_well(&self, may_end: bool) {
        self.machine.pass(LIFETIME + 1);
        let told: BTreeSet<_> = self.told.metrics().into_iter().collect();
        let mut held = BTreeSet::new();
        let unfinished: Vec<_> = self.held().await.into_iter().filter(is_unfinished).collect();
        assert!(unfinished.is_empty(), "all is finished: {unfinished:?}");
        for instance in self.instances().await {
            assert_eq!(instance.state, State::Live, "it is finished: {instance:?}");
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
        self.leaves_no_orphan().await;
    }

    /// Gives the number of the vendor's grant that an instance has, which can be changed as any other.
    async fn grant_of(&self, instance: &Instance) -> usize {
        let broker = self.machine.sound();
        let found = account_of(&broker, instance).await.unwrap();
        if found.instance.app.is_none() {
            let changed = rekey(&broker, &found.instance).await.unwrap();
            let secrets = changed.secrets(&keyring()).unwrap();
            assert_eq!(secrets["oauth.api.secret"].expose_secret(), "another");
        }
        let token = self.machine.tokens_of(&found.grant).await.access_token;
        let token = token.expose_secret();
        assert!(self.family.takes(token), "the vendor takes {token}");
        numbers(token).unwrap().0
    }

    /// Checks that there is no grant without an instance, and that lists say how each grant is.
    async fn leaves_no_orphan(&self) {
        let instances = self.instances().await;
        for grant in self.held().await {
            let instance = instances.iter().find(|instance| instance.id == grant.instance);
            let instance = instance.unwrap_or_else(|| panic!("a grant without an instance: {grant:?}"));
            assert_eq!(
                instance.is_valid(),
                !grant.is_dead(instance.number),
                "lists say how it is: {instance:?}"
            );
        }
    }
}

/// Tells whether somebody is asking the vendor, or was and has not said how it ended; or whether the record is not yet
/// what it is to be.
fn is_unfinished(grant: &Grant) -> bool {
    grant.state != grant::State::Live
        || grant.asking_owner.is_some()
        || grant.refused.is_some() && grant.due.is_some()
}

/// Says what there is of an instance.
fn describe(instance: &Instance, grant: Option<&Grant>, revoked: bool, now: Timestamp) -> String {
    let with = if grant.is_some() { " and its grant" } else { "" };
    match (instance.state, grant) {
        (State::Pending, _) => format!("a pending record{with}"),
        (State::Deleting, Some(_)) if revoked => format!("a deleted record{with}, revoked"),
        (State::Deleting, _) => format!("a deleted record{with}"),
        (State::Live, None) => "an instance without a grant".into(),
        (State::Live, Some(grant)) => {
            let asking = grant.asking(now);
            let facts = [
                (asking == Asking::Running, ", somebody is asking"),
                (asking == Asking::Ended, ", in doubt"),
                (instance.consents > grant.family && instance.consent_since > 0, ", a consent under way"),
                (grant.is_dead(instance.number), ", its grant ended"),
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
    Ok(match numbers(live.tokens.access_token.expose_secret()) {
        Some((0, 1)) => "the old token",
        Some((0, _)) => "a refreshed token",
        _ => "a token of the new grant",
    })
}
