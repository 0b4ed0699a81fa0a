//! How the guest of a session is made and told its options.

use std::{sync::Arc, time::Duration};

use keelback_session::{Limit, Outcome, Value};

use super::Session;
use crate::{
    Engine, Error,
    fs::{FileSystem, FsLimits},
    guest::Guest,
    host::{Host, State},
    limiter::Limiter,
    limits::duration_text,
    marshal,
    net::Net,
    outcome, packages,
    snapshot::MemoryImage,
    wasi::{self, WasiCtx},
    watch::Sleeper,
};

impl Session {
    pub(super) fn file_system(&self) -> Result<FileSystem, Error> {
        let limits = FsLimits {
            max_scratch_bytes: self.options.limits.scratch_bytes,
            max_open_files: self.options.limits.open_files,
        };
        Ok(FileSystem::new(self.engine.0.library.clone(), &self.options.permissions.all_grants(), limits)?)
    }

    pub(super) fn wasi(&self, fs: FileSystem) -> WasiCtx {
        let output = self.output.clone();
        let stdin = self.options.permissions.stdin.for_cell(&self.cell, &self.engine.0.watch);
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
    pub(super) async fn begin(&mut self, mut wasi: WasiCtx) -> Result<(), Error> {
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
    pub(super) async fn find_packages(&mut self) -> Result<(), Error> {
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
    pub(super) async fn go_on(&mut self, wasi: WasiCtx, memory: MemoryImage<'_>) -> Result<(), Error> {
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
            ("synchronous", Value::Bool(options.synchronous)),
            ("terminal", super::assist::terminal(options.terminal)),
            ("recursion_limit", Value::Int(options.limits.recursion.into())),
        ];
        Value::Dict(entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
    }
}
