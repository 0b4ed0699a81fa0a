//! A session while its prompt waits for a person: tasks that cells have left behind go on.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use keelback_session::Value;

use super::Session;
use crate::{
    Error, Report, marshal,
    watch::{RunningCell, Watch},
};

/// Ends one call of [`Session::idle`], from any thread. Cheap to clone.
#[derive(Clone)]
pub struct IdleHandle {
    cell: Arc<RunningCell>,
    watch: Watch,
    ended: Arc<AtomicBool>,
}

impl IdleHandle {
    /// Has `idle` return soon, or at once if it has not been called yet. The task that runs now is not cut short: it may
    /// go on until it awaits something. True when the session was idling.
    pub fn stop(&self) -> bool {
        let under_way = self.cell.end_idle(&self.ended);
        if under_way {
            self.watch.look_at(&self.cell, Instant::now() + Duration::from_millis(1));
        }
        under_way
    }

    /// The cell that has begun is this idling. False when it has been stopped already.
    pub(super) fn begin(&self) -> bool {
        self.cell.idle(&self.ended)
    }
}

impl Session {
    /// A handle for one call of [`Session::idle`].
    #[must_use]
    pub fn idle_handle(&self) -> IdleHandle {
        let (cell, watch) = (Arc::clone(&self.cell), self.engine.0.watch.clone());
        IdleHandle { cell, watch, ended: Arc::default() }
    }

    /// Runs the tasks that cells have left in the session's event loop. It returns when `handle` says so, or when no task
    /// can go on any more: at once, if there is none. In between it sleeps unless a task has something to do.
    ///
    /// What tasks write comes as events. The limits of a cell count, but for wall time. The outcome is `Done`, or what
    /// ended the event loop: an interrupt of this session, or SystemExit in a task.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn idle(&mut self, handle: &IdleHandle) -> Result<Report, Error> {
        pollster::block_on(self.idle_async(handle))
    }

    /// As [`Session::idle`], for any async runtime.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn idle_async(&mut self, handle: &IdleHandle) -> Result<Report, Error> {
        if self.guest.is_none() {
            // Stopped: no task has outlived that.
            return Ok(Report::empty());
        }
        self.perform(marshal::tuple([Value::from("idle")]), None, Some(handle)).await
    }
}
