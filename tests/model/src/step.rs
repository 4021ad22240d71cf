//! What a racer does: the steps of `refresh.rs`, `reauthenticate.rs` and `delete.rs`, each as long as nobody else
//! can see what is between its beginning and its end.

use crate::racer::{Base, Kind, Phase, Racer, Request, Word};
use crate::world::{DOUBT_ENDS, LASTS, LIFE, Lease, Life, Record, SKEW, Tick, Token, Version, World};
use crate::{Break, Fate, Model};

/// A racer's next step in a world, by the rules of a model.
pub(crate) struct Step<'a> {
    pub(crate) model: &'a Model,
    pub(crate) world: &'a mut World,
    pub(crate) racer: &'a mut Racer,
    pub(crate) fate: Fate,
}

impl Step<'_> {
    /// Makes the step, unless there is none.
    pub(crate) fn make(mut self) -> Option<()> {
        match self.racer.phase {
            Phase::Idle => self.racer.go(Phase::Read),
            Phase::Read => self.read()?,
            Phase::Take => self.take(),
            Phase::Abandon => self.abandon(),
            Phase::Roll => self.roll(),
            Phase::Ask => self.ask(),
            Phase::Store => self.store(),
            Phase::Commit => self.commit(),
            Phase::Close(word) => self.close(word),
            Phase::Unkept => self.unkept(),
            Phase::Mark => self.mark(),
            Phase::Revoke => self.revoke(),
            Phase::Erase => self.erase(),
            Phase::Forget => self.forget(),
            Phase::Wait | Phase::End => return None,
        }
        Some(())
    }

    fn clock(&self) -> Tick {
        self.world.now + self.model.ahead(self.racer.id)
    }

    fn breaks(&self, way: Break) -> bool {
        self.model.broken == Some(way)
    }

    fn holds_lease(&self) -> bool {
        self.world.record.owner() == Some(self.racer.id)
    }

    fn end(&mut self) {
        self.racer.end(self.world);
    }

    /// A write was made: when its reply was lost, the racer makes it once more.
    fn written(&mut self, next: Phase) {
        if self.fate != Fate::ReplyLost {
            self.racer.go(next);
        }
    }

    /// `refresh::live` and `reauthenticate::revise` up to the lease; who must wait looks again later.
    fn read(&mut self) -> Option<()> {
        let record = self.world.record;
        let due = match self.racer.kind {
            Kind::Caller => !record.dead && self.is_due(&record),
            // It also ends what a dead holder has left.
            Kind::Sweep => !record.dead || record.lease.is_some(),
            _ => true,
        };
        if record.life != Life::Live || !due {
            self.end();
            return Some(());
        }
        self.racer.instance = record;
        if self.racer.kind == Kind::Removal {
            self.racer.go(Phase::Mark);
            return Some(());
        }
        let free = record.lease.is_none_or(|lease| self.is_dead(lease));
        free.then(|| self.racer.go(Phase::Take))
    }

    fn is_due(&self, record: &Record) -> bool {
        self.racer.kind == Kind::Sweep || record.expires <= self.clock() + LIFE / 2
    }

    fn is_dead(&self, lease: Lease) -> bool {
        let skew = if self.breaks(Break::TakesOverTooSoon) { 0 } else { SKEW };
        lease.until + skew < self.clock()
    }

    /// `lease::take`, up to the write.
    fn take(&mut self) {
        if self.fate == Fate::Unavailable {
            return self.racer.go(Phase::Abandon);
        }
        let (seen, record) = (self.racer.instance, self.world.record);
        let as_seen = record.life == Life::Live
            && record.generation == seen.generation
            && record.owner() == seen.owner();
        if as_seen {
            self.held(seen);
        }
        if self.fate == Fate::ReplyLost {
            return;
        }
        let goes_on = self.breaks(Break::AsksWithoutLease) && self.world.record.life == Life::Live;
        if self.holds_lease() || goes_on {
            self.racer.instance = self.world.record;
            self.racer.go(Phase::Roll);
        } else {
            self.racer.instance = Record::default();
            self.racer.go(Phase::Read);
        }
    }

    fn held(&mut self, seen: Record) {
        let until = self.clock() + LASTS;
        let record = &mut self.world.record;
        if let Some(dead) = seen.lease {
            record.succeed(dead.owner);
            if self.model.broken != Some(Break::TakesOverWithoutDoubt) {
                let asked = dead.until - LASTS;
                let known = seen.in_doubt.filter(|_| self.model.broken == Some(Break::KeepsTheFirstDoubt));
                record.in_doubt = Some(known.unwrap_or(asked));
            }
        }
        record.lease = Some(Lease { owner: self.racer.id, until });
    }

    fn abandon(&mut self) {
        if self.holds_lease() {
            self.world.record.lease = None;
            if self.breaks(Break::AbandonsPredecessors) {
                self.world.record.forget_predecessors();
            }
        }
        self.end();
    }

    /// `Lease::roll`.
    fn roll(&mut self) {
        if self.fate == Fate::Unavailable {
            return self.racer.go(Phase::Abandon);
        }
        self.racer.go(Phase::Ask);
        let instance = self.racer.instance;
        if instance.dead_owners().next().is_none() || self.breaks(Break::TakesOverBlindly) {
            return;
        }
        let newest = self.world.newest(&instance, self.fate == Fate::Stale);
        let Some((id, version)) = newest.filter(|(_, found)| found.generation > instance.generation) else {
            return;
        };
        let rolled = &mut self.racer.instance;
        (rolled.generation, rolled.version) = (version.generation, id);
        self.racer.base = if instance.issued == version.token { Base::Secrets } else { Base::Tokens };
        if self.racer.base == Base::Tokens {
            (rolled.issued, rolled.expires, rolled.dead) = (version.token, version.expires, false);
            // Who came after the one that stored it may have asked with its token.
            let last = instance.dead_owners().last() == Some(id);
            if last || self.model.broken == Some(Break::ForgetsLaterDoubt) {
                rolled.in_doubt = None;
            }
        }
    }

    /// What is done under the lease before something is stored.
    fn ask(&mut self) {
        let current = self.world.read(self.racer.instance.version, self.fate == Fate::Stale);
        let Some(old) = current.filter(|_| self.fate != Fate::Unavailable) else {
            return self.racer.go(Phase::Close(Word::Nothing));
        };
        let generation = self.racer.instance.generation + 1;
        let in_time = self.racer.age == 0;
        match self.racer.kind {
            Kind::Caller | Kind::Sweep if in_time && self.may_refresh() => self.send(old.token),
            Kind::Consent if in_time => match self.world.exchange() {
                Some(token) => self.granted(token),
                None => self.racer.go(Phase::Close(Word::Nothing)),
            },
            Kind::Rekey => {
                self.racer.grant = Some(Version { generation, fresh: true, late: false, ..old });
                self.racer.go(Phase::Store);
            }
            _ => self.racer.go(Phase::Close(Word::Nothing)),
        }
    }

    fn may_refresh(&self) -> bool {
        let (instance, now) = (self.racer.instance, self.clock());
        let skew = if self.breaks(Break::EndsDoubtBySkewedClock) { 0 } else { SKEW };
        let ended = |since| instance.expires <= now && since + DOUBT_ENDS + skew < now;
        let dead = instance.dead && !self.breaks(Break::AsksOfTheDead);
        !dead && self.is_due(&instance) && instance.in_doubt.is_none_or(ended)
    }

    fn send(&mut self, token: Token) {
        let again = self.world.sent & token.bit() != 0;
        self.world.flaws.sent_again |= again && self.racer.instance.in_doubt.is_none();
        self.world.flaws.sent_dead |= self.racer.instance.dead;
        self.world.sent |= token.bit();
        self.racer.request = Some(Request { token, age: 0 });
        self.racer.go(Phase::Wait);
    }

    fn granted(&mut self, token: Token) {
        let (generation, expires) = (self.racer.instance.generation + 1, self.clock() + LIFE);
        self.racer.grant = Some(Version { generation, token, expires, fresh: true, late: false });
        self.racer.go(Phase::Store);
    }

    /// The vendor acts on the racer's request, whether anybody waits for the answer or not.
    pub(crate) fn arrive(mut self) -> Option<()> {
        let token = self.racer.request.take()?.token;
        let waits = self.racer.phase == Phase::Wait;
        match self.world.refresh(token) {
            Some(next) if waits => self.granted(next),
            Some(next) => self.world.family(next).lost = true,
            None if waits => self.racer.go(Phase::Close(Word::Dead)),
            None => {}
        }
        Some(())
    }

    /// The vendor answers that it has failed, and has not acted.
    pub(crate) fn fail(self) -> Option<()> {
        let token = self.racer.request.take()?.token;
        self.world.sent &= !token.bit();
        self.racer.go(Phase::Close(Word::Nothing));
        Some(())
    }

    /// `Lease::store`.
    fn store(&mut self) {
        if self.fate == Fate::Unavailable {
            return self.unfinished();
        }
        let now = self.clock();
        let late =
            self.world.record.lease.is_none_or(|lease| lease.owner != self.racer.id || lease.until < now);
        let (Some(vault), Some(grant)) = (&mut self.world.vault, self.racer.grant) else {
            return self.racer.go(Phase::Unkept);
        };
        let place = &mut vault[usize::from(self.racer.id)];
        *place = place.or(Some(Version { late, ..grant }));
        self.written(Phase::Commit);
    }

    /// A write of `Lease::keep` is given up: the lease stays, since the version may be there.
    fn unfinished(&mut self) {
        if self.breaks(Break::ReleasesAfterStore) {
            self.racer.go(Phase::Close(Word::Nothing));
        } else {
            self.end();
        }
    }

    /// The loop of `Lease::keep`.
    fn commit(&mut self) {
        let (record, id) = (self.world.record, self.racer.id);
        let Some(grant) = self.racer.grant else { return };
        let may = match self.racer.unleased_at {
            _ if self.breaks(Break::CommitsUnconditionally) => true,
            None => self.holds_lease(),
            Some(_) if self.breaks(Break::CommitsAtAnyGeneration) => record.lease.is_none(),
            Some(generation) => {
                let open =
                    record.dead_owners().next().is_some() && !self.breaks(Break::CommitsOverPredecessors);
                record.lease.is_none() && record.generation == generation && !open
            }
        };
        if may {
            self.name(grant);
            if self.fate != Fate::ReplyLost {
                self.end();
            }
            return;
        }
        let mine = record.version == id || record.committed & (1 << id) != 0;
        if record.life != Life::Live && record.version != id {
            return self.racer.go(Phase::Unkept);
        }
        let others = record.lease.is_some() && !self.holds_lease();
        let passed = record.generation >= grant.generation && !self.breaks(Break::CommitsAtAnyGeneration);
        let tried = self.racer.unleased_at == Some(record.generation);
        if mine || others || passed || tried {
            return self.end();
        }
        self.racer.unleased_at = Some(record.generation);
    }

    fn name(&mut self, grant: Version) {
        self.rebase();
        let record = &mut self.world.record;
        if self.racer.kind != Kind::Rekey {
            (record.issued, record.expires, record.dead) = (grant.token, grant.expires, false);
            record.in_doubt = None;
        }
        (record.generation, record.version) = (grant.generation, self.racer.id);
        record.committed |= 1 << self.racer.id;
        record.unlease();
    }

    /// `Lease::base`.
    fn rebase(&mut self) {
        let (record, instance) = (&mut self.world.record, self.racer.instance);
        if self.racer.base != Base::None {
            (record.generation, record.version) = (instance.generation, instance.version);
        }
        if self.racer.base == Base::Tokens {
            (record.issued, record.expires) = (instance.issued, instance.expires);
            (record.dead, record.in_doubt) = (instance.dead, instance.in_doubt);
        }
    }

    /// `Lease::close` and `Lease::release`.
    fn close(&mut self, word: Word) {
        // The vendor is asked in the tick in which the request came, or not at all.
        let asked = self.clock() - self.racer.age;
        let anyway = word == Word::Dead && self.breaks(Break::EndsUnconditionally);
        if self.holds_lease() || anyway {
            let newer = self.world.record.generation > self.racer.instance.generation;
            let holds = self.holds_lease();
            if holds {
                self.rebase();
            }
            let record = &mut self.world.record;
            match word {
                Word::Nothing => {}
                Word::Doubt => record.in_doubt = Some(asked),
                Word::Dead => {
                    (record.dead, record.in_doubt) = (true, None);
                    self.world.flaws.stale_verdict |= newer;
                }
            }
            if holds {
                self.world.record.unlease();
            }
        }
        self.end();
    }

    /// `revision::lost`, of a deleted instance. A change of the configuration has no grant of its own.
    fn unkept(&mut self) {
        let new = self.racer.grant.take().filter(|_| self.racer.kind != Kind::Rekey);
        if let Some(grant) = new.filter(|_| !self.breaks(Break::LeavesTheUnkept)) {
            self.world.revoke(grant.token);
        }
        self.end();
    }

    /// `delete::mark`.
    fn mark(&mut self) {
        let (seen, record) = (self.racer.instance, self.world.record);
        if record.life == Life::Live && record.owner() == seen.owner() {
            let record = &mut self.world.record;
            if let Some(lease) = record.lease {
                record.succeed(lease.owner);
            }
            record.life = Life::Deleting;
            record.lease = Some(Lease { owner: self.racer.id, until: Tick::MAX });
        }
        if self.fate == Fate::ReplyLost {
            return;
        }
        self.racer.instance = self.world.record;
        match self.world.record.life {
            Life::Live => {}
            _ if self.holds_lease() => self.racer.go(Phase::Revoke),
            _ => self.end(),
        }
    }

    /// `delete::forget`, step by step.
    fn revoke(&mut self) {
        if self.breaks(Break::RemovesOnlyTheCurrent) {
            self.racer.instance.forget_predecessors();
        }
        if let Some((_, version)) = self.world.newest(&self.racer.instance, false) {
            self.world.revoke(version.token);
        }
        self.racer.go(Phase::Erase);
    }

    fn erase(&mut self) {
        self.world.vault = None;
        self.racer.go(Phase::Forget);
    }

    fn forget(&mut self) {
        self.world.record = Record { life: Life::Gone, ..Record::default() };
        self.end();
    }
}
