//! One connection of a page. Binary messages are the terminal's bytes, in both directions; text messages are JSON.

use std::{sync::Arc, time::Duration};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use keelback_editor::edit::Size;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;

use super::{
    About, Application, Shared,
    hub::{Counted, json},
    terminal::{Input, Output, Terminal, Window},
};

/// How long a prompt waits for its tab to come back, as after a reload; a choice.
const GRACE: Duration = Duration::from_secs(20);

/// What a page says.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
enum Said {
    /// The first message: which tab it is, the size of its terminal.
    Start { tab: String, columns: u16, rows: u16 },
    /// The terminal has another size.
    Resize { columns: u16, rows: u16 },
    /// Whether somebody can see the page.
    Visible { on: bool },
    /// Cancel a task.
    Cancel { task: u64 },
    /// What became of the text of `edit`.
    Edited { text: Option<String> },
}

/// What a page is told, besides what [`super::hub`] has.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Told<'a> {
    /// The first message; the terminal's bytes that follow are for this size.
    Started {
        #[serde(flatten)]
        about: About,
        columns: u16,
        rows: u16,
    },
    /// A long text to read.
    Page { text: &'a str },
    /// A text to change.
    Edit { text: &'a str },
    /// There is no prompt to be had; nothing follows.
    Refused { message: &'a str },
    /// Something went wrong.
    Failed { message: &'a str },
    /// So many messages were too many for the page.
    Missed { count: u64 },
    /// The prompt is over; tasks and output go on.
    Ended,
    /// The prompt is in another window now; nothing follows.
    Taken,
    /// The program has ended; nothing follows.
    Gone { reason: &'a str },
}

/// The page is gone.
struct Left;

struct Tab<A: Application> {
    shared: Arc<Shared<A>>,
    socket: WebSocket,
    watching: Option<Counted>,
}

/// Serves a page until it goes.
pub(super) async fn serve<A: Application>(shared: Arc<Shared<A>>, socket: WebSocket) {
    let _open = shared.hub.open();
    let mut tab = Tab { shared, socket, watching: None };
    let Some((name, size)) = tab.start().await else { return };
    let opened = {
        let (shared, name) = (Arc::clone(&tab.shared), name.clone());
        let open = move || shared.terminals.open(&shared.hub.application, &name, size);
        tokio::task::spawn_blocking(open).await.unwrap_or_else(|_| Err("the prompt could not be opened".into()))
    };
    let (terminal, window) = match opened {
        Ok(opened) => opened,
        Err(message) => {
            let _ = tab.tell(&Told::Refused { message: &message }).await;
            return;
        }
    };
    // Whatever became of the connection, its window is closed here.
    let _ = tab.go_on(&terminal, window).await;
    let shared = tab.shared;
    tokio::spawn(async move {
        tokio::time::sleep(GRACE).await;
        shared.terminals.close(&name);
    });
}

impl<A: Application> Tab<A> {
    /// The first message.
    async fn start(&mut self) -> Option<(String, Size)> {
        match self.socket.recv().await?.ok()? {
            Message::Text(text) => match serde_json::from_str(&text).ok()? {
                Said::Start { tab, columns, rows } => Some((tab, size(columns, rows))),
                _ => None,
            },
            _ => None,
        }
    }

    async fn go_on(&mut self, terminal: &Terminal, window: Window) -> Result<(), Left> {
        let Window { size, written, mut outputs } = window;
        let about = self.shared.hub.application.about();
        self.tell(&Told::Started { about, columns: size.columns, rows: size.rows }).await?;
        self.send(Message::Binary(written.into())).await?;
        let (known, mut news) = self.shared.hub.subscribe();
        for message in known {
            self.send_text(&message).await?;
        }
        let hub = Arc::clone(&self.shared.hub);
        let gone = hub.gone();
        tokio::pin!(gone);
        let mut has_prompt = true;
        loop {
            tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.said(terminal, message).await?,
                    _ => return Err(Left),
                },
                output = outputs.recv(), if has_prompt => match output.unwrap_or(Output::Taken) {
                    Output::Bytes(bytes) => self.send(Message::Binary(bytes.into())).await?,
                    Output::Page(text) => self.tell(&Told::Page { text: &text }).await?,
                    Output::Edit(text) => self.tell(&Told::Edit { text: &text }).await?,
                    Output::Ended => {
                        has_prompt = false;
                        self.tell(&Told::Ended).await?;
                    }
                    Output::Taken => return self.tell(&Told::Taken).await,
                },
                message = news.recv() => match message {
                    Ok(message) => self.send_text(&message).await?,
                    Err(RecvError::Lagged(count)) => self.tell(&Told::Missed { count }).await?,
                    Err(RecvError::Closed) => return Ok(()),
                },
                reason = &mut gone => return self.tell(&Told::Gone { reason: &reason }).await,
            }
        }
    }

    async fn said(&mut self, terminal: &Terminal, message: Message) -> Result<(), Left> {
        let text = match message {
            Message::Binary(bytes) => {
                terminal.give(Input::Keys(bytes.into()));
                return Ok(());
            }
            Message::Text(text) => text,
            Message::Close(_) => return Err(Left),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        match serde_json::from_str(&text).map_err(|_| Left)? {
            Said::Start { .. } => return Err(Left),
            Said::Resize { columns, rows } => terminal.give(Input::Resized(size(columns, rows))),
            Said::Visible { on } => self.watching = on.then(|| self.shared.hub.watch()),
            Said::Edited { text } => terminal.give(Input::Edited(text)),
            Said::Cancel { task } => {
                let hub = Arc::clone(&self.shared.hub);
                let done = tokio::task::spawn_blocking(move || hub.cancel(task)).await;
                if let Ok(Err(message)) = done {
                    self.tell(&Told::Failed { message: &message }).await?;
                }
            }
        }
        Ok(())
    }

    async fn tell(&mut self, told: &Told<'_>) -> Result<(), Left> {
        let text = json(told).ok_or(Left)?;
        self.send_text(&text).await
    }

    async fn send_text(&mut self, text: &str) -> Result<(), Left> {
        self.send(Message::Text(Utf8Bytes::from(text))).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Left> {
        self.socket.send(message).await.map_err(|_| Left)
    }
}

/// A size that a prompt can be shown in.
fn size(columns: u16, rows: u16) -> Size {
    Size { columns: columns.clamp(2, 1000), rows: rows.clamp(2, 1000) }
}
