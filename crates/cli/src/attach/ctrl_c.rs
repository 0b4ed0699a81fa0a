//! What Ctrl-C does while there is no prompt, which takes it as a key.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use anyhow::Result;

type Handler = Box<dyn FnMut() + Send>;

static HANDLER: Mutex<Option<Handler>> = Mutex::new(None);

fn handler() -> MutexGuard<'static, Option<Handler>> {
    HANDLER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The exit status of a process that Ctrl-C ended, as shells tell of SIGINT.
pub(super) const EXIT: u8 = 130;

/// Until what is returned is dropped, Ctrl-C calls `act`; after that it ends the process again.
pub(super) fn during(act: impl FnMut() + Send + 'static) -> Result<During> {
    static SET: Once = Once::new();
    let mut set = Ok(());
    // A process has one handler for good.
    SET.call_once(|| {
        set = ctrlc::set_handler(|| match &mut *handler() {
            Some(act) => act(),
            None => std::process::exit(EXIT.into()),
        });
    });
    set?;
    *handler() = Some(Box::new(act));
    Ok(During(()))
}

/// While it lives, Ctrl-C does what was asked for.
pub(super) struct During(());

impl Drop for During {
    fn drop(&mut self) {
        *handler() = None;
    }
}
