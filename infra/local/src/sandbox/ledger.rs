//! What the sandbox has granted. Every answer is on the disk before it is given, so that a broker that
//! is killed finds its vendor as it left it.

use std::path::Path;

use broker::clock::Timestamp;
use broker::random;
use broker::seal::key;
use broker::store::StoreError;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::TENANT;
use crate::options::Habits;
use crate::store::{Database, OpenError, WorkError};

const SCHEMA: &str = "
    CREATE TABLE codes (
        code TEXT PRIMARY KEY, client TEXT NOT NULL, redirect_uri TEXT NOT NULL, expires INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE grants (
        id INTEGER PRIMARY KEY, client TEXT NOT NULL, secret TEXT NOT NULL, alive INTEGER NOT NULL
    );
    CREATE TABLE access_tokens (
        token TEXT PRIMARY KEY, grant_id INTEGER NOT NULL, expires INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE refresh_tokens (
        token TEXT PRIMARY KEY, grant_id INTEGER NOT NULL, expires INTEGER NOT NULL,
        used INTEGER, next_access TEXT, next_refresh TEXT
    ) WITHOUT ROWID;
    CREATE TABLE counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
";

/// How long a code lives, in seconds (RFC 6749 section 4.1.2 recommends ten minutes at most).
const CODE_LIFETIME: Timestamp = 600;

/// What the sandbox remembers.
#[derive(Debug, Clone)]
pub struct Ledger {
    database: Database,
}

/// A client as it showed itself.
pub(super) struct Client {
    pub(super) id: String,
    pub(super) secret: String,
}

/// A pair of tokens.
pub(super) struct Pair {
    pub(super) access: String,
    pub(super) refresh: String,
}

/// Why tokens are refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    /// The code is unknown, used, expired, or another client's or redirect URI's.
    Code,
    /// The refresh token is unknown, expired, used, or of a dead grant.
    RefreshToken,
    /// The grant was given to another client, or to the same with another secret.
    Client,
}

/// What the sandbox has seen.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    codes_issued: i64,
    exchanges: i64,
    refreshes: i64,
    reuses: i64,
    revocations: i64,
    api_calls: i64,
}

impl Ledger {
    /// Opens the ledger, making it when it is missing. It survives the process, not a power cut.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open_with(path, &[SCHEMA], "NORMAL")? })
    }

    /// Issues a code to a client for a redirect URI.
    pub(super) async fn issue_code(
        &self,
        client: String,
        redirect_uri: String,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let code = random::id();
        let issued = code.clone();
        let work = move |t: &Transaction<'_>| {
            t.execute(
                "INSERT INTO codes VALUES (?1, ?2, ?3, ?4)",
                params![issued, client, redirect_uri, now + CODE_LIFETIME],
            )?;
            count(t, "codes_issued")
        };
        self.database.run(work).await?;
        Ok(code)
    }

    /// Exchanges a code, which works once.
    pub(super) async fn exchange(
        &self,
        code: String,
        redirect_uri: String,
        client: Client,
        habits: &Habits,
        now: Timestamp,
    ) -> Result<Result<Pair, Refusal>, StoreError> {
        let habits = habits.clone();
        let work = move |t: &Transaction<'_>| {
            let taken = t
                .query_row(
                    "DELETE FROM codes WHERE code = ?1 AND client = ?2 AND redirect_uri = ?3 RETURNING expires",
                    params![code, client.id, redirect_uri],
                    |row| row.get::<_, Timestamp>(0),
                )
                .optional()?;
            if taken.is_none_or(|expires| expires <= now) {
                return Ok(Err(Refusal::Code));
            }
            t.execute(
                "INSERT INTO grants (client, secret, alive) VALUES (?1, ?2, 1)",
                params![client.id, key::fingerprint(&client.secret)],
            )?;
            count(t, "exchanges")?;
            Ok(Ok(issue(t, t.last_insert_rowid(), &habits, now)?))
        };
        self.database.run(work).await
    }

    /// Refreshes: the old refresh token is spent, and spending it twice kills the grant.
    pub(super) async fn refresh(
        &self,
        token: String,
        client: Client,
        habits: &Habits,
        now: Timestamp,
    ) -> Result<Result<Pair, Refusal>, StoreError> {
        let habits = habits.clone();
        self.database.run(move |t| refresh(t, &token, &client, &habits, now)).await
    }

    /// Revokes the grant of an access or refresh token, if it is this client's (RFC 7009).
    pub(super) async fn revoke(&self, token: String, client: Client) -> Result<(), StoreError> {
        let work = move |t: &Transaction<'_>| {
            let revoked = t.execute(
                "UPDATE grants SET alive = 0 WHERE alive = 1 AND client = ?2 AND id IN (
                     SELECT grant_id FROM refresh_tokens WHERE token = ?1
                     UNION SELECT grant_id FROM access_tokens WHERE token = ?1)",
                params![token, client.id],
            )?;
            if revoked > 0 { count(t, "revocations") } else { Ok(()) }
        };
        self.database.run(work).await
    }

    /// Tells whether an access token is alive, and counts the call that showed it.
    pub(super) async fn admits(&self, token: String, now: Timestamp) -> Result<bool, StoreError> {
        let work = move |t: &Transaction<'_>| {
            count(t, "api_calls")?;
            let mut live = t.prepare_cached(
                "SELECT 1 FROM access_tokens JOIN grants ON grants.id = grant_id
                 WHERE token = ?1 AND expires > ?2 AND alive = 1",
            )?;
            Ok(live.exists(params![token, now])?)
        };
        self.database.run(work).await
    }

    /// Tells what the sandbox has seen.
    pub(super) async fn stats(&self) -> Result<Stats, StoreError> {
        let work = |t: &Transaction<'_>| {
            let mut select = t.prepare_cached("SELECT value FROM counts WHERE name = ?1")?;
            let mut of = |name: &str| {
                select.query_row([name], |row| row.get(0)).optional().map(Option::unwrap_or_default)
            };
            Ok(Stats {
                codes_issued: of("codes_issued")?,
                exchanges: of("exchanges")?,
                refreshes: of("refreshes")?,
                reuses: of("reuses")?,
                revocations: of("revocations")?,
                api_calls: of("api_calls")?,
            })
        };
        self.database.run(work).await
    }
}

/// A refresh token as it stands in the ledger.
struct Spent {
    grant: i64,
    expires: Timestamp,
    used: Option<Timestamp>,
    next: Option<Pair>,
    alive: bool,
    client: String,
    secret: String,
}

fn refresh(
    t: &Transaction<'_>,
    token: &str,
    client: &Client,
    habits: &Habits,
    now: Timestamp,
) -> Result<Result<Pair, Refusal>, WorkError> {
    let Some(found) = find(t, token)? else { return Ok(Err(Refusal::RefreshToken)) };
    if found.client != client.id || found.secret != key::fingerprint(&client.secret) {
        return Ok(Err(Refusal::Client));
    }
    if let (Some(used), true) = (found.used, found.alive) {
        count(t, "reuses")?;
        if let (Some(next), true) = (found.next, now < used.saturating_add(habits.grace)) {
            return Ok(Ok(next));
        }
        t.execute("UPDATE grants SET alive = 0 WHERE id = ?1", [found.grant])?;
        return Ok(Err(Refusal::RefreshToken));
    }
    if !found.alive || found.expires <= now {
        return Ok(Err(Refusal::RefreshToken));
    }
    t.execute("DELETE FROM access_tokens WHERE grant_id = ?1", [found.grant])?;
    let pair = issue(t, found.grant, habits, now)?;
    t.execute(
        "UPDATE refresh_tokens SET used = ?2, next_access = ?3, next_refresh = ?4 WHERE token = ?1",
        params![token, now, pair.access, pair.refresh],
    )?;
    count(t, "refreshes")?;
    Ok(Ok(pair))
}

fn find(t: &Transaction<'_>, token: &str) -> Result<Option<Spent>, WorkError> {
    let mut select = t.prepare_cached(
        "SELECT grant_id, expires, used, next_access, next_refresh, alive, client, secret
         FROM refresh_tokens JOIN grants ON grants.id = grant_id WHERE token = ?1",
    )?;
    let spent = select.query_row([token], |row| {
        let next: (Option<String>, Option<String>) = (row.get(3)?, row.get(4)?);
        Ok(Spent {
            grant: row.get(0)?,
            expires: row.get(1)?,
            used: row.get(2)?,
            next: next.0.zip(next.1).map(|(access, refresh)| Pair { access, refresh }),
            alive: row.get(5)?,
            client: row.get(6)?,
            secret: row.get(7)?,
        })
    });
    Ok(spent.optional()?)
}

fn issue(t: &Transaction<'_>, grant: i64, habits: &Habits, now: Timestamp) -> Result<Pair, WorkError> {
    let pair = Pair { access: random::secret(), refresh: random::secret() };
    t.execute(
        "INSERT INTO access_tokens VALUES (?1, ?2, ?3)",
        params![pair.access, grant, now + habits.access_lifetime],
    )?;
    t.execute(
        "INSERT INTO refresh_tokens (token, grant_id, expires) VALUES (?1, ?2, ?3)",
        params![pair.refresh, grant, now + habits.refresh_lifetime],
    )?;
    Ok(pair)
}

fn count(t: &Transaction<'_>, name: &str) -> Result<(), WorkError> {
    let mut add =
        t.prepare_cached("INSERT INTO counts VALUES (?1, 1) ON CONFLICT DO UPDATE SET value = value + 1")?;
    add.execute([name])?;
    Ok(())
}

/// The scope that tells whose account a token is for.
pub(super) fn scope() -> String {
    format!("full|{TENANT}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const URI: &str = "https://app.example/cb";

    fn habits(grace: i64) -> Habits {
        Habits { access_lifetime: 100, refresh_lifetime: 1_000, grace, latency: Duration::ZERO }
    }

    fn client() -> Client {
        Client { id: "id".into(), secret: "secret".into() }
    }

    async fn granted(folder: &tempfile::TempDir) -> (Ledger, Pair) {
        let ledger = Ledger::open(&folder.path().join("sandbox.db")).unwrap();
        let code = ledger.issue_code("id".into(), URI.into(), 0).await.unwrap();
        let pair = ledger.exchange(code, URI.into(), client(), &habits(0), 0).await.unwrap().unwrap();
        (ledger, pair)
    }

    #[tokio::test]
    async fn a_code_works_once_for_its_client_and_redirect_uri_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, _) = granted(&folder).await;
        let code = ledger.issue_code("id".into(), URI.into(), 0).await.unwrap();
        let exchange = |uri: &str, id: &str, now| {
            let client = Client { id: id.into(), secret: "secret".into() };
            let (ledger, code, uri) = (ledger.clone(), code.clone(), uri.to_owned());
            async move { ledger.exchange(code, uri, client, &habits(0), now).await.unwrap() }
        };
        assert!(exchange("https://other.example/", "id", 0).await.is_err());
        assert!(exchange(URI, "other", 0).await.is_err());
        assert!(exchange(URI, "id", 0).await.is_ok());
        assert!(exchange(URI, "id", 0).await.is_err(), "used");
        let late = ledger.issue_code("id".into(), URI.into(), 0).await.unwrap();
        assert!(
            ledger.exchange(late, URI.into(), client(), &habits(0), CODE_LIFETIME).await.unwrap().is_err()
        );
    }

    #[tokio::test]
    async fn a_refresh_rotates_and_a_reuse_kills_the_grant() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, first) = granted(&folder).await;
        let second = ledger.refresh(first.refresh.clone(), client(), &habits(0), 1).await.unwrap().unwrap();
        assert!(!ledger.admits(first.access, 1).await.unwrap(), "the old pair is dead");
        assert!(ledger.admits(second.access.clone(), 1).await.unwrap());
        assert!(ledger.refresh(first.refresh, client(), &habits(0), 1).await.unwrap().is_err());
        assert!(!ledger.admits(second.access, 1).await.unwrap());
        assert!(ledger.refresh(second.refresh, client(), &habits(0), 1).await.unwrap().is_err());
        let stats = ledger.stats().await.unwrap();
        assert_eq!((stats.exchanges, stats.refreshes, stats.reuses), (1, 1, 1));
    }

    #[tokio::test]
    async fn within_the_grace_a_reuse_gets_the_same_pair() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, first) = granted(&folder).await;
        let second = ledger.refresh(first.refresh.clone(), client(), &habits(30), 1).await.unwrap().unwrap();
        let again = ledger.refresh(first.refresh.clone(), client(), &habits(30), 30).await.unwrap().unwrap();
        assert_eq!(again.access, second.access);
        assert!(ledger.refresh(first.refresh, client(), &habits(30), 31).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn tokens_expire_and_are_revoked_by_their_client_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, pair) = granted(&folder).await;
        assert!(ledger.admits(pair.access.clone(), 99).await.unwrap());
        assert!(!ledger.admits(pair.access.clone(), 100).await.unwrap());
        let stranger = Client { id: "stranger".into(), secret: "x".into() };
        ledger.revoke(pair.refresh.clone(), stranger).await.unwrap();
        assert!(ledger.admits(pair.access.clone(), 1).await.unwrap());
        let wrong = Client { id: "id".into(), secret: "wrong".into() };
        let refused = ledger.refresh(pair.refresh.clone(), wrong, &habits(0), 1).await.unwrap();
        assert!(matches!(refused, Err(Refusal::Client)));
        ledger.revoke(pair.refresh, client()).await.unwrap();
        assert!(!ledger.admits(pair.access, 1).await.unwrap());
    }
}
