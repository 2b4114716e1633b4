//! What nodes count themselves, as they tell Prometheus.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use ureq::Agent;

/// How long a node may take to tell.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counters of all nodes, added up; by name and labels, as the text of Prometheus has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters(BTreeMap<String, f64>);

impl Counters {
    /// Asks the nodes whose metrics are at these addresses. One that does not answer is left out.
    pub fn ask(addresses: &[SocketAddr]) -> Self {
        let agent: Agent =
            Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None).build().into();
        let mut all = Counters::default();
        for address in addresses {
            let answer = agent.get(format!("http://{address}/metrics")).call();
            if let Ok(text) = answer.and_then(|mut answer| answer.body_mut().read_to_string()) {
                all.add(&text);
            }
        }
        all
    }

    /// Adds what a node told.
    fn add(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            *self.0.entry(name.to_owned()).or_default() += value;
        }
    }

    /// What was counted since; none if a counter of slots went back: a node was restarted, or did not answer.
    pub fn since(&self, before: &Counters) -> Option<Counters> {
        let more = |(name, now): (&String, &f64)| {
            let then = before.0.get(name).copied().unwrap_or(0.0);
            (name.clone(), now - then)
        };
        let since = Counters(self.0.iter().map(more).collect());
        let is_back = since.named("hpaxos_slot_decided_total").any(|(_, more)| more < 0.0);
        (!since.0.is_empty() && !is_back).then_some(since)
    }

    /// The counters of a name, and their labels.
    fn named(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().filter_map(move |(key, value)| {
            let labels = key.strip_prefix(name)?;
            (labels.is_empty() || labels.starts_with('{')).then_some((labels, *value))
        })
    }

    /// The sum of the counters of a name that have this label, as in `direction="out"`; of all of them if it is empty.
    pub fn sum(&self, name: &str, label: &str) -> f64 {
        self.named(name).filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value).sum()
    }

    /// A percentile of a histogram, whatever its other labels. As Prometheus does it: evenly spread within a bucket.
    pub fn percentile(&self, histogram: &str, share: f64) -> Option<f64> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        let name = format!("{histogram}_bucket");
        for (labels, count) in self.named(&name) {
            let (_, bound) = labels.split_once("le=\"")?;
            let bound = match bound.split_once('"')?.0 {
                "+Inf" => f64::INFINITY,
                number => number.parse().ok()?,
            };
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => buckets.push((bound, count)),
            }
        }
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let all = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        let (rank, mut below, mut least) = (share * all, 0.0, 0.0);
        for (bound, count) in buckets {
            if count >= rank {
                // Beyond the last bound nothing is known.
                let most = if bound.is_finite() { bound } else { least };
                return Some(least + (most - least) * (rank - below) / (count - below));
            }
            (least, below) = (bound, count);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP a What it is.
a{x=\"1\",way=\"in\"} 2
a{x=\"1\",way=\"out\"} 3
ab 100
hpaxos_slot_decided_total{log=\"l\"} 7
t_bucket{log=\"l\",le=\"1\"} 10
t_bucket{log=\"l\",le=\"2\"} 20
t_bucket{log=\"l\",le=\"+Inf\"} 20
";

    fn counters(times: usize) -> Counters {
        let mut counters = Counters::default();
        (0..times).for_each(|_| counters.add(TEXT));
        counters
    }

    #[test]
    fn nodes_and_labels_are_added_up() {
        let two = counters(2);
        assert_eq!(two.sum("a", ""), 10.0);
        assert_eq!(two.sum("a", "way=\"out\""), 6.0);
        assert_eq!(two.percentile("t", 0.5), Some(1.0));
        assert_eq!(two.percentile("t", 0.75), Some(1.5));
        assert_eq!(two.percentile("nothing", 0.5), None);
    }

    #[test]
    fn who_was_restarted_is_not_counted() {
        assert_eq!(counters(3).since(&counters(1)), Some(counters(2)));
        assert_eq!(counters(1).since(&counters(2)), None);
        assert_eq!(counters(0).since(&counters(0)), None);
    }
}
