//! What a server is told when it starts.

use std::{path::PathBuf, time::Duration};

/// What a server says of itself and what it allows.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name of the served program.
    pub program: String,
    /// The version of its Python.
    pub python: String,
    /// What is shown before the first prompt, without the end of its last line.
    pub banner: String,
    /// `str(sys.ps1)` and `str(sys.ps2)` of a session that has run no cell yet.
    pub prompts: (String, String),
    /// Whether there is an event loop: top-level await works.
    pub has_loop: bool,
    /// Nothing is evaluated: clients may look and complete.
    pub read_only: bool,
    /// A file that gets a line of JSON for the begin and the end of each cell.
    pub transcript: Option<PathBuf>,
    /// Its limits.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            program: String::new(),
            python: String::new(),
            banner: String::new(),
            prompts: (">>> ".into(), "... ".into()),
            has_loop: false,
            read_only: false,
            transcript: None,
            limits: Limits::default(),
        }
    }
}

/// The limits of a server. All defaults are choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Sessions at once.
    pub sessions: usize,
    /// Cells of one session that wait for the one that runs.
    pub cells: usize,
    /// Requests of one connection that wait for the application; it is not read while there are more.
    pub asks: usize,
    /// Bytes of events that are kept of one session while nobody was told them, and that wait for the server.
    pub ring_bytes: usize,
    /// Bytes of events that are kept of one session once some client was told them.
    pub told_bytes: usize,
    /// Bytes that wait to be sent to one connection, about.
    pub buffer_bytes: usize,
    /// The most bytes of one shown value, where the client does not say.
    pub quota: usize,
    /// How long a session outlives its last connection; None is for as long as the server.
    pub grace: Option<Duration>,
    /// How long a client may take until its `hello`.
    pub handshake: Duration,
    /// How long the application may take for an answer.
    pub answer: Duration,
    /// How long a wrong token waits for its answer.
    pub refusal: Duration,
    /// How long a connection is silent until it is taken for a person's, in plain mode.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 128,
            sessions: 64,
            cells: 64,
            asks: 64,
            ring_bytes: 16 << 20,
            told_bytes: 4 << 20,
            buffer_bytes: 256 << 10,
            quota: 64 << 10,
            grace: Some(Duration::from_secs(60)),
            handshake: Duration::from_secs(5),
            answer: Duration::from_secs(2),
            refusal: Duration::from_millis(300),
            silence: Duration::from_millis(100),
        }
    }
}
