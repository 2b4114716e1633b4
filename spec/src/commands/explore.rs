//! `hpaxos-spec explore`.

use super::check::World;
use super::line;
use anyhow::{Context, Result, bail};
use clap::Args;
use hpaxos_spec::model::page::HeterogeneousPaxos;
use stateright::Model;
use std::net::{SocketAddr, TcpListener};
use std::process::exit;

pub const EXAMPLES: &str = "\
Examples:
  hpaxos-spec explore
  hpaxos-spec explore --byzantine 1 --values vw
  hpaxos-spec explore --graph spec/graphs/d4.toml --mode faithful --listen 127.0.0.1:8080

The page lists what may happen next. \"Run to completion\" explores everything; then there are links to where a
property does not hold, and to states that show what should occur. In the reduced mode a Byzantine acceptor
signs right before somebody takes that in: where nobody can, nothing comes next.

Exit code: 0 after Ctrl-C, 2 a port, a file or an argument cannot be used.";

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    world: World,
    /// Where the page is, on this machine only; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
}

impl Arguments {
    /// Shows the page until Ctrl-C.
    pub fn run(&self) -> Result<bool> {
        let page = HeterogeneousPaxos::new(self.world.model()?);
        if !self.listen.ip().is_loopback() {
            bail!("--listen {}: only this machine may look, such as 127.0.0.1:3000", self.listen);
        }
        // The explorer panics over a port that it cannot have.
        let listener = TcpListener::bind(self.listen).with_context(|| {
            format!("cannot listen on {}; --listen takes another address", self.listen)
        })?;
        let address = listener.local_addr()?;
        drop(listener);
        ctrlc::set_handler(|| exit(0)).context("Ctrl-C cannot be waited for")?;
        line(format_args!("http://{address} until Ctrl-C"));
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        page.checker().threads(cores).serve(address);
        Ok(true)
    }
}
