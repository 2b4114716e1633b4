//! `hpaxos config`.

use crate::Outcome;
use crate::show::{Columns, GOOD, TITLE, json, line, styled};
use clap::Args;
use hpaxos_node::config::Config;
use hpaxos_node::home::{Home, Network};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:\n  hpaxos config --home /var/lib/hpaxos\n  \
    HPAXOS_LOG__LEVEL=debug hpaxos config --home /var/lib/hpaxos --json\n  hpaxos config --defaults\n\n\
    Exit code: 0 the node can run with it, 2 it cannot.";

#[derive(Args)]
pub struct Arguments {
    /// The node's home: the folder that `hpaxos init` made.
    #[arg(long, value_name = "DIR", required_unless_present = "defaults")]
    home: Option<PathBuf>,
    /// Print a documented file with all keys and their defaults instead.
    #[arg(long, conflicts_with = "home")]
    defaults: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(self) -> anyhow::Result<Outcome> {
        match &self.home {
            Some(home) => self.check(home)?,
            None if self.json => json(&Config::new(EXAMPLE_NAME))?,
            None => line(Config::text(EXAMPLE_NAME).trim_end()),
        }
        Ok(Outcome::Yes)
    }

    fn check(&self, path: &Path) -> anyhow::Result<()> {
        let home = Home::open(path)?;
        let config = home.config()?;
        let key = home.key()?;
        let Network { graph, id, .. } = home.network(&config)?;
        let role = match home.me(&config, &graph, key.public_key())? {
            Some(_) => "validator",
            None => "follower",
        };
        home.waived(&config, &graph)?;
        if self.json {
            return json(&json!({
                "network": id,
                "role": role,
                "public-key": key.public_key(),
                "encrypted": key.is_encrypted(),
                "config": config,
            }));
        }
        line(format_args!("{} is a {role} of network {id}.", styled(TITLE, &config.name)));
        let mut columns = Columns::new(&["", ""]);
        rows(&serde_json::to_value(&config)?, "", &mut columns);
        columns.print();
        line(styled(GOOD, "The node can run with it."));
        Ok(())
    }
}

const EXAMPLE_NAME: &str = "alice";

/// A row for each setting, under its full name.
fn rows(value: &Value, path: &str, columns: &mut Columns) {
    let Value::Object(table) = value else {
        columns.row([path.to_owned(), value.to_string()]);
        return;
    };
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        rows(value, &path, columns);
    }
}
