//! The copy: brings what an instance shows of its grant up to date.
//!
//! The grant is read before the instance. A refusal keeps `due` until the copy is written, so that a death
//! between the two is mended by the sweep.

use crate::mutant::Mutant;
use crate::phase::{Copying, Phase};
use crate::sight::Sight;
use crate::step::{Made, Step};

impl Step<'_> {
    pub(crate) fn copy(&mut self, phase: Copying) -> Made {
        match phase {
            Copying::Read => self.read_for_copy(),
            Copying::Write => self.write_copy(),
            Copying::RemoveDue => self.remove_due(),
        }
    }

    fn read_for_copy(&mut self) -> Made {
        self.reads()?;
        let (grant, instance) = (self.grant(), self.instance());
        if !grant.is_live() || !(instance.is_live() || instance.is_pending()) {
            return self.end();
        }
        self.racer().grant = grant;
        self.go(Phase::Copy(Copying::Write))
    }

    fn write_copy(&mut self) -> Made {
        if self.is_denied() {
            return self.end();
        }
        let (grant, instance) = (self.me().grant, self.instance());
        self.racer().instance = instance;
        let copy = grant.summary();
        let next = if grant.refused == 0 { Phase::End } else { Phase::Copy(Copying::RemoveDue) };
        let newer = instance.copy < copy || self.breaks(Mutant::CopiesOlder);
        if !((instance.is_live() || instance.is_pending()) && newer) {
            return self.refused(next);
        }
        if instance.copy != copy {
            self.saw(Sight::Copied);
        }
        self.place().instance.copy = copy;
        self.applied(next)
    }

    fn remove_due(&mut self) -> Made {
        let (seen, instance, grant) = (self.me().grant, self.me().instance, self.grant());
        let older = !self.is_refused(&seen, &instance);
        if older && !self.breaks(Mutant::DueRemovedForNewSettings) {
            self.reads()?;
            return self.end();
        }
        if self.is_denied() {
            return self.end();
        }
        let due = grant.due == seen.due || self.breaks(Mutant::DueRemovedUnread);
        let same = grant.summary() == seen.summary() && due;
        if !(grant.is_live() && same) {
            return self.refused(Phase::End);
        }
        self.place().grant.due = 0;
        self.applied(Phase::End)
    }
}
