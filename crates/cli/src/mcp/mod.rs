//! `keelback mcp`: sessions for models, over the Model Context Protocol (<https://modelcontextprotocol.io>).
//!
//! `server.rs` is what a client may ask, `client.rs` what one client has, `tools.rs` what the tools say of themselves,
//! `result.rs` how a report becomes a result, `resources.rs` how files become resources, `http.rs` who may come in over
//! HTTP. Grants come from the command line and from nowhere else.

mod client;
mod http;
mod resources;
mod result;
mod server;
mod tools;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use rmcp::ServiceExt;
use tokio::sync::Semaphore;

use crate::{args::McpArgs, engine};
use server::{Server, Shared};

/// Bytes of text in a result; a choice: some 25,000 tokens.
const MAX_TEXT: u64 = 100_000;
/// HTTP clients with a session; a choice: each may take the memory limit.
const MAX_SESSIONS: usize = 16;
/// How long an HTTP client may be silent; a choice: longer than a person thinks about an answer.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Serves until the client goes away, or for HTTP until the process is ended; the exit status.
pub(crate) fn run(args: &McpArgs) -> Result<u8> {
    let listen = args.http.map(|address| http::Listen::new(address, args)).transpose()?;
    let options = args.grants.options()?;
    let engine = engine::start()?;
    // What cannot be granted is said now, not to a model.
    drop(engine.session(options.clone())?);
    let max_text = usize::try_from(args.max_text.unwrap_or(MAX_TEXT))?;
    let shared = Arc::new(Shared {
        tools: tools::tools(&args.grants, &options, max_text)?,
        instructions: tools::instructions(&args.grants, &options, max_text)?,
        engine,
        options,
        max_text,
        sessions: Arc::new(Semaphore::new(args.max_sessions.unwrap_or(MAX_SESSIONS))),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        match listen {
            Some(listen) => listen.serve(shared, args.idle_timeout.unwrap_or(IDLE)).await,
            None => stdio(shared).await,
        }
    });
    // A cell that runs for a client that has left is not waited for.
    runtime.shutdown_background();
    result.map(|()| 0)
}

async fn stdio(shared: Arc<Shared>) -> Result<()> {
    let server = Server::new(shared);
    let service = match server.serve(rmcp::transport::stdio()).await {
        Ok(service) => service,
        // Nobody said anything.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(error).context("the client did not begin the protocol"),
    };
    service.waiting().await?;
    Ok(())
}
