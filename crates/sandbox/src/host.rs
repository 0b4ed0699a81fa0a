//! The host functions a guest imports from module `keelback` (docs/guest-abi.md). Everything that comes out of guest
//! memory is checked here before it is used.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable, BoxFuture},
    stream::FuturesUnordered,
};
use keelback_session::{Event, Limit, Mime, MimeBundle, Stream, Value};
use sha2::digest::generic_array::GenericArray;
use wasmtime::{Caller, Linker, Memory};

use crate::{
    engine::Inner,
    fs::{FileSystem, LockKind},
    marshal,
    net::{self, Net},
    output::Output,
    permissions::Stdin,
    tool::{Tool, ToolError, ToolFunction},
    wasi::{self, Pause, WasiCtx},
    watch::{RunningCell, Sleeper, Watch, Woken},
};

/// What the store of a session holds.
pub(crate) struct State {
    pub(crate) wasi: WasiCtx,
    pub(crate) host: Host,
    pub(crate) limiter: Limiter,
}

impl State {
    /// Lets go of everything a session was granted.
    pub(crate) fn close(&mut self, engine: &Inner) {
        let output = Output::new(0);
        let cell = RunningCell::new();
        let pause = Arc::new(Sleeper { cell: Arc::clone(&cell), watch: engine.watch.clone() });
        self.wasi = idle(engine, output.clone(), pause);
        self.host = Host::new(output, Arc::clone(&cell), engine.watch.clone(), Arc::default(), 0, false);
        self.limiter = Limiter::new(0, cell);
    }
}

/// WASI for an instance that belongs to no session.
fn idle(engine: &Inner, output: Output, pause: Arc<dyn Pause>) -> WasiCtx {
    let fs = FileSystem::without_grants(engine.library.clone());
    WasiCtx::new(fs, wasi::Options { seed: None, stdin: Stdin::Closed, output, pause })
}

/// The state behind the host calls.
pub(crate) struct Host {
    pub(crate) memory: Option<Memory>,
    pub(crate) output: Output,
    pub(crate) cell: Arc<RunningCell>,
    pub(crate) watch: Watch,
    pub(crate) tools: Arc<HashMap<String, Tool>>,
    pub(crate) tool_calls: u64,
    pub(crate) tool_call_limit: u64,
    pub(crate) tool_limit_hit: bool,
    /// The tool that ended the cell, and what it returned.
    pub(crate) ended: Option<(String, Value)>,
    /// Virtual time: waits end at once and move the clock.
    pub(crate) deterministic: bool,
    /// None without a grant.
    pub(crate) net: Option<Net>,
    calls: Calls,
    response: Vec<u8>,
}

/// The name of the exception that stands for the end of the cell (docs/guest-abi.md).
const END_OF_CELL: &str = "keelback.end";

/// The number of a call and what came of it; None when it was cancelled.
type Finished = (i64, Option<Result<Value, ToolError>>);

/// The tool calls under way.
#[derive(Default)]
struct Calls {
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    aborts: HashMap<i64, (AbortHandle, String)>,
    finished: VecDeque<Value>,
}

/// Ends the guest from within a host call.
#[derive(Debug, thiserror::Error)]
#[error("guest was stopped")]
pub(crate) struct Stopped;

impl Host {
    pub(crate) fn new(
        output: Output,
        cell: Arc<RunningCell>,
        watch: Watch,
        tools: Arc<HashMap<String, Tool>>,
        tool_call_limit: u64,
        deterministic: bool,
    ) -> Self {
        Host {
            memory: None,
            output,
            cell,
            watch,
            tools,
            tool_calls: 0,
            tool_call_limit,
            tool_limit_hit: false,
            ended: None,
            deterministic,
            net: None,
            calls: Calls::default(),
            response: Vec::new(),
        }
    }

    /// The name of a tool whose call is under way.
    pub(crate) fn call_under_way(&self) -> Option<&str> {
        self.calls.aborts.values().next().map(|(_, name)| name.as_str())
    }

    /// The function of a call and its arguments, or what the guest is told instead.
    fn prepare(&mut self, name: &Value, args: Value, kwargs: Value) -> Result<(ToolFunction, Vec<Value>), ToolError> {
        let (Value::Tuple(args) | Value::List(args), Value::Dict(kwargs)) = (args, kwargs) else {
            return Err(ToolError::new("TypeError", "arguments of a tool call are a tuple and a dict"));
        };
        let name = name.as_str().unwrap_or_default();
        let Some(tool) = self.tools.get(name) else {
            return Err(ToolError::new("NameError", format!("there is no tool named '{name}'")));
        };
        let arguments = tool.bind(args, kwargs)?;
        if self.tool_calls >= self.tool_call_limit {
            self.tool_limit_hit = true;
            let text = format!("cell used all {}", Limit::ToolCalls(self.tool_call_limit));
            return Err(ToolError::new("RuntimeError", text));
        }
        self.tool_calls += 1;
        Ok((tool.function.clone(), arguments))
    }

    /// What the guest is told of a finished call: of one that ends the cell not its result.
    fn settle(&mut self, name: &str, result: Result<Value, ToolError>) -> Result<Value, ToolError> {
        let value = result?;
        if !self.tools.get(name).is_some_and(|tool| tool.ends_cell) {
            return Ok(value);
        }
        self.ended.get_or_insert((name.to_owned(), value));
        Err(ToolError::new(END_OF_CELL, ""))
    }

    fn start(&mut self, id: i64, name: &Value, args: Value, kwargs: Value) {
        let future: BoxFuture<'static, Result<Value, ToolError>> = match self.prepare(name, args, kwargs) {
            Err(error) => {
                self.calls.finished.push_back(finished(id, Err(error)));
                return;
            }
            Ok((ToolFunction::Async(function), arguments)) => match guarded(|| function(arguments)) {
                Ok(future) => future,
                Err(error) => {
                    self.calls.finished.push_back(finished(id, Err(error)));
                    return;
                }
            },
            Ok((ToolFunction::Sync(function), arguments)) => {
                Box::pin(blocking::unblock(move || guarded(|| function(arguments)).and_then(|result| result)))
            }
        };
        let (abort, registration) = AbortHandle::new_pair();
        self.calls.aborts.insert(id, (abort, name.as_str().unwrap_or_default().to_owned()));
        let future = Abortable::new(AssertUnwindSafe(future).catch_unwind(), registration);
        self.calls.running.push(Box::pin(async move {
            let result = future.await.ok().map(|result| result.unwrap_or_else(|_| Err(panicked())));
            (id, result)
        }));
    }

    /// Takes the results of calls that are done, and drops those that were cancelled.
    fn collect(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some((id, result))) = self.calls.running.poll_next_unpin(cx) {
            let call = self.calls.aborts.remove(&id);
            if let Some(result) = result {
                let result = self.settle(call.as_ref().map_or("", |(_, name)| name), result);
                self.calls.finished.push_back(finished(id, result));
            }
        }
    }

    fn cancel(&mut self, id: i64) {
        if let Some((abort, _)) = self.calls.aborts.remove(&id) {
            abort.abort();
            // Dropped now: the guest may not wait again for a long time. The next wait polls with a waker of its own.
            self.collect(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Finished calls and ready sockets, or nothing when `deadline` passes.
    fn poll_wait(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
        interests: &[(i64, i64)],
    ) -> Poll<Result<Vec<Value>, Woken>> {
        self.cell.waker.register(cx.waker());
        if let Some(woken) = self.cell.woken() {
            return Poll::Ready(Err(woken));
        }
        self.collect(cx);
        let ready = match &mut self.net {
            Some(net) if !interests.is_empty() => net.ready(interests, cx),
            _ => Vec::new(),
        };
        let timed_out = deadline.is_some_and(|deadline| deadline <= Instant::now());
        if timed_out || !ready.is_empty() || !self.calls.finished.is_empty() {
            return Poll::Ready(Ok(self.calls.finished.drain(..).chain(net::pairs(ready)).collect()));
        }
        self.wake_at(deadline);
        Poll::Pending
    }
}

fn finished(id: i64, result: Result<Value, ToolError>) -> Value {
    let (ok, payload) = payload(result);
    Value::Tuple(vec![Value::Int(id), ok, payload])
}

fn payload(result: Result<Value, ToolError>) -> (Value, Value) {
    match result {
        Ok(value) => (Value::Bool(true), value),
        Err(error) => (Value::Bool(false), error.into()),
    }
}

/// A tool that panics is an error of that tool: the session and its host go on.
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, ToolError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| panicked())
}

fn panicked() -> ToolError {
    ToolError::new("RuntimeError", "the tool panicked")
}

/// Adds module `keelback` to a linker.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap("keelback", "emit", |mut caller: Caller<'_, State>, kind: i32, ptr: i32, len: i32| {
        emit(&mut caller, kind, ptr, len)
    })?;
    linker.func_wrap("keelback", "take", |mut caller: Caller<'_, State>, ptr: i32| {
        let response = std::mem::take(&mut caller.data_mut().host.response);
        let memory = memory(&caller)?;
        let result = memory.write(&mut caller, ptr as u32 as usize, &response);
        if response.len() <= 64 << 10 {
            caller.data_mut().host.response = response; // keeps its buffer
        }
        result.map_err(|_| wasmtime::Error::msg("response does not fit guest memory"))
    })?;
    linker.func_wrap("keelback", "sha256", |mut caller: Caller<'_, State>, state: i32, data: i32, blocks: i32| {
        sha256(&mut caller, state, data, blocks)
    })?;
    linker.func_wrap(
        "keelback",
        "lock",
        |mut caller: Caller<'_, State>, fd: i32, kind: i32, start: i64, len: i64| -> i32 {
            let kind = match kind {
                0 => LockKind::Shared,
                1 => LockKind::Exclusive,
                2 => LockKind::Unlock,
                _ => LockKind::Query,
            };
            let fs = &mut caller.data_mut().wasi.fs;
            fs.lock(fd as u32, kind, start as u64, len as u64).map_or_else(|error| error.0.into(), |()| 0)
        },
    )?;
    linker.func_wrap_async("keelback", "call", |caller: Caller<'_, State>, (ptr, len): (i32, i32)| {
        Box::new(call(caller, ptr, len))
    })?;
    Ok(())
}

fn memory(caller: &Caller<'_, State>) -> wasmtime::Result<Memory> {
    caller.data().host.memory.ok_or_else(|| wasmtime::Error::msg("guest has no memory yet"))
}

/// The bytes at `ptr`, checked, and the state.
fn borrow<'a>(
    caller: &'a mut Caller<'_, State>,
    ptr: i32,
    len: usize,
) -> wasmtime::Result<(&'a mut [u8], &'a mut State)> {
    let memory = memory(caller)?;
    let (bytes, state) = memory.data_and_store_mut(caller);
    let start = ptr as u32 as usize;
    let bytes = start.checked_add(len).and_then(|end| bytes.get_mut(start..end));
    Ok((bytes.ok_or_else(|| wasmtime::Error::msg("guest named bytes outside its memory"))?, state))
}

fn emit(caller: &mut Caller<'_, State>, kind: i32, ptr: i32, len: i32) -> wasmtime::Result<i32> {
    let (bytes, state) = borrow(caller, ptr, len as u32 as usize)?;
    let output = &state.host.output;
    let result = match kind {
        1 => output.write(Stream::Stdout, bytes),
        2 => output.write(Stream::Stderr, bytes),
        3 => match marshal::decode(bytes) {
            Ok(value) => output.display(bytes.len(), || Event::Display(mime_bundle(value))),
            Err(_) => Ok(()),
        },
        _ => Ok(()),
    };
    Ok(i32::from(result.is_err()))
}

/// A MIME bundle as the guest gives it: a dict from str to str, bytes or data. Other entries are left out.
pub(crate) fn mime_bundle(value: Value) -> MimeBundle {
    let Value::Dict(items) = value else {
        return MimeBundle::default();
    };
    let entry = |(key, value)| match (key, value) {
        (Value::Str(key), Value::Str(text)) => Some((key, Mime::Text(text))),
        (Value::Str(key), Value::Bytes(bytes)) => Some((key, Mime::Bytes(bytes))),
        (Value::Str(key), data) => Some((key, Mime::Data(data))),
        _ => None,
    };
    MimeBundle(items.into_iter().filter_map(entry).collect())
}

/// The compression function of SHA-256 over whole blocks: five times as fast here as compiled to WebAssembly.
fn sha256(caller: &mut Caller<'_, State>, state: i32, data: i32, blocks: i32) -> wasmtime::Result<()> {
    let mut words = [0u32; 8];
    let (bytes, _) = borrow(caller, state, 32)?;
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_le_bytes(bytes.try_into().expect("chunks of four"));
    }
    let len = (blocks as u32 as usize).saturating_mul(64);
    let (bytes, _) = borrow(caller, data, len)?;
    for block in bytes.chunks_exact(64) {
        sha2::compress256(&mut words, std::slice::from_ref(GenericArray::from_slice(block)));
    }
    let (bytes, _) = borrow(caller, state, 32)?;
    for (word, bytes) in words.iter().zip(bytes.chunks_exact_mut(4)) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Ok(())
}

/// The response of one host call goes into `host.response`; its length is returned, or -1 when a signal is pending.
async fn call(mut caller: Caller<'_, State>, ptr: i32, len: i32) -> wasmtime::Result<i32> {
    let (bytes, state) = borrow(&mut caller, ptr, len as u32 as usize)?;
    let request = match marshal::decode(bytes) {
        Ok(Value::Tuple(items)) => items,
        Ok(_) => Vec::new(),
        Err(error) => vec![Value::Str(error.to_string())],
    };
    if let [Value::Str(name), Value::Str(op), timeout, args @ ..] = request.as_slice()
        && name == "net"
    {
        let response = match network(state, op, timeout, args).await {
            Ok(response) => response,
            Err(Woken::Signal) => return Ok(-1),
            Err(Woken::Stop) => return Err(Stopped.into()),
        };
        return respond(&mut caller, &response);
    }
    let mut items = request.into_iter();
    let name = items.next().unwrap_or(Value::None);
    let response = match (name.as_str(), items.next(), items.next(), items.next(), items.next()) {
        (Some("wait"), Some(timeout), sockets, ..) => match wait(state, &timeout, sockets.as_ref()).await {
            Ok(response) => response,
            Err(Woken::Signal) => return Ok(-1),
            Err(Woken::Stop) => return Err(Stopped.into()),
        },
        (Some("start"), Some(Value::Int(id)), Some(name), Some(args), Some(kwargs)) => {
            state.host.start(id, &name, args, kwargs);
            Value::None
        }
        (Some("tool"), Some(name), Some(args), Some(kwargs), None) => {
            let result = tool(&mut state.host, &name, args, kwargs).await?;
            let result = state.host.settle(name.as_str().unwrap_or_default(), result);
            let (ok, payload) = payload(result);
            Value::Tuple(vec![ok, payload])
        }
        (Some("cancel"), Some(Value::Int(id)), ..) => {
            state.host.cancel(id);
            Value::None
        }
        _ => {
            return Err(wasmtime::Error::msg(format!("guest made an unknown host call: {name}")));
        }
    };
    respond(&mut caller, &response)
}

fn respond(caller: &mut Caller<'_, State>, response: &Value) -> wasmtime::Result<i32> {
    let mut bytes = std::mem::take(&mut caller.data_mut().host.response);
    bytes.clear();
    marshal::encode(response, &mut bytes);
    let len = i32::try_from(bytes.len()).map_err(|_| wasmtime::Error::msg("response is larger than 2 GiB"))?;
    caller.data_mut().host.response = bytes;
    Ok(len)
}

fn seconds(timeout: &Value) -> Option<Duration> {
    match timeout {
        Value::Float(seconds) => Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)),
        Value::Int(seconds) => Some(Duration::from_secs(seconds.max(&0).unsigned_abs())),
        _ => None,
    }
}

/// A wait beyond what the clock can say is one without end.
fn deadline(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

impl Host {
    /// Has the task woken when a wait ends, or an attempt to connect.
    fn wake_at(&self, deadline: Option<Instant>) {
        let connecting = self.net.as_ref().and_then(Net::next_deadline);
        if let Some(at) = deadline.into_iter().chain(connecting).min() {
            self.cell.wake_at(at);
            self.watch.look_at(&self.cell, at);
        }
    }
}

/// A request of the guest's `socket`, `ssl` or `select`.
async fn network(state: &mut State, op: &str, timeout: &Value, args: &[Value]) -> Result<Value, Woken> {
    let host = &mut state.host;
    if host.net.is_none() {
        return Ok(net::unavailable());
    }
    let timeout = seconds(timeout);
    let deadline = deadline(timeout);
    if op == "poll" {
        let interests = net::interests(args.first());
        return std::future::poll_fn(|cx| {
            host.cell.waker.register(cx.waker());
            if let Some(woken) = host.cell.woken() {
                return Poll::Ready(Err(woken));
            }
            let ready = host.net.as_mut().map(|net| net.ready(&interests, cx)).unwrap_or_default();
            let timed_out = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if ready.is_empty() && !timed_out {
                host.wake_at(deadline);
                return Poll::Pending;
            }
            Poll::Ready(Ok(net::response(Ok(Value::List(net::pairs(ready).collect())))))
        })
        .await;
    }
    std::future::poll_fn(|cx| {
        host.cell.waker.register(cx.waker());
        if let Some(woken) = host.cell.woken() {
            return Poll::Ready(Err(woken));
        }
        let Some(net) = &mut host.net else { return Poll::Ready(Ok(net::unavailable())) };
        if let Poll::Ready(result) = net.attempt(op, args, cx) {
            return Poll::Ready(Ok(net::response(result)));
        }
        if timeout == Some(Duration::ZERO) {
            return Poll::Ready(Ok(net::response(Err(net::NetError::Blocked))));
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Poll::Ready(Ok(net::response(Err(net::NetError::TimedOut))));
        }
        host.wake_at(deadline);
        Poll::Pending
    })
    .await
}

async fn wait(state: &mut State, timeout: &Value, sockets: Option<&Value>) -> Result<Value, Woken> {
    let timeout = seconds(timeout);
    let interests = net::interests(sockets);
    let State { host, wasi, .. } = state;
    if host.deterministic
        && interests.is_empty()
        && host.calls.running.is_empty()
        && host.calls.finished.is_empty()
        && let Some(timeout) = timeout
    {
        wasi.advance(timeout);
        return host.cell.woken().map_or(Ok(Value::List(Vec::new())), Err);
    }
    let deadline = deadline(timeout);
    std::future::poll_fn(|cx| host.poll_wait(cx, deadline, &interests)).await.map(Value::List)
}

/// A call from synchronous code: the guest stands still until it is done. An interrupt drops the call.
async fn tool(host: &mut Host, name: &Value, args: Value, kwargs: Value) -> wasmtime::Result<Result<Value, ToolError>> {
    let (function, arguments) = match host.prepare(name, args, kwargs) {
        Ok(prepared) => prepared,
        Err(error) => return Ok(Err(error)),
    };
    match function {
        ToolFunction::Sync(function) => {
            host.cell.leave();
            let result = guarded(|| function(arguments)).and_then(|result| result);
            host.cell.enter();
            Ok(result)
        }
        ToolFunction::Async(function) => {
            let mut future = match guarded(|| function(arguments)) {
                Ok(future) => future,
                Err(error) => return Ok(Err(error)),
            };
            std::future::poll_fn(|cx| {
                host.cell.waker.register(cx.waker());
                match host.cell.woken() {
                    Some(Woken::Stop) => return Poll::Ready(Err(Stopped.into())),
                    Some(Woken::Signal) => {
                        let error = ToolError::new("InterruptedError", "the tool call was interrupted");
                        return Poll::Ready(Ok(Err(error)));
                    }
                    None => {}
                }
                match guarded(|| future.as_mut().poll(cx)) {
                    Ok(Poll::Pending) => Poll::Pending,
                    Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
                    Err(error) => Poll::Ready(Ok(Err(error))),
                }
            })
            .await
        }
    }
}

/// What a cell may take beyond the limit when the cells before it have left no room, so that it can give something up.
const SPARE_PER_CELL_BYTES: u64 = 1 << 20;
/// How far all cells together may get beyond the limit that way.
const SPARE_BYTES: u64 = 8 << 20;

/// Refuses growth of linear memory beyond the session's limit; CPython then raises MemoryError.
pub(crate) struct Limiter {
    max_bytes: u64,
    /// The limit of this cell.
    ceiling: u64,
    /// Whether this cell has hit it.
    pub(crate) refused: bool,
    cell: Arc<RunningCell>,
}

impl Limiter {
    pub(crate) fn new(max_bytes: u64, cell: Arc<RunningCell>) -> Self {
        Limiter { max_bytes, ceiling: max_bytes, refused: false, cell }
    }

    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Starts a cell of a guest that has `now` bytes.
    pub(crate) fn begin(&mut self, now: u64) {
        self.refused = false;
        self.ceiling = self.max_bytes.max((now + SPARE_PER_CELL_BYTES).min(self.max_bytes + SPARE_BYTES));
    }
}

impl wasmtime::ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired as u64 <= self.ceiling;
        self.refused |= !fits;
        if fits {
            self.cell.memory_grown(desired);
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 1 << 20)
    }
}
