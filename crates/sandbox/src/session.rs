//! A session: one namespace and its cells. `start.rs` makes its guest, `states.rs` is what can be done with the whole of
//! it, `values.rs` what can be read of it.

mod assist;
mod idle;
mod start;
mod states;
mod values;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use keelback_session::{Cell, CellKind, Event, Limit, Outcome, Restored, Usage, Value};

use crate::{
    Engine, Error, Limits, Report, SessionOptions,
    guest::{Failure, Guest},
    limits::duration_text,
    marshal,
    net::NetOptions,
    outcome,
    output::{Output, Sink},
    snapshot::{Checkpoint, MemoryImage, Snapshot, SnapshotError},
    wasi,
    watch::{Cause, CellEnd, RunningCell},
};

pub use idle::IdleHandle;

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
            state.host.begin();
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
    /// Calls of tools that are under way when the cell raises, hits a limit, is interrupted or is ended by a tool are
    /// cancelled, if it was while this cell ran that they were made. Those of a cell that ended well go on. A function
    /// that runs on a thread cannot be stopped: what it returns is dropped.
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
        let request = self.request_for(&cell);
        self.perform(request, before, None).await
    }

    /// Makes a request that runs code of the user's, and reports what came of it. With `idle` the code is that of tasks
    /// which earlier cells left behind, until the handle ends it.
    async fn perform(
        &mut self,
        request: Vec<u8>,
        before: Option<Checkpoint>,
        idle: Option<&IdleHandle>,
    ) -> Result<Report, Error> {
        let started = Instant::now();
        self.begin_cell();
        if let Some(idle) = idle
            && !idle.begin()
        {
            self.cell.end();
            return Ok(Report::empty());
        }
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
            guest.store.data_mut().host.cancel_calls_of_cell();
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
        if failed {
            guest.store.data_mut().host.cancel_calls_of_cell();
        }
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
        if cell.kind == CellKind::Interactive {
            // The guest counts these: a cell that is not one yet has no number.
            let filename = cell.filename.clone().map_or(Value::None, Value::Str);
            let source = Value::Str(cell.source.clone());
            return marshal::tuple([Value::from("run"), source, filename, Value::from("interactive")]);
        }
        let filename = cell.filename.clone().unwrap_or_else(|| {
            self.cells += 1;
            format!("<cell {}>", self.cells)
        });
        let source = Value::Str(cell.source.clone());
        match cell.kind {
            CellKind::Prompt | CellKind::Interactive => {
                marshal::tuple([Value::from("run"), source, Value::Str(filename), Value::from("cell")])
            }
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
