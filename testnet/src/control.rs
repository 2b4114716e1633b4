//! What a running network is told, over the socket in its folder: one line each.

use std::fmt;
use std::str::FromStr;

/// What a running network is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Answer once everybody is ready, and the story is told.
    Ready,
    /// Kill a node, as a power cut does.
    Kill(String),
    /// Stop a node in its tracks.
    Pause(String),
    /// Let a paused node go on; restart any other.
    Restart(String),
    /// Let nobody of one group reach anybody of another; no groups end that.
    Partition(Vec<Vec<String>>),
    /// Make a node a traitor that behaves so.
    Byzantine(String, String),
    /// End everything.
    Down,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Ready => f.write_str("ready"),
            Request::Kill(node) => write!(f, "kill {node}"),
            Request::Pause(node) => write!(f, "pause {node}"),
            Request::Restart(node) => write!(f, "restart {node}"),
            Request::Partition(groups) => {
                let groups: Vec<String> = groups.iter().map(|group| group.join(",")).collect();
                write!(f, "partition {}", groups.join("|"))
            }
            Request::Byzantine(node, behaviour) => write!(f, "byzantine {node} {behaviour}"),
            Request::Down => f.write_str("down"),
        }
    }
}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["ready"] => Request::Ready,
            ["kill", node] => Request::Kill(node.into()),
            ["pause", node] => Request::Pause(node.into()),
            ["restart", node] => Request::Restart(node.into()),
            ["partition"] => Request::Partition(Vec::new()),
            ["partition", groups] => Request::Partition(groups_of(groups)?),
            ["byzantine", node, behaviour] => Request::Byzantine(node.into(), behaviour.into()),
            ["down"] => Request::Down,
            _ => return Err(format!("unknown command `{}`", line.escape_debug())),
        })
    }
}

/// Groups as people write them: `v1,v2 | v3,v4`.
///
/// # Errors
/// If one is empty, or there is only one.
pub fn groups_of(text: &str) -> Result<Vec<Vec<String>>, String> {
    let group = |text: &str| -> Vec<String> {
        let names = text.split([',', ' ']).filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let groups: Vec<Vec<String>> = text.split('|').map(group).collect();
    if groups.len() < 2 || groups.iter().any(Vec::is_empty) {
        return Err(format!(
            "`{}` should be two or more groups of nodes, as in \"v1,v2 | v3,v4\"",
            text.escape_debug()
        ));
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_and_back() {
        let groups = groups_of("v1,v2 | v3 , v4|v5").unwrap();
        assert_eq!(groups, [vec!["v1", "v2"], vec!["v3", "v4"], vec!["v5"]]);
        for request in [
            Request::Ready,
            Request::Kill("v1".into()),
            Request::Partition(groups),
            Request::Partition(Vec::new()),
            Request::Byzantine("v5".into(), "equivocate".into()),
            Request::Down,
        ] {
            assert_eq!(request.to_string().parse(), Ok(request));
        }
        assert!("kill".parse::<Request>().is_err());
        assert!(groups_of("v1,v2").is_err() && groups_of("v1 |").is_err());
    }
}
