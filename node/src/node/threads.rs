//! The threads that a node runs beside the runtime's.

use super::NodeError;
use crate::driver::{Driver, Ears};
use crate::store::{StoreError, given_up};
use std::thread;
use tokio::sync::mpsc;

/// One of them.
pub(super) type Thread = thread::JoinHandle<Result<(), StoreError>>;

/// Starts one; `ending` hears of its end.
pub(super) fn spawn(
    name: &str,
    ending: mpsc::Sender<()>,
    run: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
) -> Thread {
    // However it ends, the sender is dropped or used.
    let run = move || {
        let _ends = Ends(ending);
        run()
    };
    thread::Builder::new()
        .name(name.into())
        .spawn(run)
        .expect("the system gives this process threads")
}

/// Tells that its thread ended, also by a panic.
struct Ends(mpsc::Sender<()>);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.try_send(());
    }
}

/// Waits for its end.
pub(super) async fn join(name: &'static str, thread: Option<Thread>) -> Result<(), NodeError> {
    let Some(thread) = thread else { return Ok(()) };
    let joined = tokio::task::spawn_blocking(move || match thread.join() {
        Ok(result) => result,
        Err(payload) => Err(given_up(payload)),
    });
    match joined.await {
        Ok(result) => Ok(result?),
        Err(_) => Err(NodeError::Panicked(name)),
    }
}

/// Runs the driver on this thread, which does nothing else: it waits for the disk.
pub(super) fn drive(driver: Driver, ears: Ears) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("the system gives this process a clock").block_on(driver.run(ears))
}
