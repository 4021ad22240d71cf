//! The creation of an instance by a code or an import. What only an import does is in the module `import`.

use crate::flaw::Flaw;
use crate::item::{Asking, Grant, GrantState, Instance, InstanceState, Marker, Since, Summary};
use crate::mutant::Mutant;
use crate::phase::{Copying, Creation, Deletion, Phase};
use crate::racer::Kind;
use crate::sight::Sight;
use crate::step::{Made, Step};
use crate::world::{NOBODY, Token};

impl Step<'_> {
    pub(crate) fn create(&mut self, phase: Creation) -> Made {
        match phase {
            Creation::Marker => self.put_marker(),
            Creation::Instance => self.put_instance(),
            Creation::Exchange => self.exchange_first_code(),
            Creation::Grant => self.put_grant(),
            Creation::ReadBoth => self.read_both(),
            Creation::Live => self.make_live(),
            Creation::EndGrant => self.end_own_grant(),
            Creation::Discard => self.discard(),
            Creation::Repeat => self.repeat(),
        }
    }

    pub(crate) fn put_marker(&mut self) -> Made {
        self.racer().phase = Phase::Create(Creation::Marker);
        if self.is_denied() {
            return self.end();
        }
        let (id, marker) = (self.me().id, self.state.world.marker);
        let next = Phase::Create(Creation::Instance);
        if marker.owner == id {
            return self.refused(next);
        }
        if marker.owner != NOBODY && !self.breaks(Mutant::NoMarker) {
            self.saw(Sight::MarkerFound);
            return self.refused(Phase::Create(Creation::Repeat));
        }
        if self.me().kind == Kind::Create {
            self.racer().token = Token::first(1);
        } else if !self.begin_import() {
            return self.refused(Phase::End);
        }
        self.state.world.marker = Marker { owner: id, place: self.me().place };
        self.applied(next)
    }

    fn put_instance(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (me, instance) = (*self.me(), self.instance());
        let next = Phase::Create(if me.kind == Kind::Create { Creation::Exchange } else { Creation::Grant });
        if instance.is_pending() && instance.slot.owner == me.id {
            return self.refused(next);
        }
        let again = me.put && !self.breaks(Mutant::PutRepeated);
        if again || !instance.is_gone() && !self.breaks(Mutant::NoMarker) {
            return self.refused(Phase::End);
        }
        let live = self.breaks(Mutant::LiveBeforeGrant);
        self.place().instance = Instance {
            state: if live { InstanceState::Live } else { InstanceState::Pending },
            consents: me.token.family,
            slot: Asking { owner: me.id, since: Since::Running },
            imported: me.kind == Kind::Import,
            ..Instance::default()
        };
        self.racer().put = true;
        self.applied(next)
    }

    fn exchange_first_code(&mut self) -> Made {
        self.reads()?;
        if self.me().overdue {
            return self.end();
        }
        self.state.world.codes += 1;
        if self.state.world.codes > 1 {
            return self.fail_with(Flaw::CodeSentTwice);
        }
        self.send_code(1)
    }

    fn put_grant(&mut self) -> Made {
        let (me, grant) = (*self.me(), self.grant());
        let by_code = me.kind == Kind::Create;
        let next = Phase::Create(if by_code { Creation::Live } else { Creation::ReadBoth });
        if self.is_denied() {
            if by_code {
                self.lose_tokens();
            }
            return self.end();
        }
        if grant.is_gone() && (!me.kept || self.breaks(Mutant::PutRepeated)) {
            self.racer().kept = true;
            self.place().grant = self.first_grant();
            return self.applied(next);
        }
        self.repeats_harmlessly()?;
        if grant.is_live() {
            return self.go(next);
        }
        if by_code {
            self.state.world.vendor.revoke(me.token.family);
        }
        self.end()
    }

    /// The grant of a creation. An import's is put with `asking`, as its first take.
    fn first_grant(&self) -> Grant {
        let (owner, imported) = (self.me().id, self.me().kind == Kind::Import);
        let asks = imported && !self.breaks(Mutant::ImportPutsUnasked);
        Grant {
            state: GrantState::Live,
            token: Token::first(self.me().token.family),
            sealed: true,
            asking: if asks { Asking { owner, since: Since::Running } } else { Asking::default() },
            last: u8::from(asks),
            due: 1,
            imported,
            ..Grant::default()
        }
    }

    fn make_live(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (me, instance) = (*self.me(), self.instance());
        if instance.is_pending() || self.breaks(Mutant::LiveUnlessPending) {
            self.saw(Sight::Created);
            self.show();
            let refused = me.kind != Kind::Create && me.grant.refused != 0;
            return self.applied(if refused { Phase::Copy(Copying::Read) } else { Phase::End });
        }
        self.repeats_harmlessly()?;
        if instance.is_live() {
            return self.end();
        }
        self.saw(Sight::CreatedTooLate);
        if self.is_undone() {
            let by_code = me.kind == Kind::Create;
            return self.fail_with(if by_code { Flaw::UndoneInTime } else { Flaw::ImportLost });
        }
        let kept = self.breaks(Mutant::LateMakerKeepsGrant);
        self.go(if kept { Phase::End } else { Phase::Create(Creation::EndGrant) })
    }

    /// Makes the pending instance live. What its grant holds now is copied later, if it was refused.
    pub(crate) fn show(&mut self) {
        let instance = &mut self.place().instance;
        instance.state = InstanceState::Live;
        instance.copy = Summary { token: Token::first(instance.consents), refused: 0 };
    }

    /// Tells whether a creation is gone that nobody but a user may end: one by code whose maker is in time,
    /// and an import whose token was spent.
    fn is_undone(&self) -> bool {
        let (me, scenario) = (self.me(), &self.model.scenario);
        let deletes = scenario.has(Kind::Delete) || scenario.has(Kind::DeleteWithoutRevoking);
        !deletes && (me.kind != Kind::Create || me.put && !me.overdue)
    }

    fn end_own_grant(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        if !self.grant().is_live() {
            return self.refused(Phase::End);
        }
        self.end_grant();
        self.applied(Phase::End)
    }

    /// Gives the pending instance up. An import goes on with the deletion, so that it can be repeated soon.
    fn discard(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let instance = self.instance();
        let rest = Phase::Delete(Deletion::ReadGrant);
        let next = if instance.imported { rest } else { Phase::End };
        if !instance.is_pending() {
            return self.refused(if instance.is_deleting() { next } else { Phase::End });
        }
        self.give_up();
        self.applied(next)
    }

    /// Marks a pending instance. An import is not revoked.
    pub(crate) fn give_up(&mut self) {
        let instance = &mut self.place().instance;
        instance.state = InstanceState::Deleting;
        instance.revokes = !instance.imported;
    }

    /// A code is answered with what the first has made; an import goes on with it while it is pending.
    fn repeat(&mut self) -> Made {
        self.reads()?;
        if self.me().kind == Kind::Create {
            return self.end();
        }
        self.racer().place = self.state.world.marker.place;
        let instance = self.instance();
        self.racer().token = Token::first(instance.consents);
        self.go(if instance.is_pending() { Phase::Create(Creation::Grant) } else { Phase::End })
    }
}
