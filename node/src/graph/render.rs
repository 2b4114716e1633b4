//! `hpaxos graph render`.
