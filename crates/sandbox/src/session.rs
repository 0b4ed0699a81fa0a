//! A session: one namespace, its cells, and what can be done with the whole of it.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use keelback_session::{Cell, CellKind, Event, Limit, Outcome, Restored, Usage, Value};

use crate::{
    Engine, Error, Limits, Report, SessionOptions,
    fs::{FileInfo, FileSystem, FsLimits},
    guest::{Failure, Guest},
    host::{Host, Limiter, State},
    imports::ImageError,
    limits::duration_text,
    marshal,
    net::{Net, NetOptions},
    outcome,
    output::{Output, Sink},
    packages,
    snapshot::{Checkpoint, MemoryImage, Saved, Snapshot, SnapshotError},
    transfer::{Binding, Found, FoundError},
    wasi::{self, Time, WasiCtx},
    watch::{Cause, CellEnd, RunningCell, Sleeper},
};

/// Interrupts a session from another thread. Cheap to clone.
#[derive(Clone)]
pub struct InterruptHandle {
    cell: Arc<RunningCell>,
    watch: crate::watch::Watch,
}

impl InterruptHandle {
    /// Raises KeyboardInterrupt in the cell that runs now. False when none does.
    pub fn interrupt(&self) -> bool {
        let running = self.cell.interrupt();
        if running {
            self.watch.look_at(&self.cell, Instant::now() + Duration::from_millis(1));
        }
        running
    }
}

/// One namespace that lives from cell to cell, with what it was granted. Dropping it gives everything back.
pub struct Session {
    engine: Engine,
    options: SessionOptions,
    /// None after the guest was stopped from outside, until the next use brings it back.
    guest: Option<Guest>,
    cell: Arc<RunningCell>,
    output: Output,
    checkpoint: Option<Checkpoint>,
    network: Option<Arc<NetOptions>>,
    /// Cells run, which names the next one.
    cells: u64,
}

impl Session {
    pub(crate) fn start(engine: &Engine, options: SessionOptions) -> Result<Self, Error> {
        let mut session = Session::without_guest(engine, with_packages_of_image(options))?;
        let fs = session.file_system()?;
        let wasi = session.wasi(fs);
        pollster::block_on(session.begin(wasi))?;
        Ok(session)
    }

    pub(crate) fn resume(engine: &Engine, snapshot: Snapshot<'_>, options: SessionOptions) -> Result<Self, Error> {
        let mut session = Session::without_guest(engine, with_packages_of_image(options))?;
        let fs = session.file_system()?.with_snapshot(&snapshot.files).map_err(SnapshotError::Files)?;
        let mut wasi = session.wasi(fs);
        wasi.set_time(snapshot.time);
        session.cells = snapshot.cells;
        pollster::block_on(async {
            session.go_on(wasi, MemoryImage { map: &snapshot.map, bytes: snapshot.bytes }).await?;
            session.find_packages().await
        })?;
        Ok(session)
    }

    fn without_guest(engine: &Engine, options: SessionOptions) -> Result<Self, Error> {
        Engine::check(&options.limits)?;
        if let Some(image) = &options.image {
            options.limits.check_memory(image.memory_bytes())?;
        }
        let output = Output::new(options.limits.output_bytes);
        let cell = RunningCell::new();
        let network = NetOptions::new(&options.permissions.network, &options.limits)?;
        Ok(Session { engine: engine.clone(), options, guest: None, cell, output, checkpoint: None, network, cells: 0 })
    }

    fn file_system(&self) -> Result<FileSystem, Error> {
        let limits = FsLimits {
            max_scratch_bytes: self.options.limits.scratch_bytes,
            max_open_files: self.options.limits.open_files,
        };
        Ok(FileSystem::new(self.engine.0.library.clone(), &self.options.permissions.all_grants(), limits)?)
    }

    fn wasi(&self, fs: FileSystem) -> WasiCtx {
        let output = self.output.clone();
        let stdin = self.options.permissions.stdin.clone();
        let pause = Arc::new(Sleeper { cell: Arc::clone(&self.cell), watch: self.engine.0.watch.clone() });
        WasiCtx::new(fs, wasi::Options { seed: self.options.deterministic, stdin, output, pause })
    }

    fn state(&self, wasi: WasiCtx) -> Result<State, Error> {
        let tools = Arc::new(Engine::tools(&self.options.permissions)?);
        let limits = &self.options.limits;
        let mut host = Host::new(
            self.output.clone(),
            Arc::clone(&self.cell),
            self.engine.0.watch.clone(),
            tools,
            limits.tool_calls,
            self.options.deterministic.is_some(),
        );
        host.net = self.network.clone().map(Net::new);
        let limiter = Limiter::new(limits.memory_bytes, Arc::clone(&self.cell));
        Ok(State { wasi, host, limiter })
    }

    /// Makes the guest of a fresh session.
    async fn begin(&mut self, mut wasi: WasiCtx) -> Result<(), Error> {
        let image = self.options.image.as_ref();
        if let Some(image) = image
            && self.options.deterministic.is_none()
        {
            // The modules may remember a time, after which it is now.
            wasi.set_time(image.time());
        }
        let state = self.state(wasi)?;
        self.guest = Some(Guest::new(&self.engine.0, state, image, None).await?);
        self.ask("start").await?;
        self.find_packages().await
    }

    /// Puts granted packages where the guest looks for modules.
    async fn find_packages(&mut self) -> Result<(), Error> {
        let granted = self.options.permissions.packages.len();
        if granted == self.options.image.as_ref().map_or(0, |image| image.packages().len()) {
            return Ok(()); // none, or those that the image knows
        }
        let cells = self.cells;
        let request = self.request_for(&packages::cell(granted));
        self.cells = cells;
        match outcome::read(self.simple(request).await?) {
            Ok(Outcome::Done) => Ok(()),
            Ok(Outcome::Raised(raised)) => Err(Error::Protocol(format!("packages: {}", raised.message))),
            _ => Err(Error::Protocol("packages gave another outcome".into())),
        }
    }

    /// Makes the guest of a session that goes on from `memory`.
    async fn go_on(&mut self, wasi: WasiCtx, memory: MemoryImage<'_>) -> Result<(), Error> {
        let state = self.state(wasi)?;
        self.guest = Some(Guest::new(&self.engine.0, state, self.options.image.as_ref(), Some(memory)).await?);
        self.ask("fork").await
    }

    /// The first request to a new guest, and its tools.
    async fn ask(&mut self, request: &str) -> Result<(), Error> {
        let options = self.guest_options(request == "start");
        self.simple(marshal::tuple([Value::from(request), options])).await?;
        let tools: Vec<Value> = self.options.permissions.tools.iter().map(crate::Tool::describe).collect();
        if !tools.is_empty() {
            self.simple(marshal::tuple([Value::from("tools"), Value::List(tools)])).await?;
        }
        Ok(())
    }

    fn guest_options(&self, start: bool) -> Value {
        let options = &self.options;
        let env = &options.permissions.env;
        let limit = |limit: Option<Duration>| Value::Str(limit.map_or_else(String::new, duration_text));
        let seed = match options.deterministic {
            // A fork of a deterministic session goes on with the numbers of its parent.
            Some(seed) if start => Value::Bytes(seed.to_le_bytes().to_vec()),
            _ => Value::None,
        };
        let arguments = match options.arguments.as_slice() {
            [] => vec![Value::from("")],
            arguments => arguments.iter().map(|argument| Value::from(argument.as_str())).collect(),
        };
        let entries = [
            ("argv", Value::List(arguments)),
            ("env", Value::Dict(env.iter().map(|(k, v)| (Value::from(k.as_str()), Value::from(v.as_str()))).collect())),
            ("random_seed", seed),
            ("deterministic", Value::Bool(options.deterministic.is_some())),
            (
                "limits",
                Value::Dict(vec![
                    (Value::from("wall"), limit(options.limits.wall_time)),
                    (Value::from("cpu"), limit(options.limits.cpu_time)),
                    (Value::from("output"), Value::Str(Limit::Output(options.limits.output_bytes).to_string())),
                ]),
            ),
            ("network", Value::Bool(self.network.is_some())),
            ("recursion_limit", Value::Int(options.limits.recursion.into())),
        ];
        Value::Dict(entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
    }

    /// A request that no user code takes part in, or hardly any: it has the limits of a cell all the same.
    async fn simple(&mut self, request: Vec<u8>) -> Result<Value, Error> {
        self.begin_cell();
        let guest = self.guest.as_mut().ok_or_else(no_guest)?;
        let result = guest.request(&request).await;
        let end = self.cell.end();
        result.map_err(|failure| self.lost(&failure, &end))
    }

    /// As `simple`, for a response that `read` makes something of.
    async fn simple_read<T>(&mut self, request: Vec<u8>, read: impl FnOnce(&[u8]) -> T) -> Result<T, Error> {
        self.begin_cell();
        let guest = self.guest.as_mut().ok_or_else(no_guest)?;
        let result = guest.request_bytes(&request).await;
        let end = self.cell.end();
        let result = result.map(read);
        result.map_err(|failure| self.lost(&failure, &end))
    }

    fn lost(&mut self, failure: &Failure, end: &CellEnd) -> Error {
        self.guest = None;
        Error::SessionLost { reason: describe(failure, end, &self.options.limits) }
    }

    fn begin_cell(&mut self) {
        let limits = &self.options.limits;
        if let Some(at) = self.cell.begin(limits.wall_time, limits.cpu_time, limits.grace) {
            self.engine.0.watch.look_at(&self.cell, at);
        }
        self.output.begin();
        if let Some(guest) = &mut self.guest {
            let memory = guest.memory_bytes();
            let state = guest.store.data_mut();
            state.host.tool_calls = 0;
            state.host.tool_limit_hit = false;
            state.host.ended = None;
            if let Some(net) = &mut state.host.net {
                net.begin();
            }
            state.limiter.begin(memory);
        }
    }

    /// Sends events to `sink` while cells run, or with None collects them for the report.
    pub fn set_sink(&mut self, sink: Option<Sink>) {
        self.output.set_sink(sink);
    }

    /// Offers these tools from now on, instead of those before.
    ///
    /// # Errors
    /// [`Error::Tool`] for one that cannot be offered; [`Error::SessionLost`] as for a cell.
    pub fn set_tools(&mut self, tools: Vec<crate::Tool>) -> Result<(), Error> {
        let mut permissions = self.options.permissions.clone();
        permissions.tools = tools;
        let table = Arc::new(Engine::tools(&permissions)?);
        let described = permissions.tools.iter().map(crate::Tool::describe).collect();
        self.options.permissions = permissions;
        self.simple_revived(marshal::tuple([Value::from("tools"), Value::List(described)]))?;
        if let Some(guest) = &mut self.guest {
            guest.store.data_mut().host.tools = table;
        }
        Ok(())
    }

    /// A handle that interrupts this session from another thread.
    #[must_use]
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle { cell: Arc::clone(&self.cell), watch: self.engine.0.watch.clone() }
    }

    /// Runs a cell on this thread until it ends.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when the session cannot be brought back after it was stopped; what the cell itself did
    /// wrong is an [`Outcome`].
    pub fn run(&mut self, cell: impl Into<Cell>) -> Result<Report, Error> {
        pollster::block_on(self.run_async(cell))
    }

    /// As [`Session::run`], for any async runtime: the future waits for timers and tools without holding a thread.
    /// Dropping it stops the cell as from outside.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn run_async(&mut self, cell: impl Into<Cell>) -> Result<Report, Error> {
        let cell = cell.into();
        if cell.kind == CellKind::Finish && self.guest.is_none() {
            // Stopped, or ended by os._exit: there is no interpreter to end.
            return Ok(Report::empty());
        }
        self.revive().await?;
        let before = if cell.transaction { Some(self.capture()?) } else { None };
        let started = Instant::now();
        self.begin_cell();
        let request = self.request_for(&cell);
        // Taken out: a future that is dropped half-way leaves no guest behind, and the next use revives the session.
        let mut guest = self.guest.take().ok_or_else(no_guest)?;
        guest.store.data_mut().wasi.fs.begin_changes();
        let result = guest.request(&request).await;
        let end = self.cell.end();
        let written = self.output.end();
        let limits = &self.options.limits;
        let state = guest.store.data();
        let limit = end.cause.and_then(|cause| time_limit(cause, limits));
        let memory_limit = state.limiter.refused.then_some(Limit::Memory(limits.memory_bytes));
        let tool_limit = state.host.tool_limit_hit.then_some(Limit::ToolCalls(limits.tool_calls));
        let network_limit = state.host.net.as_ref().and_then(|net| net.limit_hit);
        let usage = Usage {
            wall: started.elapsed(),
            cpu: end.cpu,
            peak_memory_bytes: guest.memory_bytes(),
            output_bytes: written.bytes,
            tool_calls: state.host.tool_calls,
        };
        if let Some((tool, value)) = guest.store.data_mut().host.ended.take() {
            // Whatever the guest made of it.
            let broken = result.is_err();
            let end = if broken { End::Broken } else { End::Well };
            return Ok(self.report(Outcome::Final { tool, value }, guest, written.events, usage, end));
        }
        let outcome = match result {
            Ok(response) => match outcome::read(response) {
                // Compiling the source took more memory than there is left.
                Ok(Outcome::Invalid(raised)) if memory_limit.is_some() && raised.type_name == "MemoryError" => {
                    Ok(Outcome::Raised(raised))
                }
                Ok(outcome) => Ok(outcome),
                Err(reason) => Err(format!("guest broke its interface: {reason}")),
            },
            Err(Failure::Trap(error)) if error.is::<wasi::ProcExit>() => {
                // os._exit: the outcome is the program's own, but the interpreter is gone.
                let code = error.downcast_ref::<wasi::ProcExit>().map_or(1, |exit| exit.0 as u8);
                let outcome = Outcome::Exit { code, message: None, type_name: None };
                return Ok(self.report(outcome, guest, written.events, usage, End::Broken));
            }
            Err(failure) => Err(describe(&failure, &end, limits)),
        };
        let outcome = match outcome {
            Ok(mut outcome) => {
                if let Outcome::Raised(raised) = &mut outcome {
                    raised.limit = match raised.type_name.as_str() {
                        "TimeoutError" => limit,
                        // CPython may have no memory left even for the right exception.
                        "MemoryError" | "SystemError" => memory_limit,
                        "OutputLimitError" => written.limit,
                        "RuntimeError" => tool_limit,
                        _ => None,
                    };
                    // Libraries raise errors of their own with the text of this one in them.
                    let from_network = |limit: &Limit| raised.message.contains(&limit.to_string());
                    raised.limit = raised.limit.or(network_limit.filter(from_network));
                }
                outcome
            }
            Err(reason) => {
                let restored = if self.checkpoint.is_some() { Restored::Checkpoint } else { Restored::Start };
                let outcome = Outcome::Stopped { limit, reason, restored };
                return Ok(self.report(outcome, guest, written.events, usage, End::Broken));
            }
        };
        let failed = match &outcome {
            Outcome::Raised(_) => true,
            Outcome::Exit { code, .. } => *code != 0,
            _ => false,
        };
        let end = if failed { End::Failed } else { End::Well };
        let mut report = self.report(outcome, guest, written.events, usage, end);
        if let Some(before) = before.filter(|_| failed) {
            self.guest = None;
            let kept = self.checkpoint.replace(before);
            let result = self.revive().await;
            self.checkpoint = kept;
            result?;
            report.rolled_back = true;
        }
        Ok(report)
    }

    fn request_for(&mut self, cell: &Cell) -> Vec<u8> {
        let filename = cell.filename.clone().unwrap_or_else(|| {
            self.cells += 1;
            format!("<cell {}>", self.cells)
        });
        let source = Value::Str(cell.source.clone());
        match cell.kind {
            CellKind::Prompt => marshal::tuple([Value::from("run"), source, Value::Str(filename), Value::from("cell")]),
            CellKind::Program => {
                marshal::tuple([Value::from("run"), source, Value::Str(filename), Value::from("program")])
            }
            CellKind::Module => marshal::tuple([Value::from("module"), source]),
            CellKind::Finish => marshal::tuple([Value::from("finish")]),
        }
    }

    /// Puts the guest back, unless it is broken, and settles what becomes of changed copies.
    fn report(&mut self, outcome: Outcome, mut guest: Guest, events: Vec<Event>, usage: Usage, end: End) -> Report {
        let fs = &mut guest.store.data_mut().wasi.fs;
        let files = fs.changes();
        let mut sync_errors = Vec::new();
        if end != End::Well {
            fs.discard();
        } else if let Err(errors) = fs.commit() {
            sync_errors = errors.iter().map(ToString::to_string).collect();
        }
        if end != End::Broken {
            self.guest = Some(guest);
        }
        Report { outcome, events, files, sync_errors, rolled_back: false, usage }
    }

    /// Brings a stopped session back to its last checkpoint, or to its start.
    async fn revive(&mut self) -> Result<(), Error> {
        if self.guest.is_some() {
            return Ok(());
        }
        let Some(checkpoint) = &self.checkpoint else {
            let fs = self.file_system()?;
            let wasi = self.wasi(fs);
            return self.begin(wasi).await;
        };
        let memory = Arc::clone(&checkpoint.memory);
        let mut wasi = self.wasi(checkpoint.fs.fork().map_err(SnapshotError::Files)?);
        wasi.set_time(checkpoint.time);
        self.cells = checkpoint.cells;
        self.go_on(wasi, MemoryImage { map: &memory.0, bytes: &memory.1 }).await
    }

    /// The host's side of the guest, with nothing under way in it that the guest's memory knows of.
    fn at_rest(&self) -> Result<&State, Error> {
        let state = self.guest.as_ref().ok_or_else(no_guest)?.store.data();
        if let Some(name) = state.host.call_under_way() {
            return Err(SnapshotError::ToolCall { name: name.to_owned() }.into());
        }
        if let Some(name) = state.host.net.as_ref().and_then(Net::open_connection) {
            return Err(SnapshotError::Connection { name: name.to_owned() }.into());
        }
        Ok(state)
    }

    /// The files of the session as they are now, and its time.
    fn settled(&self) -> Result<(FileSystem, Time), Error> {
        let wasi = &self.at_rest()?.wasi;
        Ok((wasi.fs.fork().map_err(SnapshotError::Files)?, wasi.time()))
    }

    /// The state of the session now.
    fn capture(&mut self) -> Result<Checkpoint, Error> {
        let (fs, time) = self.settled()?;
        let guest = self.guest.as_mut().ok_or_else(no_guest)?;
        let memory = Arc::new(guest.capture(&self.engine.0));
        Ok(Checkpoint { memory, fs, time, cells: self.cells })
    }

    /// What an image is made of: linear memory, the stack pointer, the time.
    pub(crate) fn whole(&mut self) -> Result<(&[u8], i32, Time), Error> {
        let wasi = &self.at_rest()?.wasi;
        if let Some(path) = wasi.fs.open_path() {
            return Err(ImageError::OpenFile { path: path.to_owned() }.into());
        }
        let time = wasi.time();
        let (memory, stack_pointer) = self.guest.as_mut().ok_or_else(no_guest)?.whole();
        Ok((memory, stack_pointer, time))
    }

    /// A second session in the same state: functions, generators, tasks, modules and open scratch files alive. Both go
    /// on by themselves, with the same grants and limits.
    ///
    /// # Errors
    /// [`Error::Snapshot`] naming what cannot be in two places: a host file open for writing, a tool call under way, an
    /// open network connection.
    pub fn fork(&mut self) -> Result<Session, Error> {
        pollster::block_on(self.fork_async())
    }

    async fn fork_async(&mut self) -> Result<Session, Error> {
        self.revive().await?;
        let state = self.capture()?;
        let mut fork = Session::without_guest(&self.engine, self.options.clone())?;
        let mut wasi = fork.wasi(state.fs);
        wasi.set_time(state.time);
        fork.cells = self.cells;
        fork.go_on(wasi, MemoryImage { map: &state.memory.0, bytes: &state.memory.1 }).await?;
        Ok(fork)
    }

    /// Remembers the state of the session, in place of an earlier checkpoint.
    ///
    /// # Errors
    /// As [`Session::fork`].
    pub fn checkpoint(&mut self) -> Result<(), Error> {
        pollster::block_on(self.revive())?;
        self.checkpoint = Some(self.capture()?);
        Ok(())
    }

    /// Goes back to the last checkpoint, or to the start when there is none. The checkpoint stays.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when it cannot be brought back.
    pub fn rollback(&mut self) -> Result<(), Error> {
        self.guest = None;
        pollster::block_on(self.revive())
    }

    /// Writes the session to a file, from which [`Engine::load`] brings it back in any process of this version. Grants,
    /// tools, limits and the [`Image`](crate::Image) are not in it.
    ///
    /// # Errors
    /// [`Error::Snapshot`] as [`Session::fork`], and when the file cannot be written.
    pub fn save(&mut self, path: &Path) -> Result<(), Error> {
        pollster::block_on(self.revive())?;
        let (fs, time) = self.settled()?;
        let files = fs.to_snapshot().map_err(SnapshotError::Files)?;
        let image = self.options.image.as_ref().map(|image| image.name());
        let (map, memory) = self.guest.as_mut().ok_or_else(no_guest)?.changed(&self.engine.0);
        Ok(Saved { map, memory, files, time, cells: self.cells, image }.write(path)?)
    }

    /// Binds a name in the namespace.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), Error> {
        self.simple_revived(marshal::tuple([Value::from("set"), Value::from(name), value])).map(drop)
    }

    /// As [`Session::set`], for a value that was written into the request.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn bind(&mut self, binding: Binding) -> Result<(), Error> {
        self.simple_revived(binding.into_request()).map(drop)
    }

    /// What a name is bound to: the value where it is plain data, else its repr (which is empty beside a value). None
    /// when it is not bound.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn get(&mut self, name: &str) -> Result<Option<(String, Option<Value>)>, Error> {
        self.get_with(name, |found| found.build(&mut marshal::Values))?.map_err(|error| match error {
            FoundError::Protocol(text) => Error::Protocol(text),
            FoundError::Build(never) => match never {},
        })
    }

    /// As [`Session::get`]; `read` builds the value.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn get_with<T>(&mut self, name: &str, read: impl FnOnce(Found<'_>) -> T) -> Result<T, Error> {
        let request = marshal::tuple([Value::from("get"), Value::from(name)]);
        pollster::block_on(async {
            self.revive().await?;
            self.simple_read(request, |bytes| read(Found(bytes))).await
        })
    }

    /// The user's names, each with the name of its type and its repr.
    ///
    /// # Errors
    /// [`Error::SessionLost`] as for a cell.
    pub fn variables(&mut self) -> Result<Vec<(String, String, String)>, Error> {
        let response = self.simple_revived(marshal::tuple([Value::from("vars")]))?;
        let (Value::List(items) | Value::Tuple(items)) = response else {
            return Err(Error::Protocol("`vars` gave no list".into()));
        };
        let row = |item| match item {
            Value::Tuple(row) => match <[Value; 3]>::try_from(row) {
                Ok([Value::Str(name), Value::Str(type_name), Value::Str(repr)]) => Ok((name, type_name, repr)),
                _ => Err(Error::Protocol("`vars` gave a row of another shape".into())),
            },
            _ => Err(Error::Protocol("`vars` gave something else than rows".into())),
        };
        items.into_iter().map(row).collect()
    }

    /// The files of the session: what is in `/work` and `/tmp` and below granted paths, at most `max` of them, sorted by
    /// path within each folder. Symlinks are left out.
    ///
    /// # Errors
    /// [`Error::SessionLost`] when it cannot be brought back.
    pub fn files(&mut self, max: usize) -> Result<Vec<FileInfo>, Error> {
        Ok(self.file_system_now()?.files(max))
    }

    /// The bytes of one of the session's files, by its guest path, when they are at most `max`.
    ///
    /// # Errors
    /// [`Error::Read`] when there is no such file or it is longer; [`Error::SessionLost`] as for a cell.
    pub fn read_file(&mut self, path: &str, max: u64) -> Result<Vec<u8>, Error> {
        Ok(self.file_system_now()?.read_file(path, max)?)
    }

    fn file_system_now(&mut self) -> Result<&mut FileSystem, Error> {
        pollster::block_on(self.revive())?;
        let guest = self.guest.as_mut().ok_or_else(no_guest)?;
        Ok(&mut guest.store.data_mut().wasi.fs)
    }

    fn simple_revived(&mut self, request: Vec<u8>) -> Result<Value, Error> {
        pollster::block_on(async {
            self.revive().await?;
            self.simple(request).await
        })
    }

    /// Bytes of linear memory the session has now.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.guest.as_ref().map_or(0, Guest::memory_bytes)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(guest) = self.guest.take() {
            self.engine.0.keep_idle(guest);
        }
    }
}

/// The packages of an image are granted to all its sessions, before their own.
fn with_packages_of_image(mut options: SessionOptions) -> SessionOptions {
    if let Some(image) = &options.image {
        options.permissions.packages.splice(..0, image.packages().iter().cloned());
    }
    options
}

fn no_guest() -> Error {
    Error::SessionLost { reason: "it has no guest".into() }
}

/// How a cell left its session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Well,
    Failed,
    /// The interpreter is gone.
    Broken,
}

fn time_limit(cause: Cause, limits: &Limits) -> Option<Limit> {
    match cause {
        Cause::Interrupt => None,
        Cause::WallTime => limits.wall_time.map(Limit::WallTime),
        Cause::CpuTime => limits.cpu_time.map(Limit::CpuTime),
    }
}

/// A sentence on why the guest gave no response.
fn describe(failure: &Failure, end: &CellEnd, limits: &Limits) -> String {
    let grace = duration_text(limits.grace);
    match (end.stopped, end.cause) {
        (true, Some(Cause::Interrupt)) | (true, None) => {
            format!("the cell did not react to an interrupt within {grace} and was stopped")
        }
        (true, Some(cause)) => {
            let (limit, kind) = match cause {
                Cause::CpuTime => (limits.cpu_time, "CPU time"),
                _ => (limits.wall_time, "wall time"),
            };
            let limit = limit.map_or_else(String::new, duration_text);
            format!("the cell used all {limit} of {kind}, did not react within {grace} and was stopped")
        }
        (false, _) => match failure {
            Failure::Trap(error) => {
                let cause = error.root_cause().to_string();
                format!("the interpreter broke down: {cause}")
            }
            Failure::Protocol(text) => format!("the interpreter broke down: {text}"),
        },
    }
}
