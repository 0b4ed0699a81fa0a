//! The host functions a guest imports from module `keelback` (docs/guest-abi.md). Everything that comes out of guest
//! memory is checked here before it is used.

mod calls;

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use keelback_session::{Event, Mime, MimeBundle, Stream, Value};
use sha2::digest::generic_array::GenericArray;
use wasmtime::{Caller, Linker, Memory};

use self::calls::{Calls, payload, tool};
use crate::{
    engine::Inner,
    fs::{FileSystem, LockKind},
    limiter::Limiter,
    marshal,
    net::{self, Net},
    output::Output,
    permissions::Stdin,
    tool::Tool,
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

    /// Starts a cell.
    pub(crate) fn begin(&mut self) {
        self.tool_calls = 0;
        self.tool_limit_hit = false;
        self.ended = None;
        self.calls.cell += 1;
        if let Some(net) = &mut self.net {
            net.begin();
        }
    }

    /// Finished calls and ready sockets, or nothing when `deadline` passes.
    fn poll_wait(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
        interests: &[(i64, i64)],
    ) -> Poll<Result<Vec<Value>, Woken>> {
        let polled_at = Instant::now();
        self.cell.waker.register(cx.waker());
        if let Some(woken) = self.cell.woken() {
            return Poll::Ready(Err(woken));
        }
        self.collect(cx);
        if self.cell.idle_ends() {
            // The prompt wants the session back: the guest's signal handler sees to that.
            return Poll::Ready(Ok(self.calls.finished.drain(..).collect()));
        }
        let ready = match &mut self.net {
            Some(net) if !interests.is_empty() => net.ready(interests, cx),
            _ => Vec::new(),
        };
        let timed_out = deadline.is_some_and(|deadline| deadline <= Instant::now());
        if timed_out || !ready.is_empty() || !self.calls.finished.is_empty() {
            return Poll::Ready(Ok(self.calls.finished.drain(..).chain(net::pairs(ready)).collect()));
        }
        self.wake_at(deadline, polled_at);
        Poll::Pending
    }
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
        4 => match marshal::decode(bytes) {
            Ok(value) => output.display(bytes.len(), || shown(value)),
            Err(_) => Ok(()),
        },
        _ => Ok(()),
    };
    Ok(i32::from(result.is_err()))
}

/// The value of an expression statement, as the guest gives it: its repr, a text over several lines, rich forms, whether
/// the second is not all of it.
fn shown(value: Value) -> Event {
    let Value::Tuple(items) = value else {
        return Event::Shown { text: String::new(), pretty: None, cut: false, mime: MimeBundle::default() };
    };
    let mut items = items.into_iter();
    let mut text = || match items.next() {
        Some(Value::Str(text)) => Some(text),
        _ => None,
    };
    let (repr, pretty) = (text().unwrap_or_default(), text());
    let mime = mime_bundle(items.next().unwrap_or(Value::None));
    Event::Shown { text: repr, pretty, cut: items.next() == Some(Value::Bool(true)), mime }
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
            state.host.start(id, &name, args, kwargs)?;
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
    fn wake_at(&self, deadline: Option<Instant>, polled_at: Instant) {
        let connecting = self.net.as_ref().and_then(|net| net.next_deadline(polled_at));
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
            let polled_at = Instant::now();
            host.cell.waker.register(cx.waker());
            if let Some(woken) = host.cell.woken() {
                return Poll::Ready(Err(woken));
            }
            let ready = host.net.as_mut().map(|net| net.ready(&interests, cx)).unwrap_or_default();
            let timed_out = deadline.is_some_and(|deadline| deadline <= Instant::now());
            if ready.is_empty() && !timed_out {
                host.wake_at(deadline, polled_at);
                return Poll::Pending;
            }
            Poll::Ready(Ok(net::response(Ok(Value::List(net::pairs(ready).collect())))))
        })
        .await;
    }
    std::future::poll_fn(|cx| {
        let polled_at = Instant::now();
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
        host.wake_at(deadline, polled_at);
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
