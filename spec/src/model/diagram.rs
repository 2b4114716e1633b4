//! Who said what in which order, and what each had taken in: a path as a picture.

use super::local::Happening;
use super::universe::Msg;
use super::{Engines, Step};
use hpaxos_consensus::message::Kind;
use hpaxos_learner_graph::AcceptorId;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Between two acceptors, between two messages, and above the first.
const COLUMN: usize = 190;
const ROW: usize = 44;
const HEAD: usize = 34;

/// One line for each acceptor, downwards in time; on it what it says, and to there an arrow from each message taken in since it
/// last spoke. The page's style sheet has the colours.
pub fn svg(model: &Engines, steps: &[Step]) -> String {
    let acceptors = &model.setup().setting.acceptors;
    let column = |acceptor: AcceptorId| {
        let at = acceptors.iter().position(|one| *one == acceptor);
        COLUMN / 2 + COLUMN * at.unwrap_or_default()
    };
    let mut places: BTreeMap<Msg, (usize, usize)> = BTreeMap::new();
    let (mut arrows, mut texts) = (String::new(), String::new());
    let mut y = HEAD + ROW;
    for step in steps {
        let (who, took, said) = what(model, step);
        let x = column(who);
        for msg in took {
            if let Some((from_x, from_y)) = places.get(&msg) {
                let _ = write!(
                    arrows,
                    "<line class=\"svg-event-line\" style=\"stroke: var(--fg-med); stroke-width: 1\" \
                     marker-end=\"url(#arrow)\" x1=\"{from_x}\" y1=\"{from_y}\" x2=\"{x}\" y2=\"{y}\"/>"
                );
            }
        }
        if said.is_empty() {
            y += ROW / 2;
        }
        for msg in said {
            let text = escaped(&model.message(msg));
            let _ = write!(
                texts,
                "<circle class=\"svg-event-shape\" style=\"fill: var(--contrast-brt)\" cx=\"{x}\" cy=\"{y}\" r=\"4\"/>\
                 <text class=\"svg-event-label\" font-size=\"11\" x=\"{}\" y=\"{}\">{text}</text>",
                x + 8,
                y - 6
            );
            places.insert(msg, (x, y));
            y += ROW;
        }
    }
    let (width, height) = (COLUMN * acceptors.len() + COLUMN / 2, y);
    let mut svg = format!(
        "<svg version=\"1.1\" baseProfile=\"full\" width=\"{width}\" height=\"{height}\" xmlns=\"http://www.w3.org/2000/svg\">\
         <defs><marker id=\"arrow\" markerWidth=\"10\" markerHeight=\"8\" refX=\"12\" refY=\"4\" orient=\"auto\">\
         <polygon points=\"0 0, 10 4, 0 8\" style=\"fill: var(--fg-med)\"/></marker></defs>"
    );
    for acceptor in acceptors {
        let x = column(*acceptor);
        let byzantine = model.setup().byzantine.contains(*acceptor);
        let name = escaped(model.acceptor(*acceptor));
        let name = if byzantine { format!("{name} (Byzantine)") } else { name };
        let _ = write!(
            svg,
            "<line class=\"svg-actor-timeline\" x1=\"{x}\" y1=\"{HEAD}\" x2=\"{x}\" y2=\"{height}\"/>\
             <text class=\"svg-actor-label\" text-anchor=\"middle\" x=\"{x}\" y=\"{}\">{name}</text>",
            HEAD - 10
        );
    }
    svg + &arrows + &texts + "</svg>"
}

/// Who does a step, which replies of others it takes in, and what it says.
fn what(model: &Engines, step: &Step) -> (AcceptorId, Vec<Msg>, Vec<Msg>) {
    let universe = model.universe();
    let reply = |msg: &Msg| universe.said(*msg).kind != Kind::OneA;
    match step {
        Step::Lie(msg) => {
            let said = universe.said(*msg);
            let took =
                said.refs.iter().copied().filter(|one| reply(one) && said.prev != Some(*one));
            (said.signer, took.collect(), vec![*msg])
        }
        Step::Honest { events, from, to, .. } => {
            let (before, after) = (model.locals().get(*from), model.locals().get(*to));
            let took = events.iter().filter_map(|event| match event {
                Happening::Deliver(msg) => Some(*msg),
                _ => None,
            });
            let said = after.chain.get(before.chain.len()..).unwrap_or_default();
            (after.owner, took.filter(reply).collect(), said.to_vec())
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
