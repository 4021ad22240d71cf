//! A racer's next step: each is as long as nobody else can see what is between its beginning and its end.
//!
//! The steps themselves are in the modules named after what the racers do. Each write tells what follows if
//! it is applied, if it is refused, and if the store is out of reach. A racer whose reply was lost makes the
//! same write once more and recognises its own.

use crate::flaw::Flaw;
use crate::item::{Asking, Grant, Instance};
use crate::model::{Fate, Model, State};
use crate::mutant::Mutant;
use crate::phase::Phase;
use crate::racer::{Kind, Racer, Request};
use crate::sight::Sight;
use crate::world::{PLACES, Place, Token};

/// What a step returns: nothing if it cannot be made.
pub(crate) type Made = Option<()>;

/// A racer's next step in a state, by the rules of a model.
pub(crate) struct Step<'a> {
    pub(crate) model: &'a Model,
    pub(crate) state: &'a mut State,
    pub(crate) who: usize,
    pub(crate) fate: Fate,
}

impl Step<'_> {
    /// Makes the step.
    pub(crate) fn make(&mut self) -> Made {
        match self.me().phase {
            Phase::Start => self.start(),
            Phase::Refresh(phase) => self.refresh(phase),
            Phase::Copy(phase) => self.copy(phase),
            Phase::Consent(phase) => self.consent(phase),
            Phase::Settings(phase) => self.settings(phase),
            Phase::Move(phase) => self.move_tokens(phase),
            Phase::Create(phase) => self.create(phase),
            Phase::Delete(phase) => self.delete(phase),
            Phase::Sweep(phase) => self.sweep(phase),
            Phase::Wait | Phase::End => None,
        }
    }

    fn start(&mut self) -> Made {
        if !self.me().kind.creates() {
            self.racer().place = self.chosen();
        }
        match self.me().kind {
            Kind::Refresh => self.begin_refresh(),
            Kind::Settle => self.begin_settle(),
            Kind::Unsettle => self.begin_unsettle(),
            Kind::Consent | Kind::BareConsent | Kind::SameCode | Kind::NewClient => self.begin_consent(),
            Kind::ChangeSettings => self.begin_settings(),
            Kind::Delete | Kind::DeleteWithoutRevoking => self.begin_delete(),
            Kind::Create | Kind::Import => self.put_marker(),
            Kind::Sweep => self.begin_sweep(),
        }
    }

    /// Returns the instance at which a racer works: the sweep at the first that needs it, others at the one
    /// that is shown.
    fn chosen(&self) -> u8 {
        let sought = |place: &Place| match self.me().kind {
            Kind::Sweep => place.needs_sweep(),
            _ => place.instance.is_live(),
        };
        let places = (0..).zip(&self.state.world.places);
        places.take(PLACES).find(|(_, place)| sought(place)).map_or(0, |(number, _)| number)
    }

    pub(crate) fn breaks(&self, mutant: Mutant) -> bool {
        self.model.breaks(mutant)
    }

    pub(crate) fn saw(&self, sight: Sight) {
        self.model.saw(sight);
    }

    pub(crate) fn me(&self) -> &Racer {
        &self.state.racers[self.who]
    }

    pub(crate) fn racer(&mut self) -> &mut Racer {
        &mut self.state.racers[self.who]
    }

    /// The instance and the grant at which the racer works, and their secrets.
    pub(crate) fn place(&mut self) -> &mut Place {
        &mut self.state.world.places[usize::from(self.state.racers[self.who].place)]
    }

    /// The grant as it is now.
    pub(crate) fn grant(&self) -> Grant {
        self.state.world.places[usize::from(self.me().place)].grant
    }

    /// The instance as it is now.
    pub(crate) fn instance(&self) -> Instance {
        self.state.world.places[usize::from(self.me().place)].instance
    }

    #[expect(clippy::unnecessary_wraps, reason = "a step ends with it")]
    pub(crate) fn go(&mut self, phase: Phase) -> Made {
        self.racer().phase = phase;
        if phase == Phase::End {
            self.racer().end();
        }
        Some(())
    }

    pub(crate) fn end(&mut self) -> Made {
        self.go(Phase::End)
    }

    /// Something happens that must not.
    #[expect(clippy::unnecessary_wraps, reason = "a step ends with it")]
    pub(crate) fn fail_with(&mut self, flaw: Flaw) -> Made {
        self.state.flaw = Some(flaw);
        Some(())
    }

    /// Reads end well here: one that does not is as if the racer died.
    pub(crate) fn reads(&self) -> Made {
        (self.fate == Fate::Well).then_some(())
    }

    /// A put into Secrets Manager and a removal change nothing when they are repeated.
    pub(crate) fn repeats_harmlessly(&self) -> Made {
        (self.fate != Fate::ReplyLost).then_some(())
    }

    pub(crate) fn is_denied(&self) -> bool {
        self.fate == Fate::Denied
    }

    /// A write was applied: when its reply is lost, the racer makes it once more.
    pub(crate) fn applied(&mut self, next: Phase) -> Made {
        if self.fate == Fate::ReplyLost { Some(()) } else { self.go(next) }
    }

    /// A write was refused.
    pub(crate) fn refused(&mut self, next: Phase) -> Made {
        self.repeats_harmlessly()?;
        self.go(next)
    }

    /// Tells whether `asking` is the racer's.
    pub(crate) fn is_asking(&self) -> bool {
        self.grant().asking.owner == self.me().id
    }

    /// Removes `asking`; `last` stays.
    pub(crate) fn free(&mut self) {
        let forgets = self.breaks(Mutant::LastForgotten);
        let grant = &mut self.place().grant;
        grant.asking = Asking::default();
        if forgets {
            grant.last = 0;
        }
    }

    /// Sends a code. The vendor acts when it arrives.
    pub(crate) fn send_code(&mut self, family: u8) -> Made {
        let racer = self.racer();
        racer.token = Token::first(family);
        racer.request = Request::Sent;
        self.go(Phase::Wait)
    }
}
