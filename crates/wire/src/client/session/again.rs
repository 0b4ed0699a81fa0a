//! Connections that break and are made again, and what becomes of the cell that was sent on one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Inner, News, OpenError, Verdict};
use crate::{
    client::{CallError, ConnectError, Lost, lock},
    message::{Attach, Code, List, Resize, Tail},
    reply::Sessions,
};

/// For how long a lost connection is tried again: as long as servers keep a session that nobody is attached to.
const AWAY_MAX: Duration = Duration::from_secs(60);
/// Between two tries, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

impl Inner {
    pub(super) fn lost(self: &Arc<Self>, why: Lost) {
        {
            let mut state = lock(&self.state);
            if state.left || !std::mem::take(&mut state.settled) {
                return; // whoever makes this connection is told by its calls
            }
            state.client = None;
        }
        if matches!(why, Lost::Garbage(_)) {
            return self.gone(why.to_string());
        }
        (self.tell)(News::Away(why));
        let until = Instant::now() + AWAY_MAX;
        let mut pause = PAUSE.0;
        loop {
            match self.come_back() {
                Ok(()) => return,
                Err(Trial::Over(why)) => return self.gone(why),
                Err(Trial::Again(why)) if Instant::now() + pause >= until => return self.gone(why),
                Err(Trial::Again(_)) => {}
            }
            let state = lock(&self.state);
            let (state, _) = self
                .leaving
                .wait_timeout_while(state, pause, |state| !state.left)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if state.left {
                return;
            }
            pause = PAUSE.1.min(2 * pause);
        }
    }

    fn gone(&self, why: String) {
        let (client, cell) = {
            let mut state = lock(&self.state);
            state.left = true;
            (state.client.take(), state.cell.take())
        };
        drop((client, cell));
        (self.tell)(News::Gone(why));
    }

    fn come_back(self: &Arc<Self>) -> Result<(), Trial> {
        let client = self.connect()?;
        let (session, after) = {
            let mut state = lock(&self.state);
            state.client = Some(client.clone());
            (state.name.clone(), Some(state.seq))
        };
        self.enter(&client, &Attach { session, after }).map_err(OpenError::Call)?;
        self.send_settings(true);
        self.look_for_orphan();
        Ok(())
    }

    /// What the server is to know of this client; all of it on a new connection.
    pub(super) fn send_settings(&self, all: bool) {
        let (client, session, columns, tail) = {
            let state = lock(&self.state);
            (state.client.clone(), state.name.clone(), state.columns, state.tail)
        };
        let Some(client) = client else { return };
        // Without an answer the connection is lost, and a new one is told.
        if let Some(columns) = columns {
            drop(client.send(&Resize { session, columns }, drop));
        }
        if all && tail {
            drop(client.send(&Tail { on: true }, drop));
        }
    }

    /// The connection that a cell was sent on broke, and there is another: is the cell still to come to its end?
    pub(super) fn look_for_orphan(self: &Arc<Self>) {
        let client = {
            let state = lock(&self.state);
            if !state.cell.as_ref().is_some_and(|pending| pending.orphan) {
                return;
            }
            state.client.clone()
        };
        let inner = Arc::clone(self);
        let found = move |list: Result<Sessions, CallError>| {
            let Ok(Sessions { sessions }) = list else { return }; // the connection is lost again, and looked after
            let pending = {
                let mut state = lock(&inner.state);
                let running =
                    sessions.iter().find(|session| session.name == state.name).and_then(|found| found.running);
                let orphan = state.cell.as_ref().filter(|pending| pending.orphan);
                let waits = orphan
                    .is_some_and(|pending| running.is_some_and(|cell| Some(cell) <= pending.number.or(Some(cell))));
                if waits { None } else { state.cell.take_if(|pending| pending.orphan) }
            };
            if let Some(pending) = pending {
                (pending.then)(Verdict::Unseen);
            }
        };
        if let Some(client) = client {
            // One that cannot be asked is lost.
            drop(client.send(&List {}, found));
        }
    }
}

/// A try to come back that failed.
enum Trial {
    Again(String),
    Over(String),
}

impl From<OpenError> for Trial {
    fn from(error: OpenError) -> Self {
        let why = error.to_string();
        match error {
            OpenError::Connect(ConnectError::Nobody { .. }) => Trial::Over("the program has ended".into()),
            OpenError::Connect(ConnectError::Key { .. } | ConnectError::Certificate { .. }) => Trial::Over(why),
            OpenError::Call(CallError::Refused(failure)) if failure.code == Code::Unknown => {
                Trial::Over("the session has ended".into())
            }
            OpenError::Call(CallError::Refused(failure)) if failure.code != Code::Limit => Trial::Over(why),
            _ => Trial::Again(why),
        }
    }
}
