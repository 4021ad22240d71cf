//! The ways to break the protocol. The check refutes each of them, but for those at the end.

/// One way to break the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// One who takes over looks for nothing that others have left.
    NoLook,
    /// One whose token is refused does not look again.
    NoSecondLook,
    /// A look finds only the number after the current one.
    LooksAtNextOnly,
    /// A look finds only the last number that was given.
    LooksAtLastOnly,
    /// A look takes the lowest number that it finds.
    LooksLowestFirst,
    /// One who takes over does not read the grant again before it asks.
    NoReadAgain,
    /// `asking` is taken over before it has certainly ended.
    TakesTooSoon,
    /// `asking` is taken although `last` is not as read.
    TakesAnyLast,
    /// `asking` is taken although another has taken it since it was read.
    TakesAnyAsking,
    /// The number is that of the current tokens + 1, and + 1 more if `asking` was taken over.
    NumbersFromCurrent,
    /// `last` is removed together with `asking`.
    LastForgotten,
    /// A time that no right clock has written is replaced by each one that reads it, so that it never ends.
    SlidingClamp,
    /// A time that no right clock has written counts as long past.
    WildIsPast,
    /// A commit asks whether the tokens are those that were read.
    CommitsNumberAsRead,
    /// A commit asks only whether the number is another one.
    CommitsAnotherNumber,
    /// A commit does not ask for the family.
    CommitsAnyFamily,
    /// A commit needs `asking`.
    CommitNeedsAsking,
    /// A commit makes the grant if it is not there or is ending.
    CommitUpserts,
    /// A late commit removes another's `asking`.
    CommitFreesAnothers,
    /// Tokens that the table refuses are not put into Secrets Manager.
    NoOtherStore,
    /// `asking` is removed after tokens were put into Secrets Manager only.
    ReleasesAfterPut,
    /// `asking` is removed although the outcome is unknown.
    UnknownReleases,
    /// One who gives back what it took over removes `asking`, and with it the doubt.
    DoubtForgotten,
    /// One who gives back what it took over puts the old owner's name back.
    OldOwnerPutBack,
    /// Tokens are adopted over any others.
    AdoptsOverAny,
    /// Tokens are adopted although another has taken over since.
    AdoptsUnasked,
    /// A refusal is written whatever the tokens are now.
    RefusesAny,
    /// A refusal counts for all settings that come later.
    RefusedWithoutNumber,
    /// `due` is removed together with the writing of a refusal.
    DueGoesWithRefusal,
    /// `due` is removed although a change of settings has written it since it was read.
    DueRemovedUnread,
    /// `due` is removed although the settings are newer than the refusal.
    DueRemovedForNewSettings,
    /// A copy is written over a newer one.
    CopiesOlder,
    /// Tokens are asked for with a client to which they were not given.
    AnyClient,
    /// A consent does not wait for the slot.
    NoSlot,
    /// The slot is taken although the settings were changed since they were read.
    SlotWithoutNumber,
    /// One whose consent has an unknown outcome ends its slot.
    UnknownEndsSlot,
    /// A consent's tokens are written whatever family is there.
    ConsentWithoutNumber,
    /// A consent's settings are written before its grant.
    SettingsBeforeGrant,
    /// A consent's settings are written although a later consent was begun.
    SettingsOfAnyConsent,
    /// No marker is put.
    NoMarker,
    /// One who finds the marker goes on after it.
    MarkerResumes,
    /// An answer without a refresh token is written while somebody asks.
    BareWhileAsking,
    /// An answer without a refresh token is written over tokens that were not read.
    BareOverAnyNumber,
    /// Tokens count as settled although others have replaced them.
    SettlesAnyNumber,
    /// Tokens are settled into a secret that is leaving.
    SettleIgnoresLeaving,
    /// Tokens are moved back while somebody asks.
    UnsettlesWhileAsking,
    /// The secret is deleted before its tokens are in the record.
    SecretDeletedFirst,
    /// The secret is deleted while others may still use it.
    SecretRemovedAtOnce,
    /// An instance is live before it has a grant.
    LiveBeforeGrant,
    /// An instance is made live without regard to its state.
    LiveUnlessPending,
    /// A put is made again after its reply was lost.
    PutRepeated,
    /// A deletion marks the grant before the instance.
    GrantEndedFirst,
    /// A grant is removed although it names a secret that was not read.
    GrantRemovedWithAnySecret,
    /// The sweep does not care for grants without an instance.
    NoOrphans,
    /// The sweep reads the instance before the grant.
    SweepReadsInstanceFirst,
    /// The sweep gives up a pending instance that has a grant.
    SweepUndoesPending,
    /// The sweep does not wait until the maker has certainly ended.
    SweepsTooSoon,
    /// An import that takes itself back marks the instance first.
    TakeBackMarksInstanceFirst,
    /// An import takes itself back although it took `asking` over.
    TakeBackInDoubt,
    /// An import that takes itself back removes the marker first.
    MarkerRemovedFirst,
    /// The marker is removed while somebody may still ask with the token.
    MarkerRemovedWhileAsking,
    /// The marker is removed after the instance.
    MarkerRemovedLast,
    /// An import puts its grant without `asking`, and takes it afterwards.
    ImportPutsUnasked,
    /// An import asks without reading its instance after it has put the grant.
    ImportAsksUnread,
    /// The sweep makes a pending import live whose token nobody has asked with.
    SweepFinishesUndecided,
    /// The sweep gives up a pending import without a grant, and puts none that is ending.
    SweepPutsNoFence,
    /// A grant without an instance is revoked although it is an import's.
    OrphanOfImportRevoked,
    /// One who finds its instance deleted without revoking revokes the tokens that it was given.
    LateHolderRevokesImport,
    /// Not refuted, since the grant is read again before asking: `asking` is taken although the tokens are
    /// not those that were read.
    TakesAnyNumber,
    /// Not refuted: tokens are adopted over any older ones of their family.
    AdoptsOverOlder,
    /// Not refuted: a maker that comes too late leaves its grant to the sweep.
    LateMakerKeepsGrant,
}

impl Mutant {
    /// Those that are not refuted: the protocol holds without what they leave out.
    pub const NOT_REFUTED: [Self; 3] =
        [Self::TakesAnyNumber, Self::AdoptsOverOlder, Self::LateMakerKeepsGrant];

    /// How many there are.
    pub const COUNT: usize = Self::LateMakerKeepsGrant as usize + 1;
}
