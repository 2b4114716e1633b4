//! Who said what in which order, and what each had taken in: a path as a picture.

use super::local::Happening;
use super::universe::Msg;
use super::{Engines, Step};
use hpaxos_consensus::message::Kind;
use hpaxos_learner_graph::AcceptorId;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Between two messages, and above the first.
const ROW: usize = 44;
const HEAD: usize = 34;
/// Of a letter, and between two acceptors at least.
const LETTER: usize = 7;
const COLUMN_MIN: usize = 150;
/// The head of an arrow, which ends where the message's point begins.
const ARROW: &str = r#"<defs><marker id="arrow" markerWidth="10" markerHeight="8" refX="12" refY="4" orient="auto"><polygon points="0 0, 10 4, 0 8" style="fill: var(--fg-med)"/></marker></defs>"#;
/// Arrows pass behind what is written.
const HALO: &str = "paint-order: stroke; stroke: var(--bg-drk); stroke-width: 5px";

/// One line for each acceptor, downwards in time; on it what it says, and to there an arrow from each message taken in since it
/// last spoke. The page's style sheet has the colours.
pub fn svg(model: &Engines, steps: &[Step]) -> String {
    let steps: Vec<_> = steps.iter().map(|step| what(model, step)).collect();
    let labels = steps.iter().flat_map(|(_, _, said)| said).map(|msg| model.message(*msg).len());
    let column = COLUMN_MIN.max(3 * LETTER + LETTER * labels.max().unwrap_or_default());
    let acceptors = &model.setup().setting.acceptors;
    let x_of = |acceptor: AcceptorId| {
        let at = acceptors.iter().position(|one| *one == acceptor);
        COLUMN_MIN / 2 + column * at.unwrap_or_default()
    };
    let mut places: BTreeMap<Msg, (usize, usize)> = BTreeMap::new();
    let (mut arrows, mut texts) = (String::new(), String::new());
    let mut y = HEAD + ROW;
    for (who, took, said) in steps {
        let x = x_of(who);
        for (from_x, from_y) in took.iter().filter_map(|msg| places.get(msg)) {
            let _ = write!(
                arrows,
                r#"<line class="svg-event-line" style="stroke: var(--fg-med); stroke-width: 1" marker-end="url(#arrow)" x1="{from_x}" y1="{from_y}" x2="{x}" y2="{y}"/>"#
            );
        }
        if said.is_empty() {
            y += ROW / 2;
        }
        for msg in said {
            let text = escaped(&model.message(msg));
            let (text_x, text_y) = (x + 8, y - 6);
            let _ = write!(
                texts,
                r#"<circle class="svg-event-shape" style="fill: var(--contrast-brt)" cx="{x}" cy="{y}" r="4"/><text class="svg-event-label" style="{HALO}" font-size="11" x="{text_x}" y="{text_y}">{text}</text>"#
            );
            places.insert(msg, (x, y));
            y += ROW;
        }
    }
    let mut timelines = String::new();
    for acceptor in acceptors {
        let (x, name_y) = (x_of(*acceptor), HEAD - 10);
        let byzantine = model.setup().byzantine.contains(*acceptor);
        let name = escaped(model.acceptor(*acceptor));
        let name = if byzantine { format!("{name} (Byzantine)") } else { name };
        let _ = write!(
            timelines,
            r#"<line class="svg-actor-timeline" x1="{x}" y1="{HEAD}" x2="{x}" y2="{y}"/><text class="svg-actor-label" text-anchor="middle" x="{x}" y="{name_y}">{name}</text>"#
        );
    }
    let width = COLUMN_MIN / 2 + column * acceptors.len();
    format!(
        r#"<svg width="{width}" height="{y}" xmlns="http://www.w3.org/2000/svg">{ARROW}{timelines}{arrows}{texts}</svg>"#
    )
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
