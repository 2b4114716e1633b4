//! `hpaxos-spec explore`: a page that a person can read, on a port of its own, until Ctrl-C.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn explore(listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hpaxos-spec"));
    command.args(["explore", "--values", "v", "--byzantine", "1", "--listen", listen]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Ends what it started, whatever comes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The page at a path; it says where it is right before it is there.
fn page(address: &str, path: &str) -> String {
    let until = Instant::now() + Duration::from_secs(20);
    let mut connection = loop {
        match TcpStream::connect(address) {
            Ok(connection) => break connection,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[test]
fn the_page_can_be_read_until_the_end() {
    let mut running = Running(explore("127.0.0.1:0").spawn().unwrap());
    let mut first = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let address = first.strip_prefix("http://").and_then(|rest| rest.split(' ').next()).unwrap();

    assert!(page(address, "/").contains("Explorer"));
    assert!(page(address, "/.states").contains("p proposes v in round 0"));
    let next = page(address, "/.states/0");
    assert!(next.contains("p takes in 1a:0v; says p1 1b 0v fresh for red on 1a:0v"), "{next}");
    assert!(next.contains("<svg "), "{next}");

    let other = explore(address).output().unwrap();
    let complaint = String::from_utf8(other.stderr).unwrap();
    assert_eq!(other.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("cannot listen on") && complaint.lines().count() == 1);

    let pid = running.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[test]
fn only_this_machine_may_look() {
    let output = explore("0.0.0.0:0").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("only this machine"));
}
