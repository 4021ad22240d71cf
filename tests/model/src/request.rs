//! What happens between a racer and the vendor, and whose loss nothing could prevent.
//!
//! Excused is: an answer that was lost or came to nobody; both stores out of reach; a consent that the table
//! refuses or whose process dies with the answer; and what is with one who was taken for dead while the next
//! one asks, or stored by it after the next one had looked.

use crate::flaw::Flaw;
use crate::mutant::Mutant;
use crate::phase::{Consent, Creation, Phase, Refresh};
use crate::racer::{Kind, Racer, Request};
use crate::scenario::Habit;
use crate::step::{Made, Step};
use crate::world::Token;

impl Step<'_> {
    /// Sends a refresh token, if that is allowed.
    pub(crate) fn send_refresh(&mut self, doubt: bool) -> Made {
        let token = self.me().grant.token;
        let behind = self.state.world.vendor.behind(token);
        if let Some(flaw) = self.is_sent_too_early(behind, doubt) {
            return self.fail_with(flaw);
        }
        if self.is_outrun(token) {
            self.state.world.excuse(token.family);
        }
        self.state.world.sent |= 1 << behind;
        let racer = self.racer();
        racer.overtaken = false;
        racer.token = token;
        racer.request = Request::Sent;
        self.go(Phase::Wait)
    }

    fn others(&self) -> impl Iterator<Item = &Racer> {
        self.state.racers.iter().filter(|racer| racer.id != self.me().id)
    }

    /// Returns the flaw if a token that was sent before must not be sent again yet.
    fn is_sent_too_early(&self, behind: u8, doubt: bool) -> Option<Flaw> {
        let vendor = &self.state.world.vendor;
        let senders = self.others().filter(|racer| !racer.kind.exchanges());
        let mut same = senders.filter(|racer| vendor.behind(racer.token) == behind);
        let early = same.find_map(|racer| {
            let answered = racer.request != Request::None || racer.holds_answer();
            if racer.has_sent() {
                Some(Flaw::SentOnItsWay)
            } else {
                (answered && racer.is_active() && !racer.late).then_some(Flaw::SentInTime)
            }
        });
        let again = self.state.world.sent & (1 << behind) != 0 && !doubt;
        early.or(again.then_some(Flaw::SentWithoutDoubt))
    }

    /// Tells whether one who was taken for dead has an answer for this token, or a newer one, that nobody who
    /// asks now can know of.
    fn is_outrun(&self, token: Token) -> bool {
        let vendor = &self.state.world.vendor;
        let behind = vendor.behind(token);
        let again = self.state.world.sent & (1 << behind) != 0;
        let late = || self.others().filter(|racer| racer.late && racer.refreshes() && racer.holds_answer());
        match self.model.scenario.habit {
            Habit::Lenient => false,
            Habit::Strict => {
                let same = |racer: &Racer| vendor.behind(racer.token) == behind;
                again && (self.me().overtaken || late().any(same))
            }
            Habit::GraceAll | Habit::GraceNewest => {
                let family = |racer: &Racer| vendor.family(racer.token.family) == vendor.family(token.family);
                !vendor.accepts(token) && (self.me().overtaken || late().any(family))
            }
        }
    }

    /// Notes that the racer has stored its tokens: those who have looked already cannot know it.
    pub(crate) fn stored(&mut self, elsewhere: bool) {
        self.racer().kept = true;
        let me = *self.me();
        if !me.late {
            return;
        }
        for racer in &mut self.state.racers {
            let has_looked = racer.phase == Phase::Refresh(Refresh::Ask)
                || racer.phase == Phase::Refresh(Refresh::ReadAgain) && elsewhere;
            racer.overtaken |= racer.id != me.id && has_looked && racer.grant.token.family == me.token.family;
        }
    }

    /// Tells whether nobody will look any more for what the racer puts into the other store.
    pub(crate) fn nobody_looks(&self, token: Token) -> bool {
        let older = |racer: &Racer| racer.found < token.number && racer.grant.token.family == token.family;
        !self.grant().asking.is_taken()
            || self.state.racers.iter().any(|racer| match racer.phase {
                Phase::Refresh(Refresh::Refuse) => true,
                Phase::Refresh(Refresh::Adopt) => older(racer),
                _ => false,
            })
    }

    /// The tokens that the racer has, or that are on their way to it, come to nobody.
    pub(crate) fn lose_tokens(&mut self) {
        let (kind, token) = (self.me().kind, self.me().answer());
        let ends_older = self.model.scenario.ends_older;
        let world = &mut self.state.world;
        match kind {
            Kind::BareConsent => {}
            _ if kind.exchanges() => world.excuse_consent(token.family, ends_older),
            _ if self.model.scenario.has_grace() => world.lost |= token.bit(),
            _ => world.excuse(token.family),
        }
    }

    /// The vendor acts on the request, whether anybody waits for the answer or not.
    pub(crate) fn arrive(&mut self) {
        let granted =
            if self.me().kind.exchanges() { self.exchange_arrives() } else { self.refresh_arrives() };
        let waits = self.me().waits();
        if granted && !waits {
            self.lose_tokens();
        }
        let answer = if granted { Request::Granted } else { Request::Refused };
        self.racer().request = if waits { answer } else { Request::None };
        if !waits {
            self.racer().end();
        }
    }

    fn exchange_arrives(&mut self) -> bool {
        let Racer { kind, token, instance, .. } = *self.me();
        if kind != Kind::BareConsent {
            let client = if kind == Kind::NewClient { 1 } else { instance.client };
            self.state.world.vendor.exchange(self.model, token.family, client);
        }
        true
    }

    fn refresh_arrives(&mut self) -> bool {
        let Racer { token, instance, .. } = *self.me();
        let (model, habit, answer) = (self.model, self.model.scenario.habit, self.me().answer());
        let vendor = &mut self.state.world.vendor;
        if !vendor.would_refresh(model, token, instance.client, instance.settings) {
            vendor.refuse(model, token);
            return false;
        }
        if !vendor.refresh(habit, token, answer) {
            self.state.flaw = Some(Flaw::NumberTwice);
        }
        true
    }

    /// The answer reaches the racer.
    pub(crate) fn deliver(&mut self) -> Made {
        let kind = self.me().kind;
        let answer = std::mem::take(&mut self.racer().request);
        match answer {
            Request::None | Request::Sent => None,
            Request::Granted => {
                self.racer().got = true;
                self.go(match kind {
                    Kind::BareConsent => Phase::Consent(Consent::ReadBare),
                    Kind::Create => Phase::Create(Creation::Grant),
                    _ if kind.exchanges() => Phase::Consent(Consent::Commit),
                    _ => Phase::Refresh(Refresh::Commit),
                })
            }
            Request::Refused => {
                self.unsend();
                self.go(match kind {
                    Kind::Create => Phase::Create(Creation::Discard),
                    _ if kind.exchanges() => Phase::Consent(Consent::EndSlot),
                    _ => Phase::Refresh(Refresh::LookAgain),
                })
            }
            Request::Failed => self.failed(kind),
        }
    }

    fn failed(&mut self, kind: Kind) -> Made {
        if kind == Kind::Create {
            return self.go(Phase::Create(Creation::Discard));
        }
        if kind.exchanges() {
            return self.go(Phase::Consent(Consent::EndSlot));
        }
        if !self.me().grant.asking.is_taken() {
            self.unsend();
        }
        self.after_failure()
    }

    /// The vendor has certainly not acted, or knows no such token.
    fn unsend(&mut self) {
        if !self.me().kind.exchanges() {
            let behind = self.state.world.vendor.behind(self.me().token);
            self.state.world.sent &= !(1 << behind);
        }
    }

    /// The racer learns that the vendor has certainly not acted.
    pub(crate) fn fail(&mut self) -> Made {
        self.racer().request = Request::Failed;
        self.deliver()
    }

    /// The vendor's answer is lost.
    pub(crate) fn lose_answer(&mut self) -> Made {
        if self.me().request == Request::Granted {
            self.lose_tokens();
        }
        self.racer().request = Request::None;
        self.stop_waiting()
    }

    /// The outcome stays unknown: whoever asks next is in doubt.
    pub(crate) fn stop_waiting(&mut self) -> Made {
        let refreshes = !self.me().kind.exchanges();
        if refreshes && self.breaks(Mutant::UnknownReleases) {
            return self.go(Phase::Refresh(Refresh::Release));
        }
        if !refreshes && self.breaks(Mutant::UnknownEndsSlot) {
            return self.go(Phase::Consent(Consent::EndSlot));
        }
        self.end()
    }

    /// The racer dies. An answer that only it has is lost.
    pub(crate) fn die(&mut self) {
        if self.me().holds_answer() {
            self.lose_tokens();
        }
        self.state.world.unhinted |= self.me().kind == Kind::ChangeSettings;
        self.racer().end();
    }
}
