//! The steps of the racers.

/// Where a racer stands: its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It has not begun.
    Start,
    /// It refreshes.
    Refresh(Refresh),
    /// It waits for the vendor.
    Wait,
    /// It brings the copy in the instance up to date.
    Copy(Copying),
    /// It keeps a new consent.
    Consent(Consent),
    /// It changes the settings.
    Settings(Settings),
    /// It moves the tokens.
    Move(Move),
    /// It creates an instance.
    Create(Creation),
    /// It deletes an instance.
    Delete(Deletion),
    /// It finishes what another has left.
    Sweep(Sweeping),
    /// It has ended, or is dead.
    End,
}

/// The steps of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresh {
    /// Reads the other of the two items.
    ReadOther,
    /// Writes `asking`.
    Take,
    /// Looks for what those left who asked before.
    Look,
    /// Reads the grant again before it asks.
    ReadAgain,
    /// Sends the refresh token, if it is in time.
    Ask,
    /// Writes the new tokens.
    Commit,
    /// Puts the new tokens into Secrets Manager, for the table is out of reach.
    OtherStore,
    /// Looks again after a refusal.
    LookAgain,
    /// Makes what another has left the current tokens.
    Adopt,
    /// Writes the refusal.
    Refuse,
    /// Removes `asking`.
    Release,
    /// Gives `asking` back as it was found: removed, or in doubt.
    GiveBack,
    /// Ends the grant of an import whose first refresh was not acted on.
    TakeBack,
}

/// The steps of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Copying {
    /// Reads the grant.
    Read,
    /// Reads the instance and writes the copy.
    Write,
    /// Removes `due`.
    RemoveDue,
}

/// The steps of a consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consent {
    /// Writes the new client before anything else. Only a mutant does.
    SettingsFirst,
    /// Takes the slot.
    Slot,
    /// Puts the marker of the code.
    Marker,
    /// Sends the code, if it is in time.
    Exchange,
    /// Writes the new tokens.
    Commit,
    /// Reads the grant, since the answer came without a refresh token.
    ReadBare,
    /// Writes the new access token beside the old refresh token.
    CommitBare,
    /// Reads the instance before it writes the new client.
    ReadSettings,
    /// Writes the new client.
    WriteSettings,
    /// Ends the slot early.
    EndSlot,
}

/// The steps of a change of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Settings {
    /// Writes them.
    Write,
    /// Tells the sweep that the grant may work now.
    Hint,
}

/// The steps of a move of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// Names the secret in the grant.
    Name,
    /// Puts the tokens into the secret.
    Put,
    /// Removes the tokens from the record.
    Unseal,
    /// Gets the tokens from the secret.
    Get,
    /// Writes the tokens into the record, and that the secret is leaving.
    Seal,
    /// Deletes the secret.
    DeleteSecret,
    /// Removes the secret's name from the grant.
    Forget,
}

/// The steps of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Creation {
    /// Puts the marker.
    Marker,
    /// Puts the instance.
    Instance,
    /// Sends the code, if it is in time.
    Exchange,
    /// Puts the grant.
    Grant,
    /// Reads both items before an import's first refresh.
    ReadBoth,
    /// Makes the instance live.
    Live,
    /// Ends the own grant, for its instance is gone.
    EndGrant,
    /// Gives the pending instance up.
    Discard,
    /// Reads what another with the same code or token has made.
    Repeat,
}

/// The steps of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deletion {
    /// Marks the instance.
    Instance,
    /// Reads the grant.
    ReadGrant,
    /// Marks the grant.
    Grant,
    /// Revokes the tokens, unless the deletion is without.
    Revoke,
    /// Deletes the secret.
    Secret,
    /// Removes the grant.
    RemoveGrant,
    /// Removes the marker of an import that was not revoked.
    RemoveMarker,
    /// Removes the instance.
    RemoveInstance,
}

/// The steps of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sweeping {
    /// Reads the instance, after the grant, and decides.
    Decide,
    /// Puts a grant that is ending, if an import has none.
    Fence,
    /// Makes a pending instance live.
    Finish,
    /// Gives a pending instance up.
    Discard,
}
