//! Calls of tools: those that the guest waits for at once, and those that are under way while it goes on.

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, Waker},
};

use futures_util::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable, BoxFuture},
    stream::FuturesUnordered,
};
use keelback_session::{Limit, Value};

use super::{Host, Stopped};
use crate::{
    tool::{ToolError, ToolFunction},
    watch::Woken,
};

/// The name of the exception that stands for the end of the cell (docs/guest-abi.md).
const END_OF_CELL: &str = "keelback.end";

/// The name of the exception that stands for a call that the host cancelled.
const CANCELLED: &str = "keelback.cancelled";

/// The number of a call and what came of it; None when it was cancelled.
type Finished = (i64, Option<Result<Value, ToolError>>);

/// The tool calls under way.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) running: FuturesUnordered<BoxFuture<'static, Finished>>,
    pending: HashMap<i64, PendingCall>,
    pub(super) finished: VecDeque<Value>,
    /// How many cells have begun.
    pub(super) cell: u64,
}

struct PendingCall {
    abort: AbortHandle,
    tool: String,
    /// The cell that ran when the call was made.
    cell: u64,
}

impl Host {
    /// The name of a tool whose call is under way.
    pub(crate) fn call_under_way(&self) -> Option<&str> {
        self.calls.pending.values().next().map(|call| call.tool.as_str())
    }

    /// Cancels the calls made while the cell ran: it did not end well. What waits for them in the guest hears of it.
    pub(crate) fn cancel_calls_of_cell(&mut self) {
        let cell = self.calls.cell;
        let ids: Vec<i64> =
            self.calls.pending.iter().filter(|(_, call)| call.cell == cell).map(|(id, _)| *id).collect();
        for id in ids {
            self.cancel(id);
            self.calls.finished.push_back(finished(id, Err(ToolError::new(CANCELLED, ""))));
        }
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
    pub(super) fn settle(&mut self, name: &str, result: Result<Value, ToolError>) -> Result<Value, ToolError> {
        let value = result?;
        if !self.tools.get(name).is_some_and(|tool| tool.ends_cell) {
            return Ok(value);
        }
        self.ended.get_or_insert((name.to_owned(), value));
        Err(ToolError::new(END_OF_CELL, ""))
    }

    pub(super) fn start(&mut self, id: i64, name: &Value, args: Value, kwargs: Value) -> wasmtime::Result<()> {
        if self.calls.pending.contains_key(&id) {
            // The first of the two could never be cancelled.
            return Err(wasmtime::Error::msg(format!("guest started call {id} twice")));
        }
        let future: BoxFuture<'static, Result<Value, ToolError>> = match self.prepare(name, args, kwargs) {
            Err(error) => {
                self.calls.finished.push_back(finished(id, Err(error)));
                return Ok(());
            }
            Ok((ToolFunction::Async(function), arguments)) => match guarded(|| function(arguments)) {
                Ok(future) => future,
                Err(error) => {
                    self.calls.finished.push_back(finished(id, Err(error)));
                    return Ok(());
                }
            },
            Ok((ToolFunction::Sync(function), arguments)) => {
                Box::pin(blocking::unblock(move || guarded(|| function(arguments)).and_then(|result| result)))
            }
        };
        let (abort, registration) = AbortHandle::new_pair();
        let tool = name.as_str().unwrap_or_default().to_owned();
        self.calls.pending.insert(id, PendingCall { abort, tool, cell: self.calls.cell });
        let future = Abortable::new(AssertUnwindSafe(future).catch_unwind(), registration);
        self.calls.running.push(Box::pin(async move {
            let result = future.await.ok().map(|result| result.unwrap_or_else(|_| Err(panicked())));
            (id, result)
        }));
        Ok(())
    }

    /// Takes the results of calls that are done, and drops those that were cancelled.
    pub(super) fn collect(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some((id, result))) = self.calls.running.poll_next_unpin(cx) {
            let call = self.calls.pending.remove(&id);
            if let Some(result) = result {
                let result = self.settle(call.as_ref().map_or("", |call| &call.tool), result);
                self.calls.finished.push_back(finished(id, result));
            }
        }
    }

    pub(super) fn cancel(&mut self, id: i64) {
        if let Some(call) = self.calls.pending.remove(&id) {
            call.abort.abort();
            // Dropped now: the guest may not wait again for a long time. The next wait polls with a waker of its own.
            self.collect(&mut Context::from_waker(Waker::noop()));
        }
    }
}

/// A call from synchronous code: the guest stands still until it is done. An interrupt drops the call.
pub(super) async fn tool(
    host: &mut Host,
    name: &Value,
    args: Value,
    kwargs: Value,
) -> wasmtime::Result<Result<Value, ToolError>> {
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

fn finished(id: i64, result: Result<Value, ToolError>) -> Value {
    let (ok, payload) = payload(result);
    Value::Tuple(vec![Value::Int(id), ok, payload])
}

pub(super) fn payload(result: Result<Value, ToolError>) -> (Value, Value) {
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
