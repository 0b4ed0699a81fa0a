//! A served program, over the wire: one connection for what all pages see, and a session for each prompt.

use std::{
    fmt::Display,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use keelback_editor::edit::Size;
use keelback_prompt::{front::Run, images::Protocol, setup::Setup};
use keelback_wire::{
    client::{Address, CallError, Client, ConnectError, How, Incoming, OpenError},
    message::{Cancel, Tail, Tasks},
    reply::{TaskList, Welcome},
};

use super::{About, Application, Cells, Opened, Seen, Sink, Wake};
use crate::attach::remote::{self, Remote, Teller};

/// What this client calls itself.
const NAME: &str = "keelback attach --web";
/// How long an answer is waited for: over the server's own deadline, whose message says more.
const DEADLINE: Duration = Duration::from_secs(5);
/// For how long a lost connection is tried again, as sessions do it.
const AWAY_MAX: Duration = Duration::from_secs(60);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// See the module.
pub(crate) struct Program {
    address: Address,
    /// The session of each prompt.
    how: How,
    connection: Arc<Connection>,
    /// What comes on the connection, for [`Application::watch`].
    incoming: Mutex<Option<Receiver<Incoming>>>,
}

struct Connection {
    address: Address,
    welcome: Welcome,
    client: Mutex<Client>,
    tell: Sender<Incoming>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Program {
    /// Connects to the server at `address`; prompts will be in the session that `how` says.
    ///
    /// # Errors
    /// There is no server, or it refuses.
    pub(crate) fn connect(address: Address, how: How) -> Result<Program, OpenError> {
        let (tell, incoming) = channel();
        let (client, welcome) = start(&address, &tell)?;
        let connection = Connection { address: address.clone(), welcome, client: Mutex::new(client), tell };
        Ok(Program { address, how, connection: Arc::new(connection), incoming: Mutex::new(Some(incoming)) })
    }
}

fn start(address: &Address, tell: &Sender<Incoming>) -> Result<(Client, Welcome), OpenError> {
    let tell = tell.clone();
    // Nobody listens any more when the page is over.
    let (client, welcome) = Client::start(address.connect()?, NAME, move |incoming| drop(tell.send(incoming)))?;
    Ok((client, welcome))
}

impl Application for Program {
    type Backend = Remote;

    fn about(&self) -> About {
        let Welcome { program, pid, python, read_only, .. } = self.connection.welcome.clone();
        About { program, pid, python, read_only }
    }

    fn open(&self, size: Size, wake: Wake) -> Result<Opened<Remote>, String> {
        let mut setup = Setup::of_size(size, None);
        setup.options.images = Protocol::None;
        // The default theme has the sixteen colours alone, and the page one palette for light and one for dark: what stands
        // in the terminal follows the browser, which no choice of ours by the background could.
        setup.options.theme_is_default = false;
        let (tell, told) = channel();
        let teller = Teller::new(tell, move || wake.wake());
        let front = remote::open(self.address.clone(), &self.how, setup.history, setup.options, teller);
        let mut front = front.map_err(message)?;
        for note in &setup.notes {
            front.tell_note(note);
        }
        Ok(Opened { front, told })
    }

    fn tasks(&self) -> Result<TaskList, String> {
        self.connection.client().call(&Tasks {}, DEADLINE).map_err(message)
    }

    fn cancel(&self, task: u64) -> Result<(), String> {
        self.connection.client().call(&Cancel { task }, DEADLINE).map(drop).map_err(message)
    }

    fn watch(&self, mut sink: Sink) -> Result<(), String> {
        let incoming = lock(&self.incoming).take().ok_or("the program is watched already")?;
        let connection = Arc::clone(&self.connection);
        connection.tail().map_err(message)?;
        let watch = move || {
            for incoming in incoming {
                match incoming {
                    Incoming::Event(event) if event.session.is_none() => sink(Seen::Event(event.body)),
                    Incoming::Event(_) => {}
                    Incoming::Lost(_) => {
                        if let Err(reason) = connection.restore() {
                            return sink(Seen::Gone(reason));
                        }
                    }
                }
            }
        };
        thread::Builder::new().name("watch".into()).spawn(watch).map(drop).map_err(message)
    }
}

/// Errors as a page shows them.
fn message(error: impl Display) -> String {
    error.to_string()
}

impl Connection {
    fn client(&self) -> Client {
        lock(&self.client).clone()
    }

    fn tail(&self) -> Result<(), CallError> {
        self.client().call(&Tail { on: true }, DEADLINE).map(drop)
    }

    /// Connects again.
    ///
    /// # Errors
    /// Why it is given up.
    fn restore(&self) -> Result<(), String> {
        let until = Instant::now() + AWAY_MAX;
        loop {
            match start(&self.address, &self.tell) {
                Ok((_, welcome)) if welcome.pid != self.welcome.pid => {
                    return Err(format!("another program serves there now, pid {}", welcome.pid));
                }
                Ok((client, _)) => {
                    *lock(&self.client) = client;
                    return self.tail().map_err(message);
                }
                // A program that ends takes its socket along.
                Err(OpenError::Connect(ConnectError::Nobody { .. })) => return Err("the program has ended".into()),
                Err(error) if Instant::now() > until => return Err(message(error)),
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }
}

impl Cells for Remote {
    fn run(&mut self, run: Run) {
        Remote::run(self, run);
    }

    fn leave(&mut self) -> Option<String> {
        Remote::leave(self)
    }
}
