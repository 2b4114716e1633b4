//! What holds of every picture, whatever the graph.

use super::Picture;
use super::shape::Rect;
use super::svg::draw;
use crate::acceptor_set::AcceptorId;
use crate::analysis::Breaking;
use crate::expression::{Edge, Expression, Quorum, Safe};
use crate::file::read;
use crate::graph::{Acceptor, Declarations, Learner, LearnerGraph};
use crate::learner_set::LearnerId;
use crate::search::Effort;
use std::collections::BTreeSet;

const EXAMPLES: [&str; 4] = [
    include_str!("../../examples/two-chains.toml"),
    include_str!("../../examples/three-stake-chains.toml"),
    include_str!("../../examples/federation.toml"),
    include_str!("../../examples/invalid.toml"),
];

/// Learners and acceptors with these names, all in all, with an edge for each two.
fn complete(learners: &[&str], acceptors: &[&str]) -> LearnerGraph {
    let all: Vec<Expression> =
        (0..acceptors.len()).map(|index| Expression::Acceptor(AcceptorId::new(index))).collect();
    let at_least = acceptors.len() - (acceptors.len() - 1) / 3;
    let quorum = Quorum::Expression(Expression::AtLeast { at_least, of: all });
    let acceptor =
        |name: &&str| Acceptor { name: name.to_string(), public_key: None, addresses: Vec::new() };
    let ids = || (0..learners.len()).map(LearnerId::new);
    let edge = |a: LearnerId, b: LearnerId| Edge { between: (a, b), safe: Safe::Overlap };
    let declarations = Declarations {
        acceptors: acceptors.iter().map(acceptor).collect(),
        learners: learners
            .iter()
            .map(|name| Learner { name: name.to_string(), quorum: quorum.clone() })
            .collect(),
        edges: ids().flat_map(|a| ids().filter(move |b| a < *b).map(move |b| edge(a, b))).collect(),
        logs: Vec::new(),
    };
    LearnerGraph::new(declarations).expect("complete graphs are graphs")
}

fn named(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{prefix}{index:03}")).collect()
}

fn graphs() -> Vec<LearnerGraph> {
    let examples = EXAMPLES.iter().map(|text| read(text).expect("examples can be read"));
    let sizes = [(1, 1), (1, 4), (2, 8), (3, 12), (4, 7), (5, 7), (6, 7), (7, 7), (8, 40), (13, 4)];
    let long = "w".repeat(29);
    let sized = sizes.iter().flat_map(|(learners, acceptors)| {
        [("c", "v"), (long.as_str(), long.as_str())].map(|(of_learner, of_acceptor)| {
            let learners = named(of_learner, *learners);
            let acceptors = named(of_acceptor, *acceptors);
            let learners: Vec<&str> = learners.iter().map(String::as_str).collect();
            let acceptors: Vec<&str> = acceptors.iter().map(String::as_str).collect();
            complete(&learners, &acceptors)
        })
    });
    examples.chain(sized).collect()
}

fn picture(graph: &LearnerGraph) -> Picture {
    Picture::new(graph, &graph.logs(), &mut Effort::steps(5_000_000))
}

/// The rectangles of these classes.
fn areas(document: &roxmltree::Document<'_>, classes: &[&str]) -> Vec<Rect> {
    let measure = |node: &roxmltree::Node<'_, '_>, name: &str| -> f64 {
        node.attribute(name).unwrap_or("0").parse().unwrap()
    };
    let wanted = |node: &roxmltree::Node<'_, '_>| {
        node.attribute("class").is_some_and(|class| classes.contains(&class))
    };
    let area = |node: roxmltree::Node<'_, '_>| Rect {
        x: measure(&node, "x"),
        y: measure(&node, "y"),
        width: measure(&node, "width"),
        height: measure(&node, "height"),
    };
    document.descendants().filter(wanted).map(area).collect()
}

#[test]
fn nothing_overlaps_and_nothing_is_cut_off() {
    for graph in graphs() {
        let picture = picture(&graph);
        let text = picture.svg();
        let document = roxmltree::Document::parse(&text).unwrap();
        let view: Vec<f64> = document
            .root_element()
            .attribute("viewBox")
            .unwrap()
            .split(' ')
            .map(|number| number.parse().unwrap())
            .collect();
        let view = Rect { x: view[0], y: view[1], width: view[2], height: view[3] };
        let inside = |area: &Rect| view.hull(area) == view;
        let canvas = draw(&picture.facts);
        let labels = canvas.labels();
        let boxes = areas(&document, &["learner", "edge"]);
        let cells = areas(&document, &["seat"]);
        for areas in [labels, &boxes, &cells] {
            assert!(areas.iter().all(inside), "{text}");
            for (index, area) in areas.iter().enumerate() {
                // Numbers are written with one decimal.
                let area = area.grown(-0.1);
                let other = areas[..index].iter().find(|other| other.overlaps(&area));
                assert!(other.is_none(), "{area:?} and {other:?} overlap in {text}");
            }
        }
    }
}

#[test]
fn every_name_is_there() {
    for graph in graphs() {
        let text = picture(&graph).svg();
        let document = roxmltree::Document::parse(&text).unwrap();
        let of = |tag: &str| -> Vec<String> {
            let nodes = document.descendants().filter(|node| node.has_tag_name(tag));
            nodes.filter_map(|node| node.text()).map(|text| text.trim().to_owned()).collect()
        };
        let texts: BTreeSet<String> = of("text").into_iter().collect();
        let titles = of("title");
        for learner in &graph.declarations().learners {
            assert!(texts.contains(&learner.name), "{} is written", learner.name);
        }
        for acceptor in &graph.declarations().acceptors {
            let start = format!("{}: ", acceptor.name);
            assert!(titles.iter().any(|title| title.starts_with(&start)), "{} is there", start);
        }
    }
}

#[test]
fn the_same_graph_is_the_same_picture() {
    for graph in graphs() {
        let (one, other) = (picture(&graph), picture(&graph));
        assert_eq!(one.svg(), other.svg());
        assert_eq!(one.dot(), other.dot());
    }
}

#[test]
fn names_are_escaped() {
    let graph = complete(&["<a & \"b\">", "c\\d"], &["\u{7}w", "'<v>'"]);
    let picture = picture(&graph);
    let text = picture.svg();
    let document = roxmltree::Document::parse(&text).unwrap();
    let written = |name: &str| {
        document.descendants().any(|node| node.text().is_some_and(|text| text.trim() == name))
    };
    assert!(written("<a & \"b\">") && written("c\\d") && written("'<v>'") && written("\u{fffd}w"));
    let dot = picture.dot();
    assert!(dot.contains(r#"label="<a & \"b\">\n"#), "{dot}");
    assert!(dot.contains(r#"label="c\\d\n"#), "{dot}");
}

#[test]
fn what_is_not_settled_is_a_range() {
    let mut picture = picture(&read(EXAMPLES[0]).unwrap());
    assert!(picture.is_settled());
    let unsettled = Breaking::Unsettled { at_least: 3, at_most: 5 };
    picture.facts.logs[0].pairs[0].disagree = unsettled;
    assert!(!picture.is_settled());
    assert!(picture.svg().contains("disagree if 3 to 5 lie"));
    assert!(picture.dot().contains("disagree if 3 to 5 lie"));
}

#[test]
fn what_is_not_valid_is_marked_and_explained() {
    let graph = read(EXAMPLES[3]).unwrap();
    let text = picture(&graph).svg();
    assert!(text.contains("promised unless 1 lies"));
    assert!(text.contains("Suppose only {a1, a2} are safe"));
    assert!(picture(&graph).dot().contains("not valid"));
}

#[test]
fn many_acceptors_are_one_node_for_each_membership() {
    let dot = picture(&read(EXAMPLES[1]).unwrap()).dot();
    assert!(dot.contains(r#"label="45 validators\nin all 3 chains""#), "{dot}");
    assert!(dot.contains(r#"label="15 validators\nonly in quarry""#), "{dot}");
}
