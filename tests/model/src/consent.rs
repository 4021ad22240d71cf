//! A new consent on a live instance: takes a numbered slot, exchanges the code, commits.

use crate::flaw::Flaw;
use crate::item::{Asking, Grant, Marker, Since};
use crate::mutant::Mutant;
use crate::phase::{Consent, Copying, Phase};
use crate::racer::Kind;
use crate::sight::Sight;
use crate::step::{Made, Step};
use crate::world::{LAST_FAMILY, Token};

impl Step<'_> {
    pub(crate) fn consent(&mut self, phase: Consent) -> Made {
        match phase {
            Consent::SettingsFirst => self.write_settings_first(),
            Consent::Slot => self.take_slot(),
            Consent::Marker => self.put_code_marker(),
            Consent::Exchange => self.exchange(),
            Consent::Commit => self.commit_consent(),
            Consent::ReadBare => self.read_bare(),
            Consent::CommitBare => self.commit_bare(),
            Consent::ReadSettings => self.read_settings(),
            Consent::WriteSettings => self.write_settings(),
            Consent::EndSlot => self.end_slot(),
        }
    }

    pub(crate) fn begin_consent(&mut self) -> Made {
        self.reads()?;
        let (instance, grant) = (self.instance(), self.grant());
        let full = instance.consents >= LAST_FAMILY;
        if !instance.is_live() || !grant.is_live() || full {
            return self.end();
        }
        let taken = instance.consents > grant.token.family && instance.slot.is_running();
        if taken && !self.breaks(Mutant::NoSlot) {
            self.saw(Sight::ConsentWaits);
            return self.end();
        }
        let racer = self.racer();
        racer.instance = instance;
        racer.number = instance.consents + 1;
        self.go(Phase::Consent(if self.writes_settings_first() {
            Consent::SettingsFirst
        } else {
            Consent::Slot
        }))
    }

    fn writes_settings_first(&self) -> bool {
        self.me().kind == Kind::NewClient && self.breaks(Mutant::SettingsBeforeGrant)
    }

    fn brings_settings(&self) -> bool {
        self.me().kind == Kind::NewClient && !self.breaks(Mutant::SettingsBeforeGrant)
    }

    fn write_settings_first(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (seen, instance) = (self.me().instance, self.instance());
        if !(instance.is_live() && (instance.settings == seen.settings || instance.client == 1)) {
            return self.refused(Phase::Start);
        }
        if instance.client == 0 {
            self.apply_client();
        }
        self.racer().instance.settings = self.instance().settings;
        self.applied(Phase::Consent(Consent::Slot))
    }

    fn apply_client(&mut self) {
        let change = self.own_change();
        let instance = &mut self.place().instance;
        instance.client = 1;
        instance.settings |= change;
    }

    /// The racer's own change of the settings, in a set.
    pub(crate) fn own_change(&self) -> u8 {
        1 << self.who
    }

    fn take_slot(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (me, instance) = (*self.me(), self.instance());
        let next =
            Phase::Consent(if me.kind == Kind::SameCode { Consent::Marker } else { Consent::Exchange });
        if instance.slot.owner == me.id && instance.consents == me.number {
            self.saw(Sight::RecognisedOwn);
            return self.refused(next);
        }
        let same = instance.settings == me.instance.settings || self.breaks(Mutant::SlotWithoutNumber);
        if !(instance.is_live() && instance.consents == me.instance.consents && same) {
            return self.refused(Phase::End);
        }
        let written = &mut self.place().instance;
        written.consents = me.number;
        written.slot = Asking { owner: me.id, since: Since::Running };
        self.applied(next)
    }

    fn put_code_marker(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (id, owner) = (self.me().id, self.state.world.marker.owner);
        let free = owner == 0 || owner == id;
        if free || self.breaks(Mutant::NoMarker) || self.breaks(Mutant::MarkerResumes) {
            self.state.world.marker = Marker { owner: id, place: self.me().place };
            return self.applied(Phase::Consent(Consent::Exchange));
        }
        self.saw(Sight::MarkerFound);
        self.refused(Phase::Consent(Consent::EndSlot))
    }

    fn exchange(&mut self) -> Made {
        self.reads()?;
        if self.me().late {
            return self.end();
        }
        if self.me().kind == Kind::SameCode {
            self.state.world.codes += 1;
            if self.state.world.codes > 1 {
                return self.fail_with(Flaw::CodeSentTwice);
            }
        }
        self.send_code(self.me().number)
    }

    fn commit_consent(&mut self) -> Made {
        let (me, grant) = (*self.me(), self.grant());
        if self.is_denied() {
            self.lose_tokens();
            return self.end();
        }
        let older = grant.token.family < me.token.family
            || self.breaks(Mutant::ConsentWithoutNumber) && grant.token != me.token;
        let settings = Phase::Consent(Consent::ReadSettings);
        if !(grant.is_live() && older) {
            self.repeats_harmlessly()?;
            if !grant.is_live() {
                self.state.world.vendor.revoke(me.token.family);
            } else if me.kept && self.brings_settings() {
                return self.go(settings);
            }
            return self.end();
        }
        self.saw(Sight::ConsentKept);
        let client = if me.kind == Kind::NewClient { 1 } else { me.instance.client };
        self.begin_family(me.token);
        self.place().grant.client = client;
        self.racer().kept = true;
        self.applied(if self.brings_settings() { settings } else { Phase::Copy(Copying::Read) })
    }

    /// Writes the first pair of a family. A refusal of bare tokens stays.
    fn begin_family(&mut self, token: Token) {
        let bare = self.me().kind == Kind::BareConsent;
        let grant = &mut self.place().grant;
        let refused = if bare { grant.refused } else { 0 };
        let imported = grant.imported && bare;
        *grant = Grant { token, sealed: true, refused, imported, due: 1, last: 0, ..*grant };
        self.free();
    }

    fn read_bare(&mut self) -> Made {
        self.reads()?;
        let (grant, instance) = (self.grant(), self.instance());
        self.racer().grant = grant;
        let newer = grant.token.family >= self.me().number;
        if !grant.is_live() || newer || self.is_refused(&grant, &instance) {
            return self.end();
        }
        if grant.asking.is_taken() && !self.breaks(Mutant::BareWhileAsking) {
            self.saw(Sight::BareDropped);
            return self.end();
        }
        self.go(Phase::Consent(Consent::CommitBare))
    }

    fn commit_bare(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (seen, grant, family) = (self.me().grant, self.grant(), self.me().number);
        let older = grant.token.family < family;
        let same = grant.token == seen.token || self.breaks(Mutant::BareOverAnyNumber) && older;
        let free = !grant.asking.is_taken() || self.breaks(Mutant::BareWhileAsking);
        if !(grant.is_live() && same && free) {
            let next = if older { Phase::Consent(Consent::ReadBare) } else { Phase::Copy(Copying::Read) };
            return self.refused(next);
        }
        self.saw(Sight::BareKept);
        let world = &mut self.state.world;
        world.vendor.continue_as(seen.token, family);
        if world.is_excused(seen.token.family) {
            world.excused |= 1 << family;
        }
        self.begin_family(Token::first(family));
        self.applied(Phase::Copy(Copying::Read))
    }

    fn read_settings(&mut self) -> Made {
        self.reads()?;
        let instance = self.instance();
        self.racer().instance = instance;
        let done = instance.client == 1 && instance.settings & self.own_change() != 0;
        if !instance.is_live() || done {
            return self.go(Phase::Copy(Copying::Read));
        }
        if instance.consents != self.me().number && !self.breaks(Mutant::SettingsOfAnyConsent) {
            self.saw(Sight::Superseded);
            return self.go(Phase::Copy(Copying::Read));
        }
        self.go(Phase::Consent(Consent::WriteSettings))
    }

    fn write_settings(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (me, instance) = (*self.me(), self.instance());
        let last = instance.consents == me.number || self.breaks(Mutant::SettingsOfAnyConsent);
        if !(instance.is_live() && instance.settings == me.instance.settings && last) {
            return self.refused(Phase::Consent(Consent::ReadSettings));
        }
        self.apply_client();
        self.applied(Phase::Copy(Copying::Read))
    }

    /// The code was certainly not exchanged, so that the next consent need not wait.
    fn end_slot(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (me, instance) = (*self.me(), self.instance());
        let mine = instance.slot.owner == me.id && instance.consents == me.number;
        if !(instance.is_live() && mine && instance.slot.is_running()) {
            return self.refused(Phase::End);
        }
        self.place().instance.slot.since = Since::Ended;
        self.applied(Phase::End)
    }
}
