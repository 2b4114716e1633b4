//! Switches of a running node, over a Unix socket in its home.
//!
//! One line in, one line out: `log-level FILTER` or `parked-bytes-max BYTES` is answered by `ok`, `ok SOMETHING` or `error WHY`.
//! Only the node's own user can connect. What is switched here can be switched nowhere else, least of all over HTTP.

use std::fmt;
use std::fs::{self, Permissions};
use std::future::Future;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// A line is no longer, in either direction.
const LINE_BYTES_MAX: u64 = 4096;

/// Who connects has so long for a line, since the next one waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks has so long for the answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// Why a running node cannot be asked.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no hpaxos runs with this home: nobody listens at {}", .0.display())]
    NotRunning(PathBuf),
    /// It cannot be reached.
    #[error("cannot talk to the node at {}: {error}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// What a running node is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Log what this filter says from now on.
    LogLevel(String),
    /// Keep so many bytes of parked slots in each log from now on.
    ParkedBytesMax(u64),
}

impl FromStr for Request {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.trim()) {
            ("log-level", "") => Err("log-level needs a filter, as in log-level info".into()),
            ("log-level", filter) => Ok(Request::LogLevel(filter.to_owned())),
            ("parked-bytes-max", bytes) => match bytes.parse() {
                Ok(bytes) => Ok(Request::ParkedBytesMax(bytes)),
                Err(_) => {
                    Err("parked-bytes-max needs a number, as in parked-bytes-max 1073741824".into())
                }
            },
            _ => Err(format!(
                "unknown command `{}`; it should be log-level or parked-bytes-max",
                word.escape_debug()
            )),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::LogLevel(filter) => write!(f, "log-level {filter}"),
            Request::ParkedBytesMax(bytes) => write!(f, "parked-bytes-max {bytes}"),
        }
    }
}

/// Listens at `path`, where a socket that a dead process left behind is removed: the caller holds the home's lock.
///
/// # Errors
/// If it is not possible to listen there.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(path)?,
        _ => {}
    }
    // The home lets nobody else in, so that it does not matter what the socket's mode is until it is set.
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers requests, one at a time, until the listener fails. What `handle` says, yes or no, is what the client sees.
///
/// # Errors
/// If no connection can be accepted any more.
pub async fn serve<Asked, Answer>(
    listener: UnixListener,
    mut handle: impl FnMut(Asked) -> Answer,
) -> io::Result<()>
where
    Asked: FromStr<Err = String>,
    Answer: Future<Output = Result<String, String>>,
{
    loop {
        let (mut stream, _) = listener.accept().await?;
        let request = match tokio::time::timeout(PATIENCE, read_line(&mut stream)).await {
            Ok(Ok(line)) => line.parse(),
            // A client that says nothing or goes away gets no answer.
            Ok(Err(_)) | Err(_) => continue,
        };
        let answer = match request {
            Ok(request) => handle(request).await,
            Err(why) => Err(why),
        };
        let line = answer_line(&answer);
        let _ = tokio::time::timeout(PATIENCE, stream.write_all(line.as_bytes())).await;
    }
}

async fn read_line(stream: &mut UnixStream) -> io::Result<String> {
    let mut line = String::new();
    tokio::io::BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.to_owned()),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn answer_line(answer: &Result<String, String>) -> String {
    let (word, text) = match answer {
        Ok(text) => ("ok", text),
        Err(text) => ("error", text),
    };
    format!("{word} {}", text.replace(['\n', '\r'], " ")).trim_end().to_owned() + "\n"
}

/// Asks the node that listens at `path`, and waits for its answer.
///
/// # Errors
/// If none runs, it does not answer, or it says no.
pub fn ask(path: &Path, request: &impl fmt::Display) -> Result<String, ControlError> {
    let broken = |error| ControlError::Io { path: path.to_owned(), error };
    let mut stream = net::UnixStream::connect(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            ControlError::NotRunning(path.to_owned())
        }
        _ => broken(error),
    })?;
    // It may be answering somebody else before, and what is asked for may take a while.
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).map_err(broken)?;
    stream.write_all(format!("{request}\n").as_bytes()).map_err(broken)?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut line).map_err(broken)?;
    let line = line.trim_end();
    match line.split_once(' ').unwrap_or((line, "")) {
        ("ok", text) => Ok(text.to_owned()),
        ("error", text) => Err(ControlError::Refused(text.to_owned())),
        _ => Err(broken(io::Error::new(ErrorKind::InvalidData, "it gave no answer"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(request: Request) -> Result<String, String> {
        match request {
            Request::LogLevel(filter) if filter == "info,a=debug" => Ok(String::new()),
            Request::LogLevel(filter) => Err(format!("`{filter}`\nis no filter")),
            Request::ParkedBytesMax(bytes) => Ok(bytes.to_string()),
        }
    }

    async fn ask_raw(path: &Path, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn one_line_in_and_one_line_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        // The second node after a crash finds the socket of the first.
        drop(listen(&path).unwrap());
        let listener = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let server = tokio::spawn(serve(listener, answer));

        assert_eq!(ask_raw(&path, b"log-level info,a=debug\n").await, "ok\n");
        assert_eq!(ask_raw(&path, b"log-level x\n").await, "error `x` is no filter\n");
        let needs = "error log-level needs a filter, as in log-level info\n";
        assert_eq!(ask_raw(&path, b"log-level\n").await, needs);
        assert_eq!(ask_raw(&path, b"parked-bytes-max 7\n").await, "ok 7\n");
        let needs = "error parked-bytes-max needs a number, as in parked-bytes-max 1073741824\n";
        assert_eq!(ask_raw(&path, b"parked-bytes-max -1\n").await, needs);
        let unknown = "error unknown command `stop`; it should be log-level or parked-bytes-max\n";
        assert_eq!(ask_raw(&path, b"stop\n").await, unknown);
        assert_eq!(ask_raw(&path, b"log-level info").await, "", "a line ends");
        assert_eq!(ask_raw(&path, &[b'x'; 4096]).await, "", "and has a length");

        let ask = move || {
            let right = ask(&path, &Request::LogLevel("info,a=debug".into()));
            let wrong = ask(&path, &Request::LogLevel("x".into()));
            (right, wrong)
        };
        let (right, wrong) = tokio::task::spawn_blocking(ask).await.unwrap();
        assert_eq!(right.unwrap(), "");
        assert_eq!(wrong.unwrap_err().to_string(), "`x` is no filter");
        server.abort();
    }

    #[test]
    fn a_node_that_does_not_run_is_said_not_to() {
        let path = Path::new("/nonexistent/control.sock");
        let error = ask(path, &Request::LogLevel("info".into())).unwrap_err();
        assert!(matches!(error, ControlError::NotRunning(_)));
    }
}
