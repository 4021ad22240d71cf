//! The commit of a refresh, and the other store if the table is out of reach.

use crate::flaw::Flaw;
use crate::item::{Grant, GrantState};
use crate::mutant::Mutant;
use crate::phase::{Copying, Creation, Phase, Refresh};
use crate::secret::SecretState;
use crate::sight::Sight;
use crate::step::{Made, Step};
use crate::world::Token;

impl Step<'_> {
    pub(crate) fn commit(&mut self) -> Made {
        let (seen, token) = (self.me().grant, self.me().answer());
        if self.is_denied() {
            return self.commit_denied();
        }
        if !self.may_commit(token) {
            return self.commit_refused(token);
        }
        let late = self.me().late;
        self.saw(if late { Sight::CommittedLate } else { Sight::Committed });
        if self.grant().token != seen.token {
            self.saw(Sight::CommittedOverLate);
        }
        self.stored(false);
        let mine = self.is_asking();
        let grant = &mut self.place().grant;
        *grant = Grant { state: GrantState::Live, token, sealed: true, refused: 0, due: 1, ..*grant };
        if mine || self.breaks(Mutant::CommitFreesAnothers) {
            self.free();
        }
        let next = if self.me().instance.copy.refused == 0 { Phase::End } else { Phase::Copy(Copying::Read) };
        let next = self.after_refresh(next);
        self.applied(next)
    }

    fn may_commit(&self, token: Token) -> bool {
        let (seen, grant) = (self.me().grant, self.grant());
        let newer = grant.token.family == token.family && grant.token.number < token.number;
        let live = grant.is_live();
        if self.breaks(Mutant::CommitsAnyFamily) {
            live && grant.token != token
        } else if self.breaks(Mutant::CommitsAnotherNumber) {
            live && grant.token.family == token.family && grant.token != token
        } else if self.breaks(Mutant::CommitsNumberAsRead) {
            live && grant.token == seen.token
        } else if self.breaks(Mutant::CommitUpserts) {
            newer
        } else if self.breaks(Mutant::CommitNeedsAsking) {
            live && newer && self.is_asking()
        } else {
            live && newer
        }
    }

    fn commit_denied(&mut self) -> Made {
        if self.breaks(Mutant::NoOtherStore) {
            return self.end();
        }
        if self.me().grant.secret.is_usable() {
            return self.go(Phase::Refresh(Refresh::OtherStore));
        }
        self.lose_tokens();
        self.end()
    }

    /// An import's grant is not revoked here: its token may have been given back.
    fn commit_refused(&mut self, token: Token) -> Made {
        let grant = self.grant();
        self.repeats_harmlessly()?;
        if !grant.is_live() {
            if !self.me().grant.imported {
                self.state.world.vendor.revoke(token.family);
            } else if self.breaks(Mutant::LateHolderRevokesImport) && !self.instance().revokes {
                return self.fail_with(Flaw::RevokedUnasked);
            }
            return self.end();
        }
        if self.me().kept {
            self.saw(Sight::RecognisedOwn);
        } else if grant.token.family == token.family {
            self.saw(Sight::FoundNewer);
        }
        let next = self.after_refresh(Phase::End);
        self.go(next)
    }

    /// An import goes on until its instance is live.
    pub(crate) fn after_refresh(&self, next: Phase) -> Phase {
        if self.me().instance.is_pending() { Phase::Create(Creation::Live) } else { next }
    }

    pub(crate) fn put_into_other_store(&mut self) -> Made {
        self.repeats_harmlessly()?;
        let (token, late, name) = (self.me().answer(), self.me().late, self.me().grant.secret.name);
        let grant = self.grant();
        let secret = *self.place().secret(name);
        let deleted = secret.state == SecretState::Deleted;
        if self.is_denied() || deleted || late && !secret.is_there() {
            if self.is_denied() || late || !grant.is_live() || grant.token.family > token.family {
                self.lose_tokens();
            }
            return self.end();
        }
        if late && self.nobody_looks(token) {
            self.lose_tokens();
        }
        self.saw(Sight::OtherStore);
        self.stored(true);
        self.place().secret(name).put(token);
        let mutant = self.breaks(Mutant::ReleasesAfterPut);
        self.go(if mutant { Phase::Refresh(Refresh::Release) } else { Phase::End })
    }
}
