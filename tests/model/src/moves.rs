//! The moves of tokens: into Secrets Manager, and back into the record.

use crate::flaw::Flaw;
use crate::item::SecretName;
use crate::model::Fate;
use crate::mutant::Mutant;
use crate::phase::{Move, Phase};
use crate::secret::SecretState;
use crate::sight::Sight;
use crate::step::{Made, Step};

impl Step<'_> {
    pub(crate) fn move_tokens(&mut self, phase: Move) -> Made {
        match phase {
            Move::Name => self.name_secret(),
            Move::Put => self.put_tokens(),
            Move::Unseal => self.unseal(),
            Move::Get => self.get_tokens(),
            Move::Seal => self.seal(),
            Move::DeleteSecret => self.delete_secret(Phase::Move(Move::Forget)),
            Move::Forget => self.forget_secret(),
        }
    }

    pub(crate) fn begin_settle(&mut self) -> Made {
        self.reads()?;
        let grant = self.grant();
        let leaving = grant.secret.leaving && !self.breaks(Mutant::SettleIgnoresLeaving);
        if !grant.is_live() || !grant.sealed || leaving {
            return self.end();
        }
        self.racer().grant = grant;
        self.go(Phase::Move(if grant.secret.name == 0 { Move::Name } else { Move::Put }))
    }

    fn name_secret(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (grant, chosen) = (self.grant(), self.me().found);
        if !(grant.is_live() && grant.secret.name == 0) {
            let mine = chosen != 0 && grant.secret.name == chosen;
            return self.refused(if mine { Phase::Move(Move::Put) } else { Phase::End });
        }
        let unmade = self.place().secret(1).state == SecretState::Unmade;
        let name = if unmade && chosen == 0 { 1 } else { 2 };
        self.place().grant.secret.name = name;
        let racer = self.racer();
        racer.found = name;
        racer.grant.secret.name = name;
        self.applied(Phase::Move(Move::Put))
    }

    fn put_tokens(&mut self) -> Made {
        self.repeats_harmlessly()?;
        let seen = self.me().grant;
        let deleted = self.place().secret(seen.secret.name).state == SecretState::Deleted;
        if self.is_denied() || deleted || self.me().late {
            return self.end();
        }
        self.place().secret(seen.secret.name).put(seen.token);
        self.go(Phase::Move(Move::Unseal))
    }

    fn unseal(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (seen, grant) = (self.me().grant, self.grant());
        let same = grant.token == seen.token || self.breaks(Mutant::SettlesAnyNumber);
        let secret = grant.secret.name == seen.secret.name && !grant.secret.leaving
            || self.breaks(Mutant::SettleIgnoresLeaving);
        if !(grant.is_live() && same && secret) {
            return self.refused(Phase::End);
        }
        self.saw(Sight::Settled);
        self.place().grant.sealed = false;
        self.applied(Phase::End)
    }

    pub(crate) fn begin_unsettle(&mut self) -> Made {
        self.reads()?;
        let grant = self.grant();
        if !grant.is_live() || grant.secret.name == 0 {
            return self.end();
        }
        self.racer().grant = grant;
        if grant.secret.leaving || self.breaks(Mutant::SecretDeletedFirst) {
            return self.go(Phase::Move(Move::DeleteSecret));
        }
        if grant.asking.is_taken() && !self.breaks(Mutant::UnsettlesWhileAsking) {
            return self.end();
        }
        self.go(Phase::Move(if grant.sealed { Move::Seal } else { Move::Get }))
    }

    fn get_tokens(&mut self) -> Made {
        self.repeats_harmlessly()?;
        if self.is_denied() {
            return self.end();
        }
        let (seen, grant) = (self.me().grant, self.grant());
        let found = self.place().secret(seen.secret.name).has(seen.token);
        if !found && grant == seen && self.fate == Fate::Well {
            return self.fail_with(Flaw::NotFound);
        }
        self.go(if found { Phase::Move(Move::Seal) } else { Phase::Start })
    }

    fn seal(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (seen, grant) = (self.me().grant, self.grant());
        let same = grant.token == seen.token && grant.secret.name == seen.secret.name;
        let free = !grant.asking.is_taken() || self.breaks(Mutant::UnsettlesWhileAsking);
        if !(grant.is_live() && same && free && !grant.secret.leaving) {
            let left = grant.secret == SecretName { leaving: true, ..seen.secret };
            return self.refused(if left { Phase::Move(Move::DeleteSecret) } else { Phase::End });
        }
        let written = &mut self.place().grant;
        written.sealed = true;
        written.secret.leaving = true;
        self.applied(Phase::Move(Move::DeleteSecret))
    }

    /// Tells whether all who may read or write the secret have certainly ended.
    fn is_secret_unused(&self, name: u8) -> bool {
        let place = self.me().place;
        let used = self.state.racers.iter().any(|racer| racer.uses_secret(place, name));
        !used || self.breaks(Mutant::SecretRemovedAtOnce)
    }

    /// Deletes the secret that was read, once nobody uses it.
    pub(crate) fn delete_secret(&mut self, next: Phase) -> Made {
        self.repeats_harmlessly()?;
        let name = self.me().grant.secret.name;
        if !self.is_secret_unused(name) {
            return None;
        }
        if self.is_denied() {
            return self.end();
        }
        self.place().secret(name).delete();
        self.go(next)
    }

    fn forget_secret(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (name, grant) = (self.me().grant.secret.name, self.grant());
        if !(grant.is_live() && grant.secret == SecretName { name, leaving: true }) {
            return self.refused(Phase::End);
        }
        self.saw(Sight::MovedBack);
        self.place().grant.secret = SecretName::default();
        self.applied(Phase::End)
    }
}
