//! The faults that a run may meet. They compose: each is on or off, with a rate drawn from the seed.

use std::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])+ $name:ident = $text:literal,)+) => {
        /// A fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])+ $name,)+
        }

        impl Fault {
            /// All of them.
            pub const ALL: &[Fault] = &[$(Fault::$name),+];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Fault::$name => $text,)+
                }
            }
        }
    };
}

// ANCHOR: faults
faults! {
    /// Some packets take much longer than others.
    Delay = "delay",
    /// Links break, and lose what was under way.
    Drop = "drop",
    /// Packets arrive twice.
    Duplicate = "duplicate",
    /// Packets overtake each other.
    Reorder = "reorder",
    /// Some nodes are cut off from the others, sometimes one way only.
    Partition = "partition",
    /// Nodes stop without warning, and start again.
    Crash = "crash",
    /// Nodes stop before, during or after their k-th write.
    CrashAtWrite = "crash-at-write",
    /// A crash leaves half of the last write.
    TornWrite = "torn-write",
    /// A crash loses any of the writes that were not synced.
    LostWrite = "lost-write",
    /// A sync fails, which ends the process.
    SyncError = "sync-error",
    /// A bit of what was stored flips while a node is down.
    BitFlip = "bit-flip",
    /// A node starts from an old copy of its store.
    OldCopy = "old-copy",
    /// Nodes stop doing anything for a while.
    Pause = "pause",
    /// Clocks run fast or slow, and jump.
    Clock = "clock",
    /// A Byzantine acceptor tells different stories to different nodes.
    Equivocate = "equivocate",
    /// A Byzantine acceptor forks any of its own messages.
    ForkPrev = "fork-prev",
    /// A Byzantine acceptor sends to some only.
    Withhold = "withhold",
    /// A Byzantine acceptor hides a conflicting chain, and shows it late.
    LateReveal = "late-reveal",
    /// A Byzantine acceptor forgets what it signed.
    Amnesia = "amnesia",
    /// A Byzantine acceptor comes up with old ballots.
    StaleBallots = "stale-ballots",
    /// A Byzantine acceptor floods the others.
    Spam = "spam",
    /// Two honest replicas have one key.
    Twins = "twins",
    /// A Byzantine acceptor announces rounds without end.
    Drag = "drag",
    /// A Byzantine acceptor says nothing.
    Silent = "silent",
    /// Byzantine acceptors that hold each other's keys have a value decided, and lure the others to another.
    Overturn = "overturn",
}
// ANCHOR_END: faults

impl Fault {
    /// Those that only a Byzantine acceptor commits.
    pub const BYZANTINE: &[Fault] = &[
        Fault::Equivocate,
        Fault::ForkPrev,
        Fault::Withhold,
        Fault::LateReveal,
        Fault::Amnesia,
        Fault::StaleBallots,
        Fault::Spam,
        Fault::Twins,
        Fault::Drag,
        Fault::Silent,
        Fault::Overturn,
    ];
}

/// Which faults a run may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// Every fault.
    pub const ALL: Faults = Faults((1 << Fault::ALL.len()) - 1);
    /// No fault.
    pub const NONE: Faults = Faults(0);

    /// Whether `fault` is among them.
    pub fn has(self, fault: Fault) -> bool {
        self.0 >> fault as u32 & 1 == 1
    }

    /// These and `fault`.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Faults(self.0 | 1 << fault as u32)
    }

    /// These without `fault`.
    #[must_use]
    pub fn without(self, fault: Fault) -> Self {
        Faults(self.0 & !(1 << fault as u32))
    }

    /// The faults, in order.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |fault| self.has(*fault))
    }

    /// Those that an item of a list stands for.
    fn named(name: &str) -> Option<Self> {
        let group = |faults: &[Fault]| faults.iter().fold(Faults::NONE, |all, one| all.with(*one));
        match name {
            "all" => Some(Faults::ALL),
            "none" => Some(Faults::NONE),
            "byzantine" => Some(group(Fault::BYZANTINE)),
            _ => {
                let found = Fault::ALL.iter().find(|fault| fault.name() == name)?;
                Some(Faults::NONE.with(*found))
            }
        }
    }
}

/// `all`, `none`, or names separated by commas; `byzantine` stands for all Byzantine ones, and a dash takes away.
impl std::str::FromStr for Faults {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let mut faults = Faults::NONE;
        for item in list.split(',') {
            let item = item.trim();
            let name = item.strip_prefix('-').unwrap_or(item);
            let named = Faults::named(name).ok_or_else(|| {
                let known: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
                format!("no fault `{name}`; there are all, none, byzantine, {}", known.join(", "))
            })?;
            faults = if item.starts_with('-') {
                Faults(faults.0 & !named.0)
            } else {
                Faults(faults.0 | named.0)
            };
        }
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing: Vec<&str> =
            Fault::ALL.iter().filter(|one| !self.has(**one)).map(|one| one.name()).collect();
        if *self == Faults::NONE {
            f.write_str("none")
        } else if missing.len() < Fault::ALL.len() / 2 {
            f.write_str("all")?;
            missing.iter().try_for_each(|name| write!(f, ",-{name}"))
        } else {
            let names: Vec<&str> = self.iter().map(|fault| fault.name()).collect();
            f.write_str(&names.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_back() {
        for list in ["all", "none", "delay,drop,crash", "all,-crash", "byzantine,-spam"] {
            let faults: Faults = list.parse().unwrap();
            assert_eq!(faults.to_string().parse(), Ok(faults));
        }
        assert!("all,-crash".parse::<Faults>().unwrap().has(Fault::Drop));
        assert!(!"all,-crash".parse::<Faults>().unwrap().has(Fault::Crash));
        assert!("lightning".parse::<Faults>().is_err());
    }
}
