//! Deliberate bugs. Each must be caught by the tests; none exists in the product.

/// The rules in force: those of the protocol, or, under the feature `mutants`, those with one bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    #[cfg(feature = "mutants")]
    mutant: Option<Mutant>,
}

/// Whether bugs can be switched on. The node refuses to compile if they can.
pub const MUTANTS: bool = cfg!(feature = "mutants");

impl Rules {
    /// Whether they are the protocol's.
    pub fn are_sound(self) -> bool {
        self == Rules::default()
    }

    /// The protocol's rules with one bug.
    #[cfg(feature = "mutants")]
    pub fn with(mutant: Mutant) -> Self {
        Rules { mutant: Some(mutant) }
    }

    /// Whether this bug is switched on; never, without the feature.
    #[cfg(feature = "mutants")]
    pub fn breaks(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether this bug is switched on; never, without the feature.
    #[cfg(not(feature = "mutants"))]
    pub const fn breaks(self, _: Mutant) -> bool {
        false
    }
}

macro_rules! mutants {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// A deliberate bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[$doc])+ $name,)+
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Mutant] = &[$(Mutant::$name),+];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Mutant::$name => $text,)+
                }
            }
        }
    };
}

// ANCHOR: mutants
mutants! {
    /// Every vote is fresh for everybody.
    AlwaysFresh = "always-fresh",
    /// No lock ever lets go.
    NothingLetsGo = "nothing-lets-go",
    /// Nobody is ever caught.
    NobodyCaught = "nobody-caught",
    /// Caught is the union of what the references caught.
    CaughtFromReferencesOnly = "caught-from-references-only",
    /// One acceptor less than a quorum will do.
    QuorumMinusOne = "quorum-minus-one",
    /// A 2a names all learners as soon as it may name one.
    NameEverybody = "name-everybody",
    /// Only direct edges connect.
    SkipCondensation = "skip-condensation",
    /// A stale 1a is put among the references.
    StaleProposalsReferenced = "stale-proposals-referenced",
    /// A signer that forked may go on with both branches below it.
    ForkedSignersGoOn = "forked-signers-go-on",
    /// A hard lock lets go like a soft one.
    HardLetsGoSoftly = "hard-lets-go-softly",
    /// A lower ballot overtakes too.
    AnyBallotOvertakes = "any-ballot-overtakes",
    /// A 2a of the same value overtakes too.
    SameValueOvertakes = "same-value-overtakes",
    /// Votes of lower ballots count.
    VotesOfAnyBallot = "votes-of-any-ballot",
    /// A 2a that names nobody new is well-formed: every message is answered by another.
    RepeatForEver = "repeat-for-ever",
    /// The learner counts 2a's of all ballots of a value's round together, whatever the value.
    DecideByRound = "decide-by-round",
    /// The learner does not look at whom a message names.
    DecideWhoeverIsNamed = "decide-whoever-is-named",
    /// The learner is content with one acceptor less than a quorum.
    DecideMinusOne = "decide-minus-one",
    /// A message leaves before it is on disk.
    SendBeforeStore = "send-before-store",
    /// What lies below an own message is not stored with it.
    StoreOwnOnly = "store-own-only",
    /// After a restart an acceptor starts a new chain.
    ForgetOwnChain = "forget-own-chain",
    /// After a restart a proposer proposes anew.
    ProposeAgain = "propose-again",
    /// A lost store is not noticed.
    IgnoreAmnesia = "ignore-amnesia",
    /// A 1a is taken in before its value is there, unanswered.
    DoNotWaitForValues = "do-not-wait-for-values",
    /// A value is voted for without being judged.
    VoteUnjudged = "vote-unjudged",
    /// A proposer always proposes its own block.
    ProposeOwnAlways = "propose-own-always",
    /// An acceptor leaves its round as soon as one other has.
    RoundsFollowAnybody = "rounds-follow-anybody",
    /// The timer of a round never runs.
    NoTimers = "no-timers",
    /// Missing references are not asked for.
    NeverAsk = "never-ask",
    /// Nothing is said again: not when peers meet, and not while a slot rests undecided.
    SayOnce = "say-once",
    /// Evidence is kept to oneself.
    KeepEvidence = "keep-evidence",
    /// An acceptor accepts in any round, however long ago it left it.
    AcceptLate = "accept-late",
}
// ANCHOR_END: mutants
