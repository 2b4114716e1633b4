//! The commands of a transcript, one function each.

use super::labels::{value, value_name};
use super::node::{Node, Store};
use super::words::Words;
use super::{Done, Stage, tell};
use hpaxos_consensus::{Config, Event, Judgement, Slot};
use hpaxos_learner_graph::AcceptorId;

impl Stage {
    /// Performs one command: what it prints.
    pub fn perform(&mut self, command: &str) -> Result<Vec<String>, String> {
        let (command, briefly) = match command.strip_suffix(" briefly") {
            Some(command) => (command, true),
            None => (command, false),
        };
        self.briefly = briefly;
        let mut words = Words::new(command);
        match words.next()? {
            "start" => self.start(&mut words),
            "byzantine" => self.play(&mut words),
            "slot" => self.turn_to(&mut words),
            "open" => self.each(&mut words, ": open", |_, _| Ok(Event::Open)),
            "block" => self.block(&mut words),
            "values" => self.by_hand(&mut words),
            "value" => self.judge(&mut words),
            "wave" => self.wave().map(|_| ()),
            "deliver" if words.is_empty() => self.deliver_all(),
            "deliver" => self.deliver(&mut words),
            "drop" => self.drop_some(&mut words),
            "hold" => self.hold(&mut words),
            "release" => {
                self.network.release();
                Ok(())
            }
            "timer" => self.timer(&mut words),
            "unreachable" => self.unreachable(&mut words),
            "connect" => self.connect(&mut words),
            "crash" => self.crash(&mut words),
            "restart" => self.restart_some(&mut words),
            "forge" => self.forge(&mut words),
            "certify" => self.certify(&mut words),
            "load" => {
                let slot = self.slot;
                let heading = format!(": slot {slot} from its disk");
                self.each(&mut words, &heading, |stage, one| Ok(stage.node(one)?.load(slot)))
            }
            "status" => self.status(),
            "count" => {
                self.print(self.labels.count(self.slot));
                Ok(())
            }
            "published" => self.published(&mut words),
            "softly" => self.softly(&mut words),
            word => Err(format!("there is no command `{word}`")),
        }?;
        words.end()?;
        for (text, nodes) in std::mem::take(&mut self.loud) {
            let nodes: Vec<&str> = nodes.iter().map(|one| self.labels.name(*one)).collect();
            self.print(format!("{}: {text}", nodes.join(" ")));
        }
        Ok(self.printed())
    }

    /// A list of nodes; `*` is all.
    pub(super) fn nodes(&self, words: &mut Words) -> Result<Vec<AcceptorId>, String> {
        match words.list()?.as_slice() {
            ["*"] => Ok(self.config.trust.acceptors().iter().collect()),
            names => names.iter().map(|name| self.labels.acceptor(name)).collect(),
        }
    }

    /// One event at each of some nodes.
    fn each(
        &mut self,
        words: &mut Words,
        heading: &str,
        event: impl Fn(&mut Stage, AcceptorId) -> Result<Event, String>,
    ) -> Done {
        for acceptor in self.nodes(words)? {
            let event = event(self, acceptor)?;
            self.happen(acceptor, heading, vec![event])?;
        }
        Ok(())
    }

    fn start(&mut self, words: &mut Words) -> Done {
        for acceptor in self.nodes(words)? {
            let others = self.running();
            let config = Config { me: Some(acceptor), ..self.config.clone() };
            self.nodes.insert(acceptor, Node::new(config));
            for other in others {
                self.meet(acceptor, other)?;
                self.meet(other, acceptor)?;
            }
        }
        Ok(())
    }

    fn play(&mut self, words: &mut Words) -> Done {
        let nodes = self.nodes(words)?;
        self.byzantine.extend(nodes);
        Ok(())
    }

    fn turn_to(&mut self, words: &mut Words) -> Done {
        self.slot = Slot(words.number()?);
        self.print(self.proposers());
        Ok(())
    }

    fn block(&mut self, words: &mut Words) -> Done {
        let name = words.next()?;
        words.expect("at")?;
        let slot = self.slot;
        let heading = format!(": block {name}");
        self.each(words, &heading, |stage, one| stage.node(one)?.block(slot, value(name)))
    }

    fn by_hand(&mut self, words: &mut Words) -> Done {
        self.values_by_hand = true;
        words.expect("by hand")
    }

    fn judge(&mut self, words: &mut Words) -> Done {
        let (name, judgement) = (words.next()?, words.next()?);
        let heading = format!(": value {name} is {judgement}");
        let judgement = match judgement {
            "valid" => Judgement::Valid,
            "invalid" => Judgement::Invalid,
            other => return Err(format!("a value is valid or invalid, not {other}")),
        };
        words.expect("at")?;
        let slot = self.slot;
        self.each(words, &heading, |stage, one| {
            let event = stage.node(one)?.judge(slot, value(name), judgement);
            event.ok_or_else(|| format!("{name} was judged already"))
        })
    }

    fn timer(&mut self, words: &mut Words) -> Done {
        let mut names = words.list()?;
        let kind = names.pop().ok_or("which timer?")?;
        let slot = self.slot;
        for name in names {
            let acceptor = self.labels.acceptor(name)?;
            let event = self.node(acceptor)?.end_timer(slot, kind);
            let event = event.map_err(|error| format!("{name}: {error}"))?;
            self.happen(acceptor, &format!(": end of its {kind} timer"), vec![event])?;
        }
        Ok(())
    }

    fn unreachable(&mut self, words: &mut Words) -> Done {
        let name = words.next()?;
        let lost = self.labels.acceptor(name)?;
        words.expect("at")?;
        let heading = format!(": {name} is out of reach");
        self.each(words, &heading, |_, _| Ok(Event::Unreachable { acceptor: lost }))
    }

    fn connect(&mut self, words: &mut Words) -> Done {
        let one = self.labels.acceptor(words.next()?)?;
        let other = self.labels.acceptor(words.next()?)?;
        self.meet(one, other)?;
        self.meet(other, one)
    }

    fn crash(&mut self, words: &mut Words) -> Done {
        let nodes = self.nodes(words)?;
        let early = words.skip("before the last write");
        for acceptor in nodes {
            self.node(acceptor)?.running()?;
            if early {
                let node = self.node(acceptor)?;
                let (sent, turn) = (node.released.1, node.lose_last_turn()?);
                if self.network.take_back(acceptor, turn) != sent {
                    return Err("something that it sent in its last turn has arrived".to_owned());
                }
            }
            self.node(acceptor)?.crash();
            self.network.lose_to(acceptor);
        }
        Ok(())
    }

    fn restart_some(&mut self, words: &mut Words) -> Done {
        let nodes = self.nodes(words)?;
        let store = match (words.skip("empty store"), words.skip("unnoticed")) {
            (true, true) => Store::EmptyUnnoticed,
            (true, false) => Store::Empty,
            _ => Store::Kept,
        };
        nodes.into_iter().try_for_each(|acceptor| self.restart(acceptor, store))
    }

    fn certify(&mut self, words: &mut Words) -> Done {
        let name = words.next()?;
        words.expect("for")?;
        let learners = words.list()?;
        words.expect("at")?;
        let nodes = self.nodes(words)?;
        let slot = self.slot;
        for acceptor in nodes {
            for learner in &learners {
                let heading = format!(": certificate of {learner} for {name}");
                let (learner, value) = (self.labels.learner(learner)?, value(name));
                let event = Event::Certified { slot, learner, value };
                self.happen(acceptor, &heading, vec![event])?;
            }
        }
        Ok(())
    }

    fn status(&mut self) -> Done {
        let lines = self.nodes.iter().map(|(acceptor, node)| self.status_of(*acceptor, node));
        let lines: Vec<String> = lines.collect();
        lines.into_iter().for_each(|line| self.print(line));
        Ok(())
    }

    fn status_of(&self, acceptor: AcceptorId, node: &Node) -> String {
        let name = self.labels.name(acceptor);
        let Some(replica) = &node.replica else {
            return format!("{name} is down");
        };
        let mut line = match replica.instance(self.slot) {
            None => format!("{name}: slot {} is not in memory", self.slot),
            Some(instance) => {
                let last = instance.last_reply().map(|ix| instance.dag().node(ix));
                let last = last.map_or("nothing", |node| self.labels.label(&node.message.id()));
                let decided = self.config.trust.learners().iter().map(|learner| {
                    let name = self.labels.learners([learner].into_iter().collect());
                    let value = instance.decided(learner).map(value_name);
                    format!("{name} {}", value.as_deref().unwrap_or("undecided"))
                });
                let decided: Vec<String> = decided.collect();
                let (round, held) = (instance.round(), instance.dag().len());
                let decided = decided.join(", ");
                format!("{name}: round {round}, holds {held}, last said {last}; {decided}")
            }
        };
        if replica.is_silent_in(self.slot) {
            line.push_str("; silent");
        }
        let list = |slots: Vec<Slot>| tell::numbers(&slots);
        let (open, parked) =
            (list(replica.open_slots().collect()), list(replica.parked_slots().collect()));
        if open != "0" || !parked.is_empty() {
            line.push_str(&format!("; open slots: {open}"));
        }
        if !parked.is_empty() {
            line.push_str(&format!("; parked slots: {parked}"));
        }
        line
    }
}
