//! A server that runs, a page that is written by hand, and a program that is not there.

use std::{
    io::{Read, Write},
    net::TcpStream,
    num::NonZero,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use keelback_editor::{
    completeness::Completeness,
    edit::{Completions, Keymap, Signature, Size},
    theme::Theme,
};
use keelback_prompt::{
    backend::{Ended, Told},
    front::{self, Front, Run},
    history::History,
    images::Protocol,
    record::Kept,
};
use keelback_wire::{
    event::{Body, Out, Stream},
    reply::{TaskInfo, TaskList},
};
use serde_json::{Value as Json, json};
use tokio::{net::TcpListener, sync::oneshot};
use tungstenite::{Message, WebSocket};

use super::super::{About, Application, Cells, Opened, Seen, Sink, Wake, server};

/// Nothing takes so long.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// A session that answers a cell with its source.
pub(super) struct Echo {
    tell: Sender<Told>,
    wake: Wake,
    left: Sender<()>,
}

impl keelback_prompt::backend::Backend for Echo {
    fn completeness(&mut self, _: &str) -> Option<Completeness> {
        Some(Completeness::Complete)
    }
    fn complete(&mut self, _: &str, _: usize) -> Completions {
        Completions::default()
    }
    fn signature(&mut self, _: &str, _: usize) -> Option<Signature> {
        None
    }
    fn describe(&mut self, _: &str) -> Option<String> {
        None
    }
    fn defined(&mut self, _: &str) -> bool {
        false
    }
    fn command(&mut self, _: &str, _: &str) -> Result<String, String> {
        Err("there are no commands".into())
    }
    fn commands(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        &[]
    }
    fn interrupt(&mut self) {}
    fn reply(&mut self, _: Option<String>) {}
}

impl Cells for Echo {
    fn run(&mut self, run: Run) {
        let ended = Ended { exit: (run.source == "exit").then_some(0), ..Ended::default() };
        for told in [Told::Output(format!("ran [{}]\n", run.source).into_bytes()), Told::Ended(ended)] {
            self.tell.send(told).expect("a prompt");
        }
        self.wake.wake();
    }

    fn leave(&mut self) -> Option<String> {
        let _ = self.left.send(());
        Some("left".into())
    }
}

#[derive(Clone)]
pub(super) struct Fake(Arc<State>);

struct State {
    sink: Mutex<Option<Sink>>,
    tasks: Mutex<Vec<TaskInfo>>,
    left: Sender<()>,
}

impl Fake {
    pub(super) fn see(&self, seen: Seen) {
        (self.0.sink.lock().expect("a sink").as_mut().expect("it is watched"))(seen);
    }

    pub(super) fn print(&self, text: &str) {
        self.see(Seen::Event(Body::Out(Out { stream: Stream::Err, text: text.into(), dropped: 0 })));
    }
}

impl Application for Fake {
    type Backend = Echo;

    fn about(&self) -> About {
        About { program: "shop".into(), pid: 7, python: "3.13.0".into(), read_only: false }
    }

    fn open(&self, size: Size, wake: Wake) -> Result<Opened<Echo>, String> {
        let (tell, told) = channel();
        let backend = Echo { tell, wake, left: self.0.left.clone() };
        let options = front::Options {
            theme: Theme::none(),
            keymap: Keymap::emacs(),
            size,
            theme_is_default: false,
            images: Protocol::None,
            lends_terminal: false,
        };
        let mut front = Front::new(backend, Kept::from(History::in_memory()), options);
        front.begin((">>> ".into(), "... ".into()));
        Ok(Opened { front, told })
    }

    fn tasks(&self) -> Result<TaskList, String> {
        Ok(TaskList { tasks: self.0.tasks.lock().expect("tasks").clone(), more: false })
    }

    fn cancel(&self, task: u64) -> Result<(), String> {
        let mut tasks = self.0.tasks.lock().expect("tasks");
        let at = tasks.iter().position(|known| known.id == task).ok_or_else(|| format!("there is no task {task}"))?;
        tasks.remove(at);
        Ok(())
    }

    fn watch(&self, sink: Sink) -> Result<(), String> {
        *self.0.sink.lock().expect("a sink") = Some(sink);
        Ok(())
    }
}

/// A server that runs until dropped.
pub(super) struct Served {
    pub(super) fake: Fake,
    pub(super) port: u16,
    pub(super) url: String,
    /// A message for every session that was left.
    pub(super) left: Receiver<()>,
    stop: Option<oneshot::Sender<()>>,
    /// Gives the exit status.
    pub(super) thread: Option<JoinHandle<u8>>,
}

impl Served {
    pub(super) fn start() -> Served {
        let (sender, left) = channel();
        let task = TaskInfo { id: 3, name: "Task-3".into(), coroutine: "work".into(), ..TaskInfo::default() };
        let state = State { sink: Mutex::default(), tasks: Mutex::new(vec![task]), left: sender };
        let fake = Fake(Arc::new(state));
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = channel();
        let application = fake.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let port = listener.local_addr().expect("an address").port();
                let (shared, url) = server::prepare(application, &listener).expect("a guard");
                tell.send((port, url)).expect("a test");
                let stop = async { drop(stopped.await) };
                server::serve(listener, shared, stop).await.expect("a server")
            })
        });
        let (port, url) = told.recv_timeout(LONG).expect("it starts");
        Served { fake, port, url, left, stop: Some(stop), thread: Some(thread) }
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("a server");
        stream.set_read_timeout(Some(LONG)).expect("a time");
        stream
    }

    /// The whole response to a GET with these headers.
    pub(super) fn get(&self, target: &str, headers: &str) -> String {
        let mut stream = self.connect();
        write!(stream, "GET {target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n").expect("a server");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("UTF-8");
        response
    }

    pub(super) fn host(&self) -> String {
        format!("Host: {}\r\n", self.address())
    }

    /// Spends the token; the folder with slashes, and the cookie.
    pub(super) fn enter(&self) -> (String, String) {
        let (_, query) = self.url.split_once("/?").expect("a query");
        let response = self.get(&format!("/?{query}"), &self.host());
        assert_eq!(status(&response), 200, "{response}");
        let folder = response.split("url=").nth(1).and_then(|rest| rest.split('"').next()).expect("a folder");
        let cookie = header(&response, "set-cookie").expect("a cookie");
        (folder.to_owned(), cookie.split(';').next().expect("a pair").to_owned())
    }

    pub(super) fn page(&self, folder: &str, cookie: &str, tab: &str) -> Page {
        let address = self.address();
        let request = tungstenite::http::Request::builder()
            .uri(format!("ws://{address}{folder}socket"))
            .header("Host", &address)
            .header("Origin", format!("http://{address}"))
            .header("Cookie", cookie)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", tungstenite::handshake::client::generate_key());
        let request = request.body(()).expect("a request");
        let (socket, _) = tungstenite::client(request, self.connect()).expect("a web socket");
        let [rows, columns] = [10, 40].map(|count| NonZero::new(count).expect("not 0"));
        let mut page = Page { socket, screen: vt100::Parser::new(rows, columns, 0) };
        page.say(&json!({"op": "start", "tab": tab, "columns": 40, "rows": 10}));
        page
    }

    pub(super) fn stop(&mut self) -> u8 {
        drop(self.stop.take());
        self.thread.take().map_or(0, |thread| thread.join().expect("a server"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) struct Page {
    pub(super) socket: WebSocket<TcpStream>,
    pub(super) screen: vt100::Parser,
}

impl Page {
    pub(super) fn say(&mut self, message: &Json) {
        self.socket.send(Message::text(message.to_string())).expect("a server");
    }

    pub(super) fn keys(&mut self, keys: &str) {
        self.socket.send(Message::binary(keys.as_bytes().to_vec())).expect("a server");
    }

    /// The next event; what comes for the terminal is written.
    pub(super) fn event(&mut self) -> Json {
        loop {
            if let Some(event) = self.message() {
                return event;
            }
        }
    }

    pub(super) fn message(&mut self) -> Option<Json> {
        match self.socket.read().expect("a message") {
            Message::Binary(bytes) => {
                self.screen.process(&bytes);
                None
            }
            Message::Text(text) => Some(serde_json::from_str(&text).expect("JSON")),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(super) fn expect(&mut self, name: &str) -> Json {
        let event = self.event();
        assert_eq!(event["event"], name, "{event}");
        event
    }

    /// Reads until the screen holds this.
    pub(super) fn see(&mut self, text: &str) {
        while !self.screen.screen().contents().contains(text) {
            self.message();
        }
    }
}

pub(super) fn status(response: &str) -> u16 {
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

pub(super) fn header<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let head = response.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}
