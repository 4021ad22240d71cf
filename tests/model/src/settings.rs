//! A change of settings: adds 1 to their number, and hints to the sweep that the grant may work now.

use crate::phase::{Phase, Settings};
use crate::step::{Made, Step};

impl Step<'_> {
    pub(crate) fn settings(&mut self, phase: Settings) -> Made {
        match phase {
            Settings::Write => self.change_settings(),
            Settings::Hint => self.hint(),
        }
    }

    pub(crate) fn begin_settings(&mut self) -> Made {
        self.reads()?;
        let instance = self.instance();
        if !instance.is_live() {
            return self.end();
        }
        self.racer().instance = instance;
        self.go(Phase::Settings(Settings::Write))
    }

    fn change_settings(&mut self) -> Made {
        if self.is_denied() {
            self.state.world.unhinted = true;
            return self.end();
        }
        let (change, instance) = (self.own_change(), self.instance());
        let next = Phase::Settings(Settings::Hint);
        if instance.settings & change != 0 {
            self.repeats_harmlessly()?;
            self.state.world.acknowledged |= change;
            return self.go(next);
        }
        if !(instance.is_live() && instance.settings == self.me().instance.settings) {
            return self.refused(Phase::Start);
        }
        self.place().instance.settings |= change;
        if self.repeats_harmlessly().is_some() {
            self.state.world.acknowledged |= change;
        }
        self.applied(next)
    }

    fn hint(&mut self) -> Made {
        if self.is_denied() {
            self.state.world.unhinted = true;
            return self.end();
        }
        if !self.grant().is_live() {
            return self.refused(Phase::End);
        }
        self.place().grant.due = 1 + self.me().id;
        self.applied(Phase::End)
    }
}
