//! What a client may ask. Nothing here waits for Python: cells run on threads of their own, one at a time for a client,
//! and an MCP cancellation interrupts the one it names.

use std::{
    borrow::Cow,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use keelback_sandbox::{Engine, SessionOptions};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
        ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, ResourceTemplate, ServerCapabilities,
        ServerConfig, Tool,
    },
    service::RequestContext,
};
use serde_json::Value as Json;
use tokio::sync::{Mutex, Semaphore};

use super::client::{Client, Refusal, Running};

/// Resources on one page of a listing; a choice.
const PAGE: usize = 200;

/// What all clients have in common.
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) options: SessionOptions,
    pub(super) tools: Vec<Tool>,
    pub(super) instructions: String,
    pub(super) max_text: usize,
    pub(super) sessions: Arc<Semaphore>,
}

/// The server of one client. Dropped when the client has gone, and then its cell is interrupted.
pub(super) struct Server {
    shared: Arc<Shared>,
    client: Arc<Mutex<Client>>,
    running: Running,
}

impl Server {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let running = Running::default();
        let client = Client::new(Arc::clone(&shared), Arc::clone(&running));
        Server { shared, client: Arc::new(Mutex::new(client)), running }
    }

    /// Does something with the client's session on a thread where it may block, after what was asked for earlier.
    async fn with_client<T: Send + 'static>(
        &self,
        context: &RequestContext<RoleServer>,
        action: impl FnOnce(&mut Client, &AtomicBool) -> T + Send + 'static,
    ) -> Result<T, ErrorData> {
        let gone = || ErrorData::internal_error("the request was cancelled", None);
        let mut client = tokio::select! {
            client = Arc::clone(&self.client).lock_owned() => client,
            () = context.ct.cancelled() => return Err(gone()),
        };
        let cancelled = Arc::new(AtomicBool::new(false));
        // Also when this future is dropped half-way.
        let _on_drop = Interrupt { running: Arc::clone(&self.running), cancelled: Arc::clone(&cancelled) };
        let seen = Arc::clone(&cancelled);
        let mut task = tokio::task::spawn_blocking(move || {
            let result = action(&mut client, &seen);
            seen.store(true, Ordering::Relaxed);
            result
        });
        let result = tokio::select! {
            result = &mut task => result,
            () = context.ct.cancelled() => {
                cancelled.store(true, Ordering::Relaxed);
                // The cell may be about to begin: once is enough when it has.
                let mut tick = tokio::time::interval(Duration::from_millis(20));
                let mut reached = false;
                loop {
                    tokio::select! {
                        result = &mut task => break result,
                        _ = tick.tick(), if !reached => reached = interrupt(&self.running),
                    }
                }
            }
        };
        result.map_err(|error| ErrorData::internal_error(error.to_string(), None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        interrupt(&self.running);
    }
}

/// Interrupts the cell of a request that nobody waits for any more.
struct Interrupt {
    running: Running,
    /// Set, too, when there is nothing left to interrupt.
    cancelled: Arc<AtomicBool>,
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        if !self.cancelled.swap(true, Ordering::Relaxed) {
            interrupt(&self.running);
        }
    }
}

fn interrupt(running: &Running) -> bool {
    running.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|handle| handle.interrupt())
}

/// One argument of a tool; None when it is not given.
fn text(request: &CallToolRequestParams, name: &str) -> Result<Option<String>, ErrorData> {
    match request.arguments.as_ref().and_then(|arguments| arguments.get(name)) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ErrorData::invalid_params(format!("`{name}` must be a string"), None)),
    }
}

fn required(request: &CallToolRequestParams, name: &str) -> Result<String, ErrorData> {
    text(request, name)?.ok_or_else(|| ErrorData::invalid_params(format!("`{name}` is missing"), None))
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities =
            ServerCapabilities::builder().enable_tools().enable_resources().enable_resources_list_changed().build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("keelback", env!("CARGO_PKG_VERSION")))
            .with_instructions(self.shared.instructions.clone())
    }

    /// Up to the last version with sessions: what a client has here is one.
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_11_25))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.shared.tools.clone()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.shared.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        type Action = Box<dyn FnOnce(&mut Client, &AtomicBool) -> Result<CallToolResult, Refusal> + Send>;
        let action: Action = match &*request.name {
            "run_python" => {
                let code = required(&request, "code")?;
                Box::new(move |client, cancelled| client.run(&code, cancelled))
            }
            "reset" => Box::new(|client, _| client.reset()),
            "list_variables" => Box::new(|client, _| client.variables()),
            "checkpoint" => {
                let name = text(&request, "name")?;
                Box::new(move |client, _| client.checkpoint(name))
            }
            "rollback" => {
                let name = required(&request, "name")?;
                Box::new(move |client, _| client.rollback(&name))
            }
            name => return Err(ErrorData::invalid_params(format!("there is no tool `{name}`"), None)),
        };
        let work = move |client: &mut Client, cancelled: &AtomicBool| {
            let result = action(client, cancelled);
            (result, client.files_changed())
        };
        let (result, files_changed) = self.with_client(&context, work).await?;
        if files_changed {
            // A client that cannot be told will see it when it asks.
            let _ = context.peer.notify_resource_list_changed().await;
        }
        let result = result.unwrap_or_else(|refusal| CallToolResult::error(vec![ContentBlock::text(refusal)]));
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let start = match request.and_then(|request| request.cursor) {
            None => 0,
            Some(cursor) => cursor
                .parse()
                .map_err(|_| ErrorData::invalid_params(format!("`{cursor}` is no cursor of this list"), None))?,
        };
        let listed = self.with_client(&context, |client, _| client.resources()).await?;
        let listed = listed.map_err(|refusal| ErrorData::internal_error(refusal, None))?;
        let next = start + PAGE;
        let more = next < listed.len();
        let mut result = ListResourcesResult::with_all_items(listed.into_iter().skip(start).take(PAGE).collect());
        result.next_cursor = more.then(|| next.to_string());
        Ok(result)
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = ResourceTemplate::new("keelback:///{+path}", "file")
            .with_description("A file of the session by its path in the sandbox");
        Ok(ListResourceTemplatesResult::with_all_items(vec![template]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let contents = self.with_client(&context, move |client, _| client.read(&request.uri)).await?;
        let contents = contents.map_err(|refusal| ErrorData::resource_not_found(refusal, None))?;
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}
