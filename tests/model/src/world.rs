//! What the racers share: the record, the vault, the vendor, and the time.

/// Time, in ticks: a tick stands for no fixed time, only for what lies before what.
pub type Tick = u8;

/// A lease owner's id, and the id of the version that this owner stores.
pub type Id = u8;

/// The version that is current at the start.
pub const FIRST: Id = 0;

/// How many racers there are at most.
pub const RACERS: usize = 4;

/// How many versions may be stored: the first, one a racer, and those of the two that come afterwards.
pub const VERSIONS: usize = RACERS + 3;

/// How many grants the vendor may make: the first, and one for each consent.
pub const FAMILIES: usize = 4;

/// How long a lease lasts, and a request to us runs. What lasts a tick may end in the next one.
pub const LASTS: Tick = 1;

/// How long a request that was sent may take to arrive at the vendor: longer than a lease lasts.
pub const DOUBT_ENDS: Tick = 2;

/// How much the clocks of two racers may differ.
pub const SKEW: Tick = 1;

/// How long an access token lives.
pub const LIFE: Tick = 2;

/// A refresh token: the grant that it belongs to, and how often that was refreshed before. It also tells
/// its access token, and when it was issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token {
    /// The grant at the vendor; each consent makes one.
    pub family: u8,
    /// Counts the refreshes of the family.
    pub number: u8,
}

impl Token {
    /// The bit that stands for this token in a set.
    pub fn bit(self) -> u32 {
        1 << (self.family * 8 + self.number)
    }
}

/// A version of the secret in the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// The generation that it carries.
    pub generation: u8,
    /// Its refresh token.
    pub token: Token,
    /// When its access token expires, on the clock of who stored it.
    pub expires: Tick,
    /// Whether it was stored within this tick: a read may still miss it.
    pub fresh: bool,
    /// Whether its owner's lease had ended when it was stored.
    pub late: bool,
}

/// Where the instance stands in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Life {
    /// It is visible.
    #[default]
    Live,
    /// It is being deleted.
    Deleting,
    /// Its record is gone.
    Gone,
}

/// Who may write to the vault, and until when on that owner's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The holder.
    pub owner: Id,
    /// When its right ends.
    pub until: Tick,
}

/// The registry's record of the instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Record {
    /// Where it stands.
    pub life: Life,
    /// Whether the grant has ended.
    pub dead: bool,
    /// The generation of the current version.
    pub generation: u8,
    /// The current version.
    pub version: Id,
    /// Stands for when the current token was issued.
    pub issued: Token,
    /// When the current access token expires.
    pub expires: Tick,
    /// The lease.
    pub lease: Option<Lease>,
    /// Whose lease was taken over, in this order; [`FIRST`] fills the rest.
    pub predecessors: [Id; RACERS],
    /// The versions that were current, as a set.
    pub committed: u8,
    /// When a refresh was sent that nobody knows the outcome of.
    pub in_doubt: Option<Tick>,
}

impl Record {
    /// Who holds the lease.
    pub fn owner(&self) -> Option<Id> {
        self.lease.map(|lease| lease.owner)
    }

    /// Adds an owner whose lease was taken.
    pub fn succeed(&mut self, dead: Id) {
        if let Some(place) = self.predecessors.iter_mut().find(|id| **id == FIRST) {
            *place = dead;
        }
    }

    /// The predecessors without what fills the rest.
    pub fn dead_owners(&self) -> impl Iterator<Item = Id> + use<> {
        self.predecessors.into_iter().filter(|id| *id != FIRST)
    }

    /// Tells whether whoever takes the lease next will look for what this owner has stored.
    pub fn names(&self, owner: Id) -> bool {
        self.version == owner || self.owner() == Some(owner) || self.dead_owners().any(|id| id == owner)
    }

    /// Ends the lease, and forgets who had it before, unless there is doubt: one of them may only stand still.
    pub fn unlease(&mut self) {
        self.lease = None;
        if self.in_doubt.is_none() {
            self.forget_predecessors();
        }
    }

    /// Forgets who had the lease before.
    pub fn forget_predecessors(&mut self) {
        self.predecessors = [FIRST; RACERS];
    }
}

/// A grant at a vendor that rotates: each refresh token may be used once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Family {
    /// Whether the vendor has made it.
    pub made: bool,
    /// Whether it was not ended.
    pub alive: bool,
    /// The number of the one refresh token that may be used.
    pub current: u8,
    /// Whether an answer was lost that held its next token: then an end of it is nobody's fault.
    pub lost: bool,
}

/// What happened that must never happen; it stays in the state, so that a property finds it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Flaws {
    /// A refresh token was sent once more by one who knew of no doubt.
    pub sent_again: bool,
    /// A refresh token was sent of a grant that was known to have ended.
    pub sent_dead: bool,
    /// A refusal was written down over a newer generation.
    pub stale_verdict: bool,
    /// The record's generation has decreased.
    pub back: bool,
}

/// What the racers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The time.
    pub now: Tick,
    /// How many faults may still happen.
    pub faults: u8,
    /// The registry.
    pub record: Record,
    /// The vault; `None` once the secret is removed.
    pub vault: Option<[Option<Version>; VERSIONS]>,
    /// The vendor: the first grant, and one for each new consent.
    pub families: [Family; FAMILIES],
    /// The refresh tokens that the vendor may have acted on.
    pub sent: u32,
    /// What went wrong.
    pub flaws: Flaws,
}

impl World {
    /// One instance with one version, whose access token lives.
    pub fn new(faults: u8) -> Self {
        let first =
            Version { generation: 0, token: Token::default(), expires: LIFE, fresh: false, late: false };
        let mut vault = [None; VERSIONS];
        vault[0] = Some(first);
        let mut families = [Family::default(); FAMILIES];
        families[0] = Family { made: true, alive: true, ..Family::default() };
        let record = Record { expires: LIFE, ..Record::default() };
        Self { now: 0, faults, record, vault: Some(vault), families, sent: 0, flaws: Flaws::default() }
    }

    /// Reads a version; a stale read misses what was stored within this tick.
    pub fn read(&self, id: Id, stale: bool) -> Option<Version> {
        let found = self.vault?[usize::from(id)];
        found.filter(|version| !(stale && version.fresh))
    }

    /// Finds the newest among a record's current version and what its predecessors have stored.
    pub fn newest(&self, record: &Record, stale: bool) -> Option<(Id, Version)> {
        let ids = [record.version].into_iter().chain(record.dead_owners());
        let found = ids.filter_map(|id| Some((id, self.read(id, stale)?)));
        found.max_by_key(|(_, version)| version.generation)
    }

    /// Tells whether a read could miss something.
    pub fn may_be_stale(&self) -> bool {
        self.vault.iter().flatten().flatten().any(|version| version.fresh)
    }

    /// The grant that a token belongs to.
    pub fn family(&mut self, token: Token) -> &mut Family {
        &mut self.families[usize::from(token.family)]
    }

    /// Tells whether the vendor would take this token.
    pub fn is_good(&self, token: Token) -> bool {
        let family = self.families[usize::from(token.family)];
        family.alive && family.current == token.number
    }

    /// The vendor acts on a refresh request: the next token, or nothing, and then the grant has ended.
    pub fn refresh(&mut self, token: Token) -> Option<Token> {
        let good = self.is_good(token);
        let family = self.family(token);
        family.alive = good;
        family.current += u8::from(good);
        good.then(|| Token { number: token.number + 1, ..token })
    }

    /// The vendor takes a code: a new grant, unless the model has no room for more.
    pub fn exchange(&mut self) -> Option<Token> {
        let new = self.families.iter().position(|family| !family.made)?;
        self.families[new] = Family { made: true, alive: true, ..Family::default() };
        Some(Token { family: u8::try_from(new).ok()?, number: 0 })
    }

    /// The vendor revokes a grant, if the token is one that it knows.
    pub fn revoke(&mut self, token: Token) {
        if self.is_good(token) {
            self.family(token).alive = false;
        }
    }
}
