//! A bound on how long an analysis may take, counted in steps so that it cuts off at the same place everywhere.

/// Told now and then how far an analysis is; for showing progress.
pub trait Progress {
    /// `done` of `total` parts of the analysis are settled, after `steps` steps.
    fn progress(&mut self, what: &str, done: usize, total: usize, steps: u64);
}

/// Steps that may still be taken. A step is some fifty nanoseconds of work.
pub struct Effort<'a> {
    left: u64,
    spent: u64,
    question_left: u64,
    next_report: u64,
    what: String,
    done: usize,
    total: usize,
    progress: Option<&'a mut dyn Progress>,
}

/// What one question may take of the whole, so that a hard one leaves something for the others.
const QUESTION_SHARE: u64 = 32;

/// Steps between reports: some milliseconds.
const REPORT_STEPS: u64 = 1 << 15;

impl<'a> Effort<'a> {
    /// The default: some fifteen seconds of one core.
    pub const DEFAULT_STEPS: u64 = 200_000_000;

    /// At most `steps` steps in all.
    pub fn steps(steps: u64) -> Self {
        Effort {
            left: steps,
            spent: 0,
            question_left: steps,
            next_report: REPORT_STEPS,
            what: String::new(),
            done: 0,
            total: 0,
            progress: None,
        }
    }

    /// The same, reporting to `progress`.
    #[must_use]
    pub fn reporting(self, progress: &'a mut dyn Progress) -> Self {
        Effort { progress: Some(progress), ..self }
    }

    /// How many steps were taken.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Names what is being settled next, as part `done` of `total`.
    pub(crate) fn begin(&mut self, what: impl FnOnce() -> String, done: usize, total: usize) {
        if self.progress.is_some() {
            (self.what, self.done, self.total) = (what(), done, total);
        }
    }

    /// A new question: it may take its share of what is left.
    pub(crate) fn begin_question(&mut self) {
        self.question_left = self.left / QUESTION_SHARE;
    }

    /// Takes `steps`, which may have been made already; false if the question's share is spent.
    #[must_use]
    pub(crate) fn take(&mut self, steps: u64) -> bool {
        let within = self.question_left >= steps;
        self.question_left = self.question_left.saturating_sub(steps);
        self.take_besides(steps) && within
    }

    /// Takes `steps` for what is no part of a question; false if all is spent.
    #[must_use]
    pub(crate) fn take_besides(&mut self, steps: u64) -> bool {
        if self.left < steps {
            self.left = 0;
            self.question_left = 0;
            return false;
        }
        self.left -= steps;
        self.spent += steps;
        if self.spent >= self.next_report {
            self.next_report = self.spent + REPORT_STEPS;
            if let Some(progress) = &mut self.progress {
                progress.progress(&self.what, self.done, self.total, self.spent);
            }
        }
        true
    }

    /// How many steps the question at hand may still take.
    pub(crate) fn question_left(&self) -> u64 {
        self.question_left
    }
}
