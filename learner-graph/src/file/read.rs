//! From text to a learner graph.

use super::conditions::Conditions;
use super::error::FileError;
use super::names::{NAME_RULE, is_log_name, is_name, quoted, similar};
use super::values::{Source, Value};
use crate::acceptor_set::{ACCEPTORS_MAX, AcceptorId};
use crate::expression::{Edge, Quorum, Safe};
use crate::graph::{
    ALL, Acceptor, Declarations, GraphError, Learner, LearnerGraph, LogDeclaration,
};
use crate::learner_set::{LEARNERS_MAX, LearnerId, LearnerSet};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// The largest file that is read: 64 learners with 512 stakes of 39 digits each fit in half of it.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// Reads a graph from the bytes of a file.
///
/// # Errors
/// As [`read`]; and if it is larger than [`FILE_BYTES_MAX`] or no UTF-8.
pub fn read_bytes(bytes: &[u8]) -> Result<LearnerGraph, FileError> {
    if bytes.len() > FILE_BYTES_MAX {
        let message = format!(
            "the file is larger than {} MiB, which no learner graph is",
            FILE_BYTES_MAX >> 20
        );
        return Err(FileError::at("", 0..0, message));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => read(text),
        Err(error) => {
            let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).expect("valid so far");
            let span = valid.len()..valid.len();
            Err(FileError::at(valid, span, "the file is no UTF-8 text from here on"))
        }
    }
}

/// Reads a graph.
///
/// # Errors
/// The first thing that is wrong, with its place and what would be right.
pub fn read(text: &str) -> Result<LearnerGraph, FileError> {
    if text.len() > FILE_BYTES_MAX {
        return read_bytes(text.as_bytes());
    }
    let source = Source(text);
    let document = DeTable::parse(text).map_err(|error| {
        source.error(error.span().unwrap_or(0..0), error.message().replace('\n', ", "))
    })?;
    Reader::new(source, document.get_ref())?.graph()
}

struct Reader<'d, 'i> {
    source: Source<'i>,
    document: &'d DeTable<'i>,
    acceptors: Vec<Acceptor>,
    acceptor_ids: BTreeMap<&'d str, AcceptorId>,
    /// Sorted by name.
    learners: Vec<Named<'d, 'i>>,
}

/// A table below a name, with the name's place.
struct Named<'d, 'i> {
    name: &'d str,
    span: Range<usize>,
    value: &'d Value<'i>,
}

impl<'d, 'i> Reader<'d, 'i> {
    fn new(source: Source<'i>, document: &'d DeTable<'i>) -> Result<Self, FileError> {
        let version = source.required(document, 0..0, "version", "the file")?;
        match version.get_ref() {
            DeValue::Integer(number) if number.as_str() == "1" => {}
            _ => {
                return Err(source
                    .error(version.span(), "`version` should be 1: this program knows no other"));
            }
        }
        source.only(
            document,
            "the file",
            &["version", "acceptors", "learners", "edges", "logs"],
        )?;

        let mut declared = named_tables(source, document, "acceptors", ACCEPTORS_MAX)?;
        declared.sort_by_key(|acceptor| acceptor.name);
        let acceptor_ids: BTreeMap<&str, AcceptorId> = declared
            .iter()
            .enumerate()
            .map(|(index, entry)| (entry.name, AcceptorId::new(index)))
            .collect();
        let mut acceptors = Vec::new();
        let mut keys = BTreeMap::new();
        for entry in &declared {
            acceptors.push(acceptor(source, entry, &mut keys)?);
        }

        let mut learners = named_tables(source, document, "learners", LEARNERS_MAX)?;
        if let Some(Named { span, .. }) = learners.iter().find(|entry| entry.name == ALL) {
            let message = format!(
                "`{ALL}` is the name of the log of all learners, and cannot be a learner's"
            );
            return Err(source.error(span.clone(), message));
        }
        if learners.is_empty() {
            return Err(
                source.error(0..0, "the file has no learner; declare one like [learners.red]")
            );
        }
        learners.sort_by_key(|entry| entry.name);
        Ok(Reader { source, document, acceptors, acceptor_ids, learners })
    }

    fn graph(self) -> Result<LearnerGraph, FileError> {
        let names: Vec<&str> = self.learners.iter().map(|entry| entry.name).collect();
        let conditions =
            Conditions { source: self.source, acceptors: &self.acceptor_ids, learners: &names };
        let mut learners = Vec::new();
        for entry in &self.learners {
            learners.push(self.learner(&conditions, entry)?);
        }
        let (edges, edge_spans) = self.edges(&conditions)?;
        let (logs, log_spans) = self.logs()?;
        let declarations = Declarations { acceptors: self.acceptors, learners, edges, logs };
        LearnerGraph::new(declarations).map_err(|error| {
            let span = match &error {
                GraphError::NoShares { edge, .. }
                | GraphError::NoOverlap { edge, .. }
                | GraphError::Disjoint { edge, .. }
                | GraphError::TooManyIntersections { edge } => edge_spans[*edge].clone(),
                GraphError::SelfEdgeTooLarge { learner, .. } => {
                    self.learners[*learner].span.clone()
                }
                GraphError::NothingInCommon { log, .. } => log_spans[*log].clone(),
            };
            self.source.error(span, error.to_string())
        })
    }

    fn learner(
        &self,
        conditions: &Conditions<'_, 'i>,
        Named { name, span, value }: &Named<'_, 'i>,
    ) -> Result<Learner, FileError> {
        let place = format!("[learners.{name}]");
        let table = self.source.table(value, &format!("learners.{name}"))?;
        self.source.only(table, &place, &["quorum", "stake"])?;
        let rule = self.source.required(table, span.clone(), "quorum", &place)?;
        let quorum = match table.get("stake") {
            Some(stake) => {
                let (stake, total) = conditions.stake(stake, "stake")?;
                Quorum::Stake { stake, rule: conditions.fraction(rule, total)? }
            }
            None if rule.get_ref().as_str().is_some_and(|text| text.starts_with('>')) => {
                let message =
                    format!("`quorum` is a part of a stake, so {place} needs the key `stake`");
                return Err(self.source.error(rule.span(), message));
            }
            None => Quorum::Expression(conditions.read(rule, "quorum")?),
        };
        Ok(Learner { name: (*name).to_owned(), quorum })
    }

    /// The edges, and where each says what is safe.
    fn edges(
        &self,
        conditions: &Conditions<'_, 'i>,
    ) -> Result<(Vec<Edge>, Vec<Range<usize>>), FileError> {
        let Some(value) = self.document.get("edges") else { return Ok(Default::default()) };
        let (mut edges, mut spans) = (Vec::new(), Vec::new());
        let mut known = BTreeSet::new();
        for value in self.source.array(value, "edges")? {
            let table = self.source.table(value, "edges")?;
            self.source.only(table, "[[edges]]", &["between", "safe"])?;
            let ends = self.source.required(table, value.span(), "between", "[[edges]]")?;
            let between = match self.source.array(ends, "between")? {
                [a, b] => [a, b].map(|end| self.learner_id(end, "between")),
                _ => {
                    let message =
                        "`between` should name two learners, or one twice for a self-edge";
                    return Err(self.source.error(ends.span(), message));
                }
            };
            let [a, b] = between;
            let (a, b) = (a?, b?);
            let between = (a.min(b), a.max(b));
            if !known.insert(between) {
                let message =
                    "an edge between these two stands above already; one condition says it all";
                return Err(self.source.error(ends.span(), message));
            }
            let safe = self.source.required(table, value.span(), "safe", "[[edges]]")?;
            spans.push(safe.span());
            edges.push(Edge { between, safe: self.safe(conditions, safe)? });
        }
        Ok((edges, spans))
    }

    fn safe(&self, conditions: &Conditions<'_, 'i>, value: &Value<'i>) -> Result<Safe, FileError> {
        match value.get_ref().as_str() {
            Some("overlap") => Ok(Safe::Overlap),
            Some("largest") => Ok(Safe::Largest),
            Some(name) if !self.acceptor_ids.contains_key(name) => {
                let message = format!(
                    "`safe` is {}; it should be \"overlap\", \"largest\" or a condition like \
                     {{ at-least = 2, of = [\"alice\", \"bob\"] }}",
                    quoted(name)
                );
                Err(self.source.error(value.span(), message))
            }
            _ => Ok(Safe::Expression(conditions.read(value, "safe")?)),
        }
    }

    /// The logs, and where their names stand.
    fn logs(&self) -> Result<(Vec<LogDeclaration>, Vec<Range<usize>>), FileError> {
        let Some(value) = self.document.get("logs") else { return Ok(Default::default()) };
        let mut entries = self.source.entries(self.source.table(value, "logs")?);
        entries.sort_by_key(|(name, _)| name.get_ref().as_ref());
        let (mut logs, mut spans) = (Vec::new(), Vec::new());
        for (name, value) in entries {
            logs.push(self.log(name, value)?);
            spans.push(name.span());
        }
        Ok((logs, spans))
    }

    fn log(
        &self,
        name: &Spanned<DeString<'i>>,
        value: &Value<'i>,
    ) -> Result<LogDeclaration, FileError> {
        let source = self.source;
        let text = name.get_ref().as_ref();
        if text == ALL || self.learners.iter().any(|entry| entry.name == text) {
            let message = format!(
                "{} is reserved: `{ALL}` is the log of all learners, and a learner's name that of its base log",
                quoted(text)
            );
            return Err(source.error(name.span(), message));
        }
        if !is_log_name(text) {
            let message =
                format!("{} is no name of a log: names ({NAME_RULE}), joined by +", quoted(text));
            return Err(source.error(name.span(), message));
        }
        let place = format!("[logs.\"{text}\"]");
        let table = source.table(value, &format!("logs.{text}"))?;
        source.only(table, &place, &["learners", "edges"])?;
        let list = source.required(table, name.span(), "learners", &place)?;
        let mut learners = LearnerSet::EMPTY;
        for entry in source.array(list, "learners")? {
            let learner = self.learner_id(entry, "learners")?;
            if learners.contains(learner) {
                let message = format!(
                    "{} stands in `learners` twice",
                    quoted(source.string(entry, "learners")?)
                );
                return Err(source.error(entry.span(), message));
            }
            learners.insert(learner);
        }
        if learners.is_empty() {
            return Err(source.error(
                list.span(),
                "`learners` is empty; it should name the chains that commit together",
            ));
        }
        let level = match table.get("edges") {
            None => false,
            Some(edges) => match source.string(edges, "edges")? {
                "as-given" => false,
                "level" => true,
                other => {
                    let message = format!(
                        "`edges` is {}; it should be \"as-given\" or \"level\"",
                        quoted(other)
                    );
                    return Err(source.error(edges.span(), message));
                }
            },
        };
        Ok(LogDeclaration { name: text.to_owned(), learners, level })
    }

    fn learner_id(&self, value: &Value<'i>, key: &str) -> Result<LearnerId, FileError> {
        let name = self.source.string(value, key)?;
        match self.learners.binary_search_by(|entry| entry.name.cmp(name)) {
            Ok(index) => Ok(LearnerId::new(index)),
            Err(_) => {
                let hint = match similar(name, self.learners.iter().map(|entry| entry.name)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "learners are declared like [learners.red]".to_owned(),
                };
                Err(self
                    .source
                    .error(value.span(), format!("unknown learner {}; {hint}", quoted(name))))
            }
        }
    }
}

/// The tables below `key`, in the file's order, with names that follow the rule.
fn named_tables<'d, 'i>(
    source: Source<'i>,
    document: &'d DeTable<'i>,
    key: &str,
    most: usize,
) -> Result<Vec<Named<'d, 'i>>, FileError> {
    let Some(value) = document.get(key) else { return Ok(Vec::new()) };
    let mut tables = Vec::new();
    for (name, value) in source.entries(source.table(value, key)?) {
        let text = name.get_ref().as_ref();
        if !is_name(text) {
            let message = format!("{} is no name below `{key}`: {NAME_RULE}", quoted(text));
            return Err(source.error(name.span(), message));
        }
        if tables.len() == most {
            return Err(source.error(name.span(), format!("there are more than {most} {key}")));
        }
        tables.push(Named { name: text, span: name.span(), value });
    }
    Ok(tables)
}

fn acceptor<'i>(
    source: Source<'i>,
    Named { name, value, .. }: &Named<'_, 'i>,
    keys: &mut BTreeMap<[u8; 32], String>,
) -> Result<Acceptor, FileError> {
    let table = source.table(value, &format!("acceptors.{name}"))?;
    source.only(table, &format!("[acceptors.{name}]"), &["public-key", "addresses"])?;
    let public_key = match table.get("public-key") {
        None => None,
        Some(value) => {
            let key = public_key(source, value)?;
            if let Some(other) = keys.insert(key, (*name).to_owned()) {
                let message = format!(
                    "`public-key` is also that of `{other}`; each acceptor has a key of its own"
                );
                return Err(source.error(value.span(), message));
            }
            Some(key)
        }
    };
    let mut addresses = Vec::new();
    if let Some(list) = table.get("addresses") {
        for entry in source.array(list, "addresses")? {
            let text = source.string(entry, "addresses")?;
            text.parse::<multiaddr::Multiaddr>().map_err(|error| {
                let message = format!(
                    "{} is no address ({error}); one looks like \"/ip4/10.0.0.1/udp/4001/quic-v1\"",
                    quoted(text)
                );
                source.error(entry.span(), message)
            })?;
            addresses.push(text.to_owned());
        }
    }
    Ok(Acceptor { name: (*name).to_owned(), public_key, addresses })
}

fn public_key<'i>(source: Source<'i>, value: &Value<'i>) -> Result<[u8; 32], FileError> {
    let text = source.string(value, "public-key")?;
    let mut key = [0; 32];
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    if !lower || hex::decode_to_slice(text, &mut key).is_err() {
        let message =
            "`public-key` should be 64 lower-case hex digits, as `hpaxos init` prints them";
        return Err(source.error(value.span(), message));
    }
    match ed25519_dalek::VerifyingKey::from_bytes(&key) {
        Err(_) => Err(source
            .error(value.span(), "`public-key` is no ed25519 key: it is no point of the curve")),
        Ok(point) if point.is_weak() => Err(source.error(
            value.span(),
            "`public-key` is a weak ed25519 key, with which anybody can sign",
        )),
        Ok(_) => Ok(key),
    }
}
